"""evaluate on synthetic jobs of the three tasks, compared with scikit-learn's metrics."""

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk

from millrace.config import runs
from millrace.errors import MillraceError

SCRIPT = Path(__file__).parents[3] / "scripts" / "evaluate.py"
OUTPUTS = ("metrics.json", "diagnostics.json", "predictions.parquet")

pytestmark = pytest.mark.slow


@pytest.fixture
def evaluate(
    made_job: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Returns a function that evaluates a synthetic job's model into a new folder."""

    def call(task: str, settings: str = "", training: Path | None = None, run: str = "dnn") -> Path:
        job = made_job(task).until("train")
        config = tmp_path / "config.yaml"
        config.write_text(job.config.read_text(encoding="utf-8") + settings, encoding="utf-8")
        results, out = job.results, tmp_path / "out"
        arguments = ["--model", run, "--config", str(config)]
        arguments += ["--training", str(training or results / "models" / "dnn" / "training")]
        for name in ("preprocessing.json", "encoded", "examples", "schema.json"):
            arguments += [f"--{name.partition('.')[0]}", str(results / name)]
        for name in OUTPUTS:
            arguments += [f"--{name.partition('.')[0]}", str(out / name)]
        monkeypatch.setattr("sys.argv", [str(SCRIPT), *arguments])
        runpy.run_path(str(SCRIPT))["main"]()
        return out

    return call


def read(out: Path) -> tuple[dict[str, Any], dict[str, Any], pd.DataFrame]:
    metrics, diagnostics = (json.loads((out / name).read_text()) for name in OUTPUTS[:2])
    return metrics, diagnostics, pd.read_parquet(out / OUTPUTS[2])


def values(metrics: dict[str, Any]) -> dict[str, float]:
    for measured in metrics["metrics"].values():
        assert measured["low"] <= measured["value"] <= measured["high"]
    return {name: measured["value"] for name, measured in metrics["metrics"].items()}


def test_binary(evaluate: Callable[..., Path], made_job: Callable[[str], Any]) -> None:
    out = evaluate("binary", "evaluation: {slices: [city], bootstrap: 50}")
    metrics, diagnostics, predictions = read(out)
    test = made_job("binary").tables["test"]
    assert predictions["label"].tolist() == test["label"].tolist()
    assert predictions["row"].tolist() == list(range(1, len(test) + 1))
    assert [Path(file).name for file in predictions["file"].unique()] == ["test.csv"]
    y, p = predictions["label"] == "yes", predictions["prediction"].astype(float)
    found = values(metrics)
    assert found["auc"] == pytest.approx(sk.roc_auc_score(y, p))
    assert found["pr_auc"] == pytest.approx(sk.average_precision_score(y, p))
    assert found["log_loss"] == pytest.approx(sk.log_loss(y, p))
    assert found["f1"] == pytest.approx(sk.f1_score(y, p >= 0.5))
    assert found["auc"] > 0.9
    assert (metrics["threshold"], metrics["rows"], metrics["kind"]) == (0.5, 400, "dnn")
    assert (metrics["comparison"]["split"], metrics["comparison"]["too_small"]) == (
        "validation",
        None,
    )
    share = (made_job("binary").tables["train"]["label"] == "yes").mean()
    assert metrics["baseline"]["brier"] == pytest.approx(((share - y) ** 2).mean())
    confusion = sk.confusion_matrix(y, p >= 0.5).tolist()
    assert diagnostics["confusion"] == {"labels": ["no", "yes"], "counts": confusion}
    importance = {entry["column"]: entry["drop"] for entry in diagnostics["importance"]}
    assert set(importance) == {"size (mm)", "count", "city"}
    assert min(importance.values()) > 0.01
    by_city = {entry["value"]: entry for entry in diagnostics["slices"]}
    assert by_city[None]["rows"] == test["city"].isna().sum()
    there = (test["city"] == "Zürich").to_numpy()
    expected = sk.accuracy_score(y[there], p[there] >= 0.5)
    assert by_city["Zürich"]["metrics"]["accuracy"]["value"] == pytest.approx(expected)


def test_models_are_compared_by_the_validation_rows(
    evaluate: Callable[..., Path], made_job: Callable[[str], Any]
) -> None:
    from millrace import models

    found = read(evaluate("binary", "evaluation: {bootstrap: 40}"))[0]["comparison"]
    results = made_job("binary").results
    predictor = models.load(results / "preprocessing.json", results / "models" / "dnn" / "training")
    p = predictor.predict_split(results / "encoded", results / "examples", "validation")
    y = (made_job("binary").tables["validation"]["label"] == "yes").to_numpy(float)
    assert found["rows"] == len(y)
    assert found["metrics"]["auc"]["value"] == pytest.approx(sk.roc_auc_score(y, p))
    share = (made_job("binary").tables["train"]["label"] == "yes").mean()
    assert found["baseline"]["brier"] == pytest.approx(((share - y) ** 2).mean())
    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, len(y), len(y)) for _ in range(40)]
    expected = [sk.roc_auc_score(y[rows], p[rows]) for rows in drawn]
    assert found["resampled"] == pytest.approx(expected)


def test_a_test_that_is_too_small_has_no_intervals_and_a_warning(
    evaluate: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("millrace.evaluation.bootstrap.LEAST_ROWS", 401)
    metrics, _, _ = read(evaluate("binary"))
    assert metrics["too_small"] == "400 rows, fewer than 401"
    assert {(x["low"], x["high"]) for x in metrics["metrics"].values()} == {(None, None)}
    assert metrics["metrics"]["auc"]["value"] > 0.9
    assert "warning: the test has 400 rows, fewer than 401" in capsys.readouterr().out


def test_a_fold_is_evaluated_on_its_own_examples(
    evaluate: Callable[..., Path], made_job: Callable[[str], Any]
) -> None:
    settings = "selection: {folds: 3}\nevaluation: {slices: [city], bootstrap: 20}"
    metrics, diagnostics, predictions = read(evaluate("binary", settings, run="dnn/folds/1"))
    train = made_job("binary").tables["train"]
    assert (metrics["rows"], metrics["fold"], metrics["split"]) == (400, 1, "train")
    held_out = runs.fold_rows((train["label"] == "yes").to_numpy(np.float32), 3, seed=0)[1]
    assert predictions["label"].tolist() == train["label"].iloc[held_out].tolist()
    assert predictions["row"].tolist() == (held_out + 1).tolist()
    auc = sk.roc_auc_score(predictions["label"] == "yes", predictions["prediction"].astype(float))
    assert values(metrics)["auc"] == pytest.approx(auc)
    compared = metrics["comparison"]
    assert (compared["split"], compared["rows"], len(compared["resampled"])) == ("train", 400, 20)
    assert compared["metrics"] == metrics["metrics"]
    by_city = {entry["value"]: entry["rows"] for entry in diagnostics["slices"]}
    assert by_city["Zürich"] == (train["city"].iloc[held_out] == "Zürich").sum()


def test_multiclass(evaluate: Callable[..., Path], made_job: Callable[[str], Any]) -> None:
    metrics, diagnostics, predictions = read(evaluate("multiclass"))
    assert predictions["label"].tolist() == made_job("multiclass").tables["test"]["label"].tolist()
    classes = ["high", "low", "middle"]
    p = predictions[[f"prediction_{name}" for name in classes]].to_numpy(float)
    called = np.array(classes)[p.argmax(axis=1)]
    found = values(metrics)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(predictions["label"], called))
    macro_f1 = sk.f1_score(predictions["label"], called, average="macro")
    assert found["macro_f1"] == pytest.approx(macro_f1)
    assert found["log_loss"] < metrics["baseline"]["log_loss"]
    assert metrics["threshold"] is None
    assert diagnostics["confusion"]["labels"] == classes


def test_regression(evaluate: Callable[..., Path], made_job: Callable[[str], Any]) -> None:
    metrics, diagnostics, predictions = read(evaluate("regression"))
    tables = made_job("regression").tables
    y = tables["test"]["label"].to_numpy(float)
    np.testing.assert_allclose(predictions["label"], y, rtol=1e-6)
    found = values(metrics)
    expected = sk.root_mean_squared_error(y, predictions["prediction"])
    assert found["rmse"] == pytest.approx(expected, rel=1e-4)
    constant = np.full(len(y), tables["train"]["label"].mean())
    expected = sk.root_mean_squared_error(y, constant)
    assert metrics["baseline"]["rmse"] == pytest.approx(expected, rel=1e-4)
    assert sum(diagnostics["residuals"]["counts"]) == len(y)


def test_a_second_run_writes_the_same_bytes(evaluate: Callable[..., Path]) -> None:
    before = [(evaluate("binary") / name).read_bytes() for name in OUTPUTS]
    assert [(evaluate("binary") / name).read_bytes() for name in OUTPUTS] == before


def test_max_f1_is_sought_on_validation(evaluate: Callable[..., Path]) -> None:
    metrics, _, predictions = read(evaluate("binary", "evaluation: {threshold: max_f1}"))
    y, p = predictions["label"] == "yes", predictions["prediction"]
    assert values(metrics)["f1"] == pytest.approx(sk.f1_score(y, p >= metrics["threshold"]))
    best_on_test = max(sk.f1_score(y, p >= t) for t in np.linspace(0.01, 0.99, 99))
    assert metrics["threshold"] != 0.5
    assert best_on_test - 0.05 < values(metrics)["f1"]


@pytest.mark.parametrize(
    ("task", "settings", "message"),
    [
        ("binary", "evaluation: {slices: [town]}", r"evaluation.slices: .*found 'town'"),
        ("binary", "evaluation: {slices: [label]}", r"evaluation.slices: .*found 'label'"),
        ("binary", "selection: {metric: rmse}", "selection.metric: expected a metric of a binary"),
        ("regression", "evaluation: {threshold: max_f1}", "none for a regression task"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    evaluate: Callable[..., Path], tmp_path: Path, task: str, settings: str, message: str
) -> None:
    with pytest.raises(MillraceError, match=message):
        evaluate(task, settings)
    assert not (tmp_path / "out").exists()


def test_a_model_that_predicts_nan_is_refused(
    evaluate: Callable[..., Path], made_job: Callable[[str], Any], tmp_path: Path
) -> None:
    from millrace import models

    results = made_job("binary").until("train").results
    trained, broken = results / "models" / "dnn" / "training", tmp_path / "training"
    model = models.load(results / "preprocessing.json", trained).model
    model.set_weights([weight * np.nan for weight in model.get_weights()])
    broken.mkdir()
    model.save_weights(broken / "model.weights.h5")
    (broken / "training.json").write_bytes((trained / "training.json").read_bytes())
    with pytest.raises(MillraceError, match="predictions: expected finite numbers, found 400"):
        evaluate("binary", training=broken)
    assert not (tmp_path / "out").exists()
