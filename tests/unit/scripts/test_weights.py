"""A weight column, from raw table to loss and metrics, compared with scikit-learn."""

import json
import runpy
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk

from millrace.errors import MillraceError
from millrace.features import encoded
from millrace.features.preprocessing import Preprocessing

SCRIPTS = Path(__file__).parents[3] / "scripts"


def made(rows: int = 1200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=rows).round(3)
    late = np.where(x + rng.normal(size=rows) > 0, "yes", "no")
    times = rng.choice([0.5, 1, 1, 2, 30], rows)
    split = np.array(["train", "validation", "test"])[rng.choice(3, rows, p=[0.6, 0.2, 0.2])]
    return pd.DataFrame({"x": x, "times": times, "late": late, "split": split})


class Job:
    """A job in the current folder whose stages run in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, features: Any = "auto") -> None:
        self._monkeypatch = monkeypatch
        self.table = made()
        files = {}
        for split, rows in self.table.groupby("split"):
            files[split] = f"{split}.csv"
            rows.drop(columns="split").to_csv(f"{split}.csv", index=False)
        config = {
            "name": "made",
            "data": {"files": files, "label": "late", "weight": "times"},
            "features": features,
            "models": ["dnn", "boosted_trees"],
            "training": {"epochs": 2},
            "evaluation": {"bootstrap": 20, "threshold": "max_f1"},
        }
        Path("config.yaml").write_text(json.dumps(config))
        self.run("fetch", output="raw")
        examples = {"examples": "examples", "schema": "schema.json"}
        self.run("ingest", raw="raw", part="1", output="parts/1")
        self.run("gather", parts="parts", **examples, account="a.json", rejected="r.csv")
        statistics = {"statistics": "statistics.json"}
        written = {**statistics, "anomalies": "anomalies.json", "suggestion": "s.json"}
        self.run("analyze", **examples, account="a.json", **written)
        learned = {"preprocessing": "p.json", "encoded": "encoded"}
        self.run("preprocess", **examples, **statistics, **learned, features="f.yaml")

    def run(self, stage: str, **arguments: str) -> None:
        given = [f"--{name}={value}" for name, value in arguments.items()]
        script = str(SCRIPTS / f"{stage}.py")
        self._monkeypatch.setattr("sys.argv", [script, "--config=config.yaml", *given])
        runpy.run_path(script)["main"]()

    def evaluate(self, model: str) -> tuple[dict[str, Any], pd.DataFrame]:
        keras.utils.clear_session()
        learned = {"preprocessing": "p.json", "encoded": "encoded"}
        written = {"output": f"{model}/training", "hardware": "h.json"}
        self.run("train", model=model, models=".", **learned, **written)
        written = {"metrics": "m.json", "diagnostics": "d.json", "predictions": "p.parquet"}
        examples = {"examples": "examples", "schema": "schema.json"}
        self.run(
            "evaluate", model=model, training=f"{model}/training", **learned, **examples, **written
        )
        return json.loads(Path("m.json").read_text()), pd.read_parquet("p.parquet")

    def rows(self, split: str) -> pd.DataFrame:
        return self.table[self.table["split"] == split]


@pytest.mark.slow
def test_a_row_counts_as_often_as_its_weight_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    job = Job(monkeypatch)
    learned = Preprocessing.load(Path("p.json"))
    assert [column.name for column in learned.raw] == ["x"]
    alone = json.loads(Path("statistics.json").read_text())["label"]["alone"]
    assert list(alone) == ["x"]
    mean = job.rows("train")["times"].mean()
    validation = encoded.read(Path("encoded/validation.tfrecord"), learned.spec)
    assert validation.weights is not None
    np.testing.assert_allclose(validation.weights, job.rows("validation")["times"] / mean, 1e-6)

    for model in ("dnn", "boosted_trees"):
        measured, predictions = job.evaluate(model)
        test, threshold = job.rows("test"), measured["threshold"]
        y, p = predictions["label"] == "yes", predictions["prediction"].astype(float)
        weights = {"sample_weight": test["times"].to_numpy()}
        values = {name: found["value"] for name, found in measured["metrics"].items()}
        assert values["auc"] == pytest.approx(sk.roc_auc_score(y, p, **weights))
        assert values["log_loss"] == pytest.approx(sk.log_loss(y, p, **weights), rel=1e-4)
        assert values["recall"] == pytest.approx(sk.recall_score(y, p >= threshold, **weights))
        assert values["auc"] != pytest.approx(sk.roc_auc_score(y, p), abs=1e-4)
        train = job.rows("train")
        share = np.average(train["late"] == "yes", weights=train["times"])
        expected = np.average((share - y) ** 2, weights=test["times"])
        assert measured["baseline"]["brier"] == pytest.approx(expected)


@pytest.mark.slow
def test_the_weight_is_no_feature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MillraceError, match=r"expected a feature, found data\.weight"):
        Job(monkeypatch, features={"x": "numeric", "times": "numeric"})
