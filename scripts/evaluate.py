"""Evaluates one run of a model on the test examples, or on the fold that it was trained without."""

import argparse
from pathlib import Path
from typing import Any

from millrace import config, errors
from millrace.config import runs
from millrace.errors import MillraceError
from millrace.evaluation import diagnostics, metrics, prediction_table
from millrace.export.serving import AnyPredictor, load_predictor
from millrace.features import encoded
from millrace.features.raw_row import RawColumn, read_raw
from millrace.files import read_json, write_json
from millrace.tfrecord.examples import shard_paths
from millrace.training import devices

import numpy as np


def main() -> None:
    """Reads a trained model and examples; writes metrics, diagnostics, predictions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="a run, such as tabm or tabm/folds/1")
    for name in ("config", "training", "preprocessing", "encoded", "examples", "schema"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("metrics", "diagnostics", "predictions"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    devices.hide()

    job = config.load(arguments.config)
    run = runs.named(job, arguments.model)
    split = "test" if run.fold is None else "train"
    schema = read_json(arguments.schema)
    sliced = slice_columns(job["evaluation"]["slices"], schema)
    predictor = load_predictor(arguments.preprocessing, arguments.training)
    task = predictor.preprocessing.task
    metric = metrics.selection_metric(job["selection"]["metric"], task.kind)
    rows = evaluated_rows(job, arguments, predictor)
    labels, weights = read_labels(predictor, arguments.encoded / f"{split}.tfrecord")
    predictions = predictor.predict_split(arguments.encoded, arguments.examples, split)[rows]
    labels, weights = labels[rows], None if weights is None else weights[rows]
    threshold = choose_threshold(job["evaluation"]["threshold"], predictor, arguments)

    def intervals(rows: np.ndarray) -> dict[str, Any]:
        measure = metrics.measure(task.kind, labels[rows], predictions[rows], threshold)
        samples = job["evaluation"]["bootstrap"]
        own = None if weights is None else weights[rows]
        return metrics.intervals(measure, len(rows), samples, job["seed"], own)

    measured = intervals(np.arange(len(labels)))
    train_labels, train_weights = read_labels(predictor, arguments.encoded / "train.tfrecord")
    constant = metrics.constant_predictions(task.kind, train_labels, len(labels), train_weights)
    # At the model's own threshold a constant might call every row positive; at .5 it calls the
    # more frequent class.
    baseline = metrics.evaluate(task.kind, labels, constant, 0.5, weights)
    description = read_json(arguments.training / "training.json")

    columns = {column.name: column for column in (*sliced, *predictor.preprocessing.raw)}
    raw = read_raw(shard_paths(arguments.examples, split), tuple(columns.values()))
    raw = {name: column[rows] for name, column in raw.items()}
    drawn = diagnostics.draw(len(labels), job["seed"])
    permuted = {column.name: raw[column.name][drawn] for column in predictor.preprocessing.raw}

    def score(changed: np.ndarray) -> float:
        own = None if weights is None else weights[drawn]
        value = metrics.evaluate(task.kind, labels[drawn], changed, threshold, own)[metric]
        return -value if metric in metrics.LOWER_IS_BETTER else value

    classes = list(task.classes)
    described = diagnostics.describe(task.kind, labels, predictions, classes, threshold)
    described["importance"] = diagnostics.importance(
        predictor.predict, permuted, score, job["seed"]
    )
    described["slices"] = diagnostics.slices({c.name: raw[c.name] for c in sliced}, intervals)

    prediction_table.write(arguments.predictions, task.classes, labels, predictions)
    write_json(arguments.diagnostics, described)
    write_json(
        arguments.metrics,
        {
            "model": run.name,
            "kind": description["settings"]["kind"],
            "task": task.kind,
            "split": split,
            "fold": run.fold,
            "rows": len(labels),
            "threshold": threshold if task.kind == "binary" else None,
            "metrics": measured,
            "baseline": {name: None if np.isnan(x) else x for name, x in baseline.items()},
            "training": description,
        },
    )
    if value := measured[metric]:
        print(f"{metric} {value['value']:.4f}, 95 %: {value['low']:.4f} to {value['high']:.4f}")


def slice_columns(names: list[str], schema: dict[str, Any]) -> list[RawColumn]:
    """Returns the columns to slice by; raises MillraceError when one is no feature column."""
    types = {c["name"]: c["type"] for c in schema["columns"] if c["name"] != schema["label"]}
    for name in names:
        if name not in types:
            raise MillraceError(
                f"evaluation.slices: expected columns out of {list(types)}, found {name!r}."
            )
    return [RawColumn(name, types[name], key=name) for name in names]


def evaluated_rows(
    job: dict[str, Any], arguments: argparse.Namespace, predictor: AnyPredictor
) -> Any:
    """Returns an index of the examples to evaluate on: all of the test, or a fold."""
    fold = runs.named(job, arguments.model).fold
    if fold is None:
        return slice(None)
    train = encoded.read(arguments.encoded / "train.tfrecord", predictor.preprocessing.spec)
    return runs.fold_rows(train.labels, job["selection"]["folds"], job["seed"])[fold]


def read_labels(predictor: AnyPredictor, path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns the labels of encoded examples as `metrics` takes them, [n], and their weights."""
    preprocessing = predictor.preprocessing
    examples = encoded.read(path, preprocessing.spec)
    return preprocessing.task.decode_labels(examples.labels), examples.weights


def choose_threshold(
    setting: float | str, predictor: AnyPredictor, arguments: argparse.Namespace
) -> float:
    """Returns the threshold that `evaluation.threshold` means."""
    if isinstance(setting, float | int):
        return setting
    if predictor.preprocessing.task.kind != "binary":
        raise MillraceError(
            f"evaluation.threshold: expected none for a {predictor.preprocessing.task.kind} task, "
            f"found {setting!r}."
        )
    labels, weights = read_labels(predictor, arguments.encoded / "validation.tfrecord")
    predictions = predictor.predict_split(arguments.encoded, arguments.examples, "validation")
    return metrics.best_threshold(labels, predictions, weights)


if __name__ == "__main__":
    errors.run(main)
