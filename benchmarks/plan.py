"""Measures how long Snakemake plans: `snakemake -n` on a job with 200 models.

    python benchmarks/plan.py

Writes plan.json next to it: CPU seconds without results and with all of them, and the
same for a job with one model.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
CALL = [sys.executable, "-m", "snakemake", "--quiet", "all", "--cores", "1"]


def make_job(folder: Path, models: int) -> Path:
    for name in ("Snakefile", "rules", "scripts", "envs", "profiles", "web"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "table.csv").write_text("x,y\n1,0\n")
    named = "".join(f"  m{i}: {{kind: dnn, hidden_units: [{16 + i}]}}\n" for i in range(models))
    text = f"name: many\ndata: {{files: table.csv, label: y}}\nmodels:\n{named}"
    (folder / "job.yaml").write_text(text)
    return folder


def finish(folder: Path) -> None:
    """Makes Snakemake believe that all jobs have run, with its --touch."""
    done = subprocess.run(
        [*CALL, "--configfile", "job.yaml", "--dry-run", "--summary"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    for line in done.stdout.splitlines()[1:]:
        path = folder / line.split("\t")[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix:
            path.touch()
        else:
            path.mkdir(exist_ok=True)
    subprocess.run([*CALL, "--configfile", "job.yaml", "--touch"], cwd=folder, check=True)


def cpu_seconds(folder: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*CALL, "--configfile", "job.yaml", "--dry-run"], cwd=folder, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    found = {}
    for models in (1, 200):
        with tempfile.TemporaryDirectory() as name:
            folder = make_job(Path(name), models)
            nothing_there = cpu_seconds(folder)
            finish(folder)
            found[models] = {"nothing there": nothing_there, "all there": cpu_seconds(folder)}
    result = {
        "cpu_seconds": {str(n): {k: round(v, 2) for k, v in of.items()} for n, of in found.items()},
        "200 beside 1": {k: round(v / found[1][k], 2) for k, v in found[200].items()},
        "cores": os.cpu_count(),
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
