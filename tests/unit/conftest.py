"""Small handwritten results of a job, in the formats that the stages write."""

import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from millrace.artifacts.account import Account, ReadFile, Shard
from millrace.artifacts.anomalies import Anomalies, Anomaly
from millrace.artifacts.champion import Champion, Check, Gate, RunnerUp
from millrace.artifacts.conversion import Conversion, Converted
from millrace.artifacts.diagnostics import (
    Calibration,
    Confusion,
    Diagnostics,
    Importance,
    PrecisionRecall,
    Predicted,
    Residuals,
    Roc,
    Slice,
)
from millrace.artifacts.leaderboard import Entry, Leaderboard
from millrace.artifacts.metrics import Interval, Metrics
from millrace.artifacts.parity import Parity, RuntimeParity, WorstRow
from millrace.artifacts.signature import Input, Signature
from millrace.artifacts.statistics import (
    Histogram,
    LabelStatistics,
    NumberStatistics,
    SplitStatistics,
    Statistics,
    TextStatistics,
)
from millrace.artifacts.training import History, Training
from millrace.files import sha256
from millrace.results import ConvertedFolder, Results, RunFolder, TrainingFolder
from millrace.tfrecord import examples
from tests.helpers.artifacts import choice_of, comparison_of, schema_of
from tests.helpers.configs import model_settings

FIXTURES = Path(__file__).parents[1] / "fixtures"

# The model in fixtures/tfjs: sigmoid(0.03 * (age - 40) + weight of the carrier); an age that is
# missing counts as 40, a carrier that is not in the table has the first weight.
CARRIER_WEIGHTS = {"": 0.1, "UA": 0.5, "AA": -0.7, "Ü": 1.1}

ROWS = [
    {"age": 25.0, "carrier": "UA"},
    {"age": None, "carrier": "AA"},
    {"age": 60.5, "carrier": "Ü"},
    {"age": 33.25, "carrier": None},
    {"age": 71.0, "carrier": "ZZ"},
]
LABELS: dict[str, list[Any]] = {
    "binary": [0, 1, 1, 0, 1],
    "multiclass": ["high", "low", "middle", "low", "high"],
    "regression": [12.5, 3.0, 9.25, 4.0, 7.75],
}
CLASSES: dict[str, list[Any]] = {
    "binary": [0, 1],
    "multiclass": ["high", "low", "middle"],
    "regression": [],
}
LABEL_TYPES = {"binary": "int64", "multiclass": "string", "regression": "float32"}
METRICS = {
    "binary": {
        "auc": (0.71, 0.69, 0.73),
        "log_loss": (0.5, 0.48, 0.52),
        "brier": (0.16, 0.15, 0.17),
    },
    "multiclass": {
        "accuracy": (0.8, 0.7, 0.9),
        "log_loss": (0.6, 0.5, 0.7),
        "macro_f1": (0.7, 0.6, 0.8),
    },
    "regression": {"rmse": (2.5, 2.25, 2.75), "mae": (2.0, 1.9, 2.1), "r2": (0.5, 0.4, 0.6)},
}
BASELINES = {
    "binary": {"auc": 0.5, "log_loss": 0.67, "brier": 0.24},
    "multiclass": {"accuracy": 0.4, "log_loss": 1.05, "macro_f1": 0.19},
    "regression": {"rmse": 3.5, "mae": 3.0, "r2": 0.0},
}
INPUT_TYPES = {"age": "float32", "carrier": "string"}
SPLIT_ROWS = {"train": 700, "validation": 150, "test": 5}


def fixture_model(row: dict[str, Any]) -> float:
    """Returns the probability that the model in fixtures/tfjs predicts, by its formula."""
    age = 40.0 if row["age"] is None else row["age"]
    weight = CARRIER_WEIGHTS.get(row["carrier"] or "", CARRIER_WEIGHTS[""])
    return 1 / (1 + math.exp(-(0.03 * (age - 40) + weight)))


@pytest.fixture
def make_results(tmp_path: Path) -> Callable[[str], Results]:
    """Returns a function that writes the results of a job with the given task."""

    def make(task: str) -> Path:
        results = Results(tmp_path / "results" / task)
        _write_data(results, task)
        for model in ("linear", "dnn"):
            _write_model(results.run(model), model, task)
        _write_selection(results, task)
        _write_export(results, task)
        return results

    return make


def _write_data(results: Results, task: str) -> None:
    schema = schema_of({"age": "float32", "carrier": "string", "late": LABEL_TYPES[task]}, "late")
    schema.save(results.schema)
    table = pa.Table.from_pylist(
        [row | {"late": label} for row, label in zip(ROWS, LABELS[task], strict=True)],
        schema=examples.arrow_schema(schema.types),
    )
    results.examples.mkdir()
    shard = results.examples / examples.shard_name("test", 0, 1)
    shard.write_bytes(examples.serialize(table.to_batches()[0]).tobytes())
    Account(
        rows_read=900,
        written=SPLIT_ROWS,
        rejected=5,
        unlabelled=40,
        duplicates_dropped=0,
        in_gap=0,
        files=[ReadFile("flights.csv", 900, 4096, "ab" * 32)],
        shards={"test": [Shard(shard.name, 5)]},
        reasons={"expected a number": 5},
        taken=[],
    ).save(results.account)
    results.rejected.write_text("file,row,byte_offset,column,reason,raw\n")
    splits = {split: _split(rows, task) for split, rows in SPLIT_ROWS.items()}
    alone = {"age": 0.61, "carrier": 0.52}
    label = LabelStatistics("late", task, CLASSES[task] or None, alone)
    Statistics(splits, label, unique=[]).save(results.statistics)
    message = "the distribution of 'carrier' in test differs from train: <b>0.3</b>"
    drift = Anomaly("warning", "drift", "carrier", "test", message, 0.3)
    Anomalies([drift]).save(results.anomalies)


def _split(rows: int, task: str) -> SplitStatistics:
    columns = {
        "age": _number(rows, 20.0, 80.0, "float32"),
        "carrier": _text(rows, ["UA", "AA", "Ü", "</script>"]),
        "late": (
            _text(rows, CLASSES[task])
            if task == "multiclass"
            else _number(rows, 0, 1 if task == "binary" else 30, LABEL_TYPES[task])
        ),
    }
    return SplitStatistics(rows, columns, repeated=0)


def _number(rows: int, low: float, high: float, type_: str) -> NumberStatistics:
    missing = rows // 10 if type_ == "float32" and high == 80 else 0
    counts = [(rows - missing) // 32] * 32
    counts[0] += rows - missing - sum(counts)
    step = (high - low) / 1024
    values = [(0, rows * 3 // 4), (1, rows - rows * 3 // 4)] if (low, high) == (0, 1) else []
    return NumberStatistics(
        type=type_,
        rows=rows,
        missing=missing,
        distinct=2 if values else 500,
        min=low,
        max=high,
        mean=(low + high) / 2,
        std=(high - low) / 4,
        log_mean=3.5,
        log_std=0.5,
        median=(low + high) / 2,
        quantiles=[low + step * index for index in range(1025)],
        histogram=Histogram([low + (high - low) * i / 32 for i in range(33)], counts),
        values=values,
    )


def _text(rows: int, values: list[str]) -> TextStatistics:
    counts = [rows // (2 ** (index + 1)) for index in range(len(values))]
    listed = [(value, count) for value, count in zip(values, counts, strict=True) if count]
    return TextStatistics("string", rows, rows - sum(counts), len(listed), listed)


def _write_model(run: RunFolder, model: str, task: str) -> None:
    training = Training(
        model=model,
        settings=model_settings(model),
        seed=0,
        parameters=1234,
        bytes=5678,
        epochs=3,
        best_epoch=2,
        val_loss=0.55,
    )
    Metrics(
        model=model,
        kind=model,
        task=task,
        split="test",
        fold=None,
        rows=5,
        too_small=None,
        threshold=0.5 if task == "binary" else None,
        metrics=_metrics(task),
        baseline=BASELINES[task],
        comparison=comparison_of(_metrics(task), rows=150, baseline=BASELINES[task]),
        training=training,
    ).save(run.metrics)
    _diagnostics(task).save(run.diagnostics)
    folder = TrainingFolder(run.training)
    losses = [(0.6, 0.61), (0.5, 0.55), (0.45, 0.56)]
    History(
        [{"learning_rate": 0.001, "loss": loss, "val_loss": val_loss} for loss, val_loss in losses]
    ).save(folder.history)
    training.save(folder.description)
    predictions: dict[str, list[Any]] = {"row": list(range(5)), "label": LABELS[task]}
    if task == "multiclass":
        for name, value in zip(CLASSES[task], (0.5, 0.25, 0.25), strict=True):
            predictions[f"prediction_{name}"] = [value] * 5
    else:
        predictions["prediction"] = [fixture_model(row) for row in ROWS]
    pq.write_table(pa.table(predictions), run.predictions)


def _metrics(task: str) -> dict[str, Interval | None]:
    return {name: Interval(*figures) for name, figures in METRICS[task].items()}


def _diagnostics(task: str) -> Diagnostics:
    common = Diagnostics(
        importance=[Importance("age", 0.06, 0.05, 0.07), Importance("carrier", 0.01, -0.01, 0.03)],
        slices=[Slice("carrier", "UA", 30, _metrics(task))],
    )
    if task == "regression":
        return replace(
            common,
            residuals=Residuals([-4.0, -2.0, 0.0, 2.0, 4.0], [1, 1, 2, 1]),
            predicted=Predicted([3.0, 9.25], [4.0, 8.5]),
        )
    classes = CLASSES[task]
    common = replace(common, confusion=Confusion(classes, [[2] * len(classes)] * len(classes)))
    if task == "multiclass":
        return common
    return replace(
        common,
        roc=Roc([0.0, 0.2, 1.0], [0.0, 0.7, 1.0], [1.0, 0.5, 0.0]),
        pr=PrecisionRecall([0.0, 0.7, 1.0], [1.0, 0.8, 0.4], [1.0, 0.5, 0.0]),
        calibration=Calibration([0.2, 0.6], [0.25, 0.55], [0.2, 0.5], [0.3, 0.6], [3, 2]),
    )


def _write_selection(results: Results, task: str) -> None:
    metric, (value, low, high) = next(iter(METRICS[task].items()))
    Leaderboard(
        [
            Entry(
                rank=rank,
                model=model,
                kind=model,
                metrics=_metrics(task),
                ranked_by=metric,
                ranked_on="validation",
                ranking=Interval(value, low, high),
                behind=Interval(0.0, -0.01, 0.01) if rank > 1 else None,
                over="rows",
                runs=1,
                parameters=1234,
                bytes=5678,
                epochs=3,
            )
            for rank, model in enumerate(("dnn", "linear"), start=1)
        ]
    ).save(results.leaderboard)
    check = Check("better than the baseline", expected=0.5, found=value, passed=True)
    Champion(
        model="dnn",
        kind="dnn",
        metric=metric,
        value=value,
        low=low,
        high=high,
        choice=choice_of(value, rows=150, low=low, high=high, not_separable=["linear"]),
        runner_up=RunnerUp("linear", value, value),
        margin=0.0,
        margin_low=-0.01,
        margin_high=0.01,
        gate=Gate(True, [check]),
    ).save(results.champion)


def _write_export(results: Results, task: str) -> None:
    Signature(
        model="dnn",
        inputs=[
            Input(name, name, type_, type_, 0, "", [""], type_ == "string", None, None, None)
            for name, type_ in INPUT_TYPES.items()
        ],
        output="predictions",
        task=task,
        classes=CLASSES[task],
        label="late",
        label_type=LABEL_TYPES[task],
        label_std=1.0,
        threshold=0.5 if task == "binary" else None,
    ).save(results.signature)
    shutil.copytree(FIXTURES / "tfjs", results.tfjs)
    Conversion(left_out=None).save(ConvertedFolder(results.tfjs).description)
    results.onnx.mkdir()
    ConvertedFolder(results.onnx).onnx.write_bytes(b"graph")
    Conversion(left_out=None).save(ConvertedFolder(results.onnx).description)
    results.saved_model.mkdir(parents=True)
    (results.saved_model / "saved_model.pb").write_bytes(b"graph")
    int8 = Converted(
        artifact="int8.tflite",
        precision="int8",
        bytes=512,
        shipped=False,
        reason="differs by 0.3, more than 0.02",
        max_difference=0.3,
        mean_difference=0.01,
        metric_cost=0.01,
        metric=0.7,
    )
    Conversion(None, rows=5, metric=next(iter(METRICS[task])), artifacts=[int8]).save(
        ConvertedFolder(results.tflite).description
    )
    Parity(
        passed=True,
        reference="keras",
        model="dnn",
        rows=1100,
        real_rows=1000,
        raw_file_rows=500,
        helped_cells={"age": 20},
        synthetic_rows=100,
        refused_rows=0,
        rows_with_unseen_text=None,
        tolerance=5e-5,
        runtimes=[_runtime("saved_model", "serving_default"), _runtime("tfjs", "wasm")],
        stored_rows=_runtime("evaluation", "stored rows"),
        not_reached=[],
        not_shipped=[int8],
        files={f"tfjs/{path.name}": sha256(path) for path in results.tfjs.iterdir()},
    ).save(results.parity)


def _runtime(runtime: str, variant: str) -> RuntimeParity:
    return RuntimeParity(
        runtime=runtime,
        variant=variant,
        artifact=f"export/{runtime}",
        reduced=False,
        rows=1100,
        max_difference=1.2e-7,
        mean_difference=1e-8,
        class_flips=0,
        finite=True,
        bound=5e-5,
        passed=True,
        worst_row=WorstRow(3, ROWS[3] | {"carrier": ""}, reference=0.4, prediction=0.4),
    )
