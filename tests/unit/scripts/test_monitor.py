"""monitor, called as make calls it."""

import subprocess
import sys
from pathlib import Path

from millrace.artifacts.monitoring import Monitoring
from tests.conftest import make_table
from tests.helpers.monitored import Monitored

ROOT = Path(__file__).parents[3]
PROGRAM = """
import runpy, sys
try:
    runpy.run_path("scripts/monitor.py", run_name="__main__")
finally:
    assert not {"tensorflow", "keras"} & sys.modules.keys()
"""


def test_it_writes_both_files_and_tells_a_scheduler(made_job, tmp_path: Path) -> None:
    monitored = Monitored(made_job("binary").until("convert_tflite"), tmp_path)
    rows, output = tmp_path / "new.csv", tmp_path / "monitor.json"
    arguments = ["--config", monitored.config, "--results", monitored.results.folder]
    arguments += ["--rows", rows, "--output", output]
    table = make_table("binary", 400, 2)
    for factor, status, said in ((1, 0, "no alarm"), (25.4, 3, "ALARM")):
        changed = table.assign(**{"size (mm)": table["size (mm)"] * factor})
        changed.to_csv(rows, index=False, na_rep="NA")
        command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        assert f"400 rows = 400 scored, 0 rejected, 1 windows: {said} ({output})" in done.stdout
        assert Monitoring.load(output).alarm is bool(status)
    page = output.with_suffix(".html").read_text()
    assert '<b class="bad">Alarm.</b>' in page
    assert "the distribution of &#39;size (mm)&#39; differs from training" in page
