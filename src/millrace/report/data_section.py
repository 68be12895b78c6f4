"""What the report tells of the question and of the data."""

from collections.abc import Iterable
from typing import Any

from millrace.config.data import SplitFiles
from millrace.config.job import JobConfig
from millrace.files import read_json
from millrace.results import Results
from millrace.statistics.anomalies import jensen_shannon, l_infinity

# More values of a column than so many do not fit into a chart that is read at a glance.
SHOWN_VALUES = 20

ALONE = {"binary": "AUC", "multiclass": "accuracy", "regression": "R²"}


def question(config: JobConfig, statistics: dict[str, Any], results: Results) -> dict[str, Any]:
    """Returns what was asked: label, task, classes with their shares, split, inputs."""
    label = statistics["label"]
    learned = results.preprocessing
    left_out = read_json(learned)["left_out"] if learned.exists() else {}
    return {
        "label": label["name"],
        "task": label["task"],
        "classes": _classes(statistics),
        "split": split_in_words(config),
        "inputs": read_json(results.signature)["inputs"],
        "left_out": left_out,
        "alone": ALONE[label["task"]],
        "rows": {split: part["rows"] for split, part in statistics["splits"].items()},
    }


def _classes(statistics: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns each class with its share of the rows of each split."""
    label = statistics["label"]
    classes = []
    for value in label["classes"] or []:
        shares = {}
        for split, part in statistics["splits"].items():
            counts = dict(part["columns"][label["name"]]["values"])
            shares[split] = counts.get(value, 0) / part["rows"]
        classes.append({"value": value, "shares": shares})
    return classes


def split_in_words(config: JobConfig) -> str:
    """Returns a sentence on how the rows were divided."""
    if isinstance(config.data.files, SplitFiles):
        return "The files name the splits."
    split = config.data.split
    how = f"validation: {split['validation']}, test: {split['test']}"
    if split.folds is not None:
        how = f"validation: fold {split['fold']} of {split['folds']}, test: {split['test']}"
    match split.by:
        case "time":
            gap = f", gap: {split['gap']}" if split.gap else ""
            order = f"in the order of {split['column']}"
            return f"By time, {order}: the test rows are the latest ({how}{gap})."
        case "group":
            return f"By {split['column']}: rows with equal values are never in two splits ({how})."
        case "stratum":
            column = split.column or config.data.label
            return f"Each row at random, with equal shares of each {column} ({how})."
        case _ if split.copies == "together":
            return f"By a hash of the features: rows with equal ones stay together ({how})."
        case _:
            return f"Each row at random, with equal shares of each class ({how})."


def account(ingest: dict[str, Any]) -> dict[str, Any]:
    """Returns where each raw row went, and whether the account closes."""
    flows = [
        *({"to": split, "rows": rows, "kept": True} for split, rows in ingest["written"].items()),
        {"to": "unlabelled", "rows": ingest["unlabelled"], "kept": False},
        {"to": "rejected", "rows": ingest["rejected"], "kept": False},
        {"to": "duplicates dropped", "rows": ingest["duplicates_dropped"], "kept": False},
        {"to": "in a gap", "rows": ingest["in_gap"], "kept": False},
    ]
    return {
        "rows_read": ingest["rows_read"],
        "flows": flows,
        "closes": sum(flow["rows"] for flow in flows) == ingest["rows_read"],
        "files": ingest["files"],
        "reasons": ingest["reasons"],
    }


def columns(statistics: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns each raw column with its figures, its distributions by split and its drift."""
    splits = statistics["splits"]
    described = []
    for name, train in splits["train"]["columns"].items():
        parts = {split: part["columns"][name] for split, part in splits.items()}
        values = _values(parts.values())
        shown = {split: _shown(column, values) for split, column in parts.items()}
        described.append(
            {
                "name": name,
                "is_label": name == statistics["label"]["name"],
                "is_number": "histogram" in train,
                "alone": statistics["label"]["alone"].get(name),
                "drift": _drift(train, parts["test"]),
                "missing": train["missing"] / train["rows"],
                "spark": _spark(shown["train"]),
                "splits": shown,
                **{key: train[key] for key in ("type", "distinct")},
            }
        )
    return described


def _drift(train: dict[str, Any], test: dict[str, Any]) -> dict[str, Any] | None:
    if train["type"] in ("date", "timestamp"):
        # A later split has later dates: that says nothing.
        return None
    if "histogram" in train:
        return {"value": jensen_shannon(train, test), "measure": "Jensen-Shannon divergence"}
    return {"value": l_infinity(train, test), "measure": "L-infinity distance"}


def _values(columns: Iterable[dict[str, Any]]) -> list[Any] | None:
    """Returns the values that a chart draws one by one; None for a number with too many of them.

    The most frequent ones of a string; all of a number that has few, in their order.
    """
    train, *others = columns
    if "histogram" not in train:
        return [value for value, _ in train["values"][:SHOWN_VALUES]]
    found = {value for column in (train, *others) for value, _ in column["values"]}
    is_whole = all(
        column["distinct"] == len(column["values"]) <= SHOWN_VALUES for column in (train, *others)
    )
    return sorted(found) if is_whole and len(found) <= SHOWN_VALUES else None


def _shown(column: dict[str, Any], values: list[Any] | None) -> dict[str, Any]:
    """Returns a column's figures in one split with what its chart draws: shares of the rows."""
    rows = column["rows"]
    shown = {key: column.get(key) for key in ("min", "max", "mean", "std", "median", "distinct")}
    shown |= {"rows": rows, "missing": column["missing"] / rows}
    if values is None:
        histogram = column["histogram"]
        shares = [count / rows for count in histogram["counts"]]
        return shown | {"edges": histogram["edges"], "shares": shares}
    counted = dict(column["values"])
    return shown | {"values": [[str(value), counted.get(value, 0) / rows] for value in values]}


def _spark(train: dict[str, Any]) -> list[float]:
    """Returns the heights of a small bar chart, the highest 1."""
    shares = [share for _, share in train["values"]] if "values" in train else train["shares"]
    highest = max(shares, default=0)
    return [round(share / highest, 3) for share in shares] if highest else []
