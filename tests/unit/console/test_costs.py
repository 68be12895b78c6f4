"""The costs of models, compared with the kernel's and the stages' figures."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from millrace.config import complete, runs
from millrace.config.job import JobConfig
from millrace.console import costs
from millrace.errors import MillraceError
from millrace.export import conversion
from millrace.results import Logs, Results
from tests.helpers.artifacts import champion_of

SAID = 'costs: {{"cpu_seconds": {}, "peak_mib": {}}}\n'


def test_a_process_tells_what_the_kernel_counted() -> None:
    code = (
        "from millrace.console import costs\n"
        "x = b'.' * 2**28; sum(range(10**7)); print(costs.spent())"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0
    assert said.startswith("costs: ")
    found = json.loads(said.removeprefix("costs: "))
    # The kernel keeps counting until the process has ended.
    assert found["cpu_seconds"] == pytest.approx(used.ru_utime + used.ru_stime, rel=0.3)
    assert found["peak_mib"] == pytest.approx(used.ru_maxrss / 1024, rel=0.01)


def job(**model: Any) -> JobConfig:
    data = {"files": "t.csv", "label": "y"}
    return complete({"name": "a", "data": data, "models": {"m": {"kind": "dnn", **model}}})


def logs(folder: Path, said: dict[str, str]) -> Path:
    for name, text in said.items():
        path = folder / "train" / f"{name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"epoch 1: loss 0.5\n{text}", encoding="utf-8")
    return folder


def trained(folder: Path, said: dict[str, str], **model: Any) -> list[float | None]:
    found = costs.training(Logs(logs(folder, said)), "m", runs.plan(job(**model)).values())
    return [found[key] for key in ("cpu_seconds", "all_cpu_seconds", "peak_mib")]


def test_other_seeds_are_told_apart_from_the_model(tmp_path: Path) -> None:
    said = {"m": SAID.format("20.5", 900), "m/seeds/1": SAID.format("22.0", 950)}
    # A run of an earlier config no longer counts.
    said["m/seeds/2"] = SAID.format("99.0", 999)
    assert trained(tmp_path, said, seeds=2) == [20.5, 42.5, 950]


def test_the_members_of_an_ensemble_are_the_model(tmp_path: Path) -> None:
    said = {"m": SAID.format("3.0", 500)}
    said |= {f"m/seeds/{seed}": SAID.format("10.0", 700) for seed in range(2)}
    assert trained(tmp_path, said, seeds=2, ensemble=True) == [23.0, 23.0, 700]


def test_the_members_of_an_ensemble_across_models_count_too(tmp_path: Path) -> None:
    settings = {"m": {"kind": "ensemble"}, "one": {"kind": "linear"}, "two": {"kind": "linear"}}
    data = {"files": "t.csv", "label": "y"}
    plan = runs.plan(complete({"name": "a", "data": data, "models": settings}))
    said = {"m": SAID.format("3.0", 900), "one": SAID.format("10.0", 700)}
    said["two"] = SAID.format("20.0", 800)
    found = costs.training(Logs(logs(tmp_path, said)), "m", plan.values())
    assert found == {"cpu_seconds": 33.0, "all_cpu_seconds": 33.0, "peak_mib": 900}


def test_all_processes_of_a_training_count(tmp_path: Path) -> None:
    said = {"m": f"0: {SAID.format('5.0', 600)}1: {SAID.format('6.0', 610)}"}
    assert trained(tmp_path, said) == [11.0, 11.0, 610]


def test_what_no_log_tells_is_not_known(tmp_path: Path) -> None:
    said = {"m": SAID.format("5.0", 600), "m/seeds/1": "killed"}
    assert trained(tmp_path, said, seeds=2) == [5.0, None, 600]
    assert trained(tmp_path / "none", {}) == [None, None, None]


def test_a_line_tells_of_all_models(tmp_path: Path) -> None:
    assert costs.told(Logs(logs(tmp_path, {})), job()) is None
    logs(tmp_path, {"m": SAID.format("20.6", 900)})
    assert costs.told(Logs(tmp_path), job()) == "Training: m 21 CPU seconds"


@pytest.fixture
def finished(made_job, tmp_path, monkeypatch):
    """A folder with a job whose dnn is trained and converted, and its leaderboard."""
    made = made_job("binary").until("convert_tflite")
    results = tmp_path / "results" / "made"
    results.mkdir(parents=True)
    for name in ("preprocessing.json", "examples", "models"):
        (results / name).symlink_to(made.results / name)
    champion_of("dnn").save(results / "champion.json")
    row = {"rank": 1, "model": "dnn", "auc": 0.75, "auc_low": 0.7, "auc_high": 0.8}
    with (results / "leaderboard.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [*row, "parameters"])
        writer.writeheader()
        writer.writerow(row | {"parameters": 1234})
    logs(tmp_path / "logs" / "made", {"dnn": SAID.format("20.0", 900)})
    config = "name: made\ndata: {files: t.csv, label: label}\nmodels: {dnn: {kind: dnn}}\n"
    (tmp_path / "job.yaml").write_text(config)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["costs", "--config", "job.yaml"])
    return made


def costs_of_dnn() -> dict[str, str]:
    with Path("logs/made/costs.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    return row


def test_the_table_is_the_leaderboard_with_the_costs(finished, capsys):
    costs.main()
    row = costs_of_dnn()
    shipped = finished.results / "export" / "tflite" / "float32.tflite"
    assert int(row["tflite_bytes"]) == shipped.stat().st_size
    assert float(row["row_microseconds"]) > 0
    assert (row["cpu_seconds"], row["peak_mib"], row["auc"]) == ("20.0", "900", "0.75")
    titles, cells, _ = capsys.readouterr().out.splitlines()
    assert titles.split()[:2] == ["model", "auc"]
    assert cells.split()[:9] == ["1", "dnn", "0.75", "0.7", "to", "0.8", "20", "20", "900"]


def test_a_model_that_tflite_cannot_run_is_told_with_the_reason(finished, capsys, monkeypatch):
    def refuse(saved_model):
        raise conversion.LackingOps(saved_model, "TF Lite", "tflite", ["StringToHashBucketFast"])

    monkeypatch.setattr(conversion, "convert_tflite", refuse)
    costs.main()
    assert (costs_of_dnn()["tflite_bytes"], costs_of_dnn()["row_microseconds"]) == ("", "")
    said = capsys.readouterr().out
    assert "dnn: TF Lite lacks StringToHashBucketFast" in said
    assert said.splitlines()[1].split()[-2:] == ["-", "-"]


def test_a_leaderboard_of_other_models_is_refused(finished):
    text = Path("job.yaml").read_text().replace("dnn: {", "deep: {")
    Path("job.yaml").write_text(text)
    with pytest.raises(MillraceError, match="expected the models of the config, deep; found dnn"):
        costs.main()
    assert not Path("logs/made/costs.csv").exists()


def test_a_job_that_has_not_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(MillraceError, match=r"leaderboard\.csv: expected a leaderboard"):
        costs.leaderboard(Results(tmp_path))
