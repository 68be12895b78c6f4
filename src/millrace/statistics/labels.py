"""Infers the label's task and classes from its values."""

from collections.abc import Mapping, Sequence
from typing import Any

from millrace.errors import MillraceError
from millrace.ingestion.splits import FEW_CLASSES

# A label with more distinct values is an id or free text.
MOST_CLASSES = 1024

# The words that PyYAML reads as each boolean.
_YAML_BOOLEANS = {True: {"yes", "true", "on"}, False: {"no", "false", "off"}}

Value = str | int | float


def resolve(
    label: str,
    type_: str,
    values: Mapping[str, Sequence[Value]],
    task: str = "auto",
    positive: Any = None,
) -> tuple[str, list[Value] | None]:
    """Returns the task and the classes, sorted; for a binary task [negative, positive].

    Args:
        label: the label's column, for messages.
        type_: its type in schema.json.
        values: the label's distinct values in each split, including train, sorted.
        task: `data.task` of the config.
        positive: `data.positive` of the config, or None.

    Raises:
        MillraceError: the values do not allow the task, `positive` is not one of them, or a split
            has classes that the training examples lack.
    """
    classes = list(values["train"])
    if len(classes) < 2:
        raise MillraceError(
            f"label {label!r}: expected at least two different values in train, found {classes}.",
            note="there is nothing to learn; check data.label and how data.split divides the rows.",
        )
    if task == "auto":
        task = _task(type_, classes)
    if positive is not None and task != "binary":
        raise MillraceError(
            f"data.positive: expected none for a {task} task, found {positive!r}.",
            note=f"label {label!r} has {len(classes)} values in train: {_some(classes)}.",
        )
    if task == "regression":
        if type_ not in ("int64", "float32", "float64"):
            raise MillraceError(
                f"label {label!r}: expected numbers for a regression, found type {type_}: "
                f"{_some(classes)}.",
                note="set data.task to binary or multiclass, or data.types if these are numbers.",
            )
        return task, None
    _check_classes(label, values, task)
    if task == "binary" and positive is not None:
        chosen = _positive(label, classes, positive)
        classes.sort(key=lambda value: value == chosen)
    return task, classes


def _task(type_: str, values: Sequence[Value]) -> str:
    if len(values) == 2:
        return "binary"
    # 1.0 counts as a class like 1: how a number is stored is irrelevant.
    fractions = any(isinstance(value, float) and not value.is_integer() for value in values)
    number = type_ in ("int64", "float32", "float64")
    return "regression" if fractions or (number and len(values) > FEW_CLASSES) else "multiclass"


def _check_classes(label: str, values: Mapping[str, Sequence[Value]], task: str) -> None:
    classes = values["train"]
    if task == "binary" and len(classes) > 2:
        raise MillraceError(
            f"label {label!r}: expected two values for a binary task, found {len(classes)} in "
            f"train: {_some(classes)}.",
            note="set data.task to multiclass, or to auto.",
        )
    if len(classes) > MOST_CLASSES:
        raise MillraceError(
            f"label {label!r}: expected at most {MOST_CLASSES} classes, found {len(classes)} in "
            f"train: {_some(classes)}.",
            note="is it an id or free text? For a quantity, set data.task to regression.",
        )
    for split, others in values.items():
        unseen = sorted(set(others) - set(classes))
        if unseen:
            raise MillraceError(
                f"label {label!r} in {split}: expected the classes of train, {_some(classes)}, "
                f"found others too: {_some(unseen)}.",
                note="no model can predict a class that it never saw; are the labels written alike"
                " in all files? `split: {by: stratum}` puts rows of every class into each split.",
            )
    if task == "binary" and len(values.get("test", classes)) < 2:
        raise MillraceError(
            f"label {label!r} in test: expected both classes, {_some(classes)}, "
            f"found {_some(values['test'])} alone.",
            note="the test decides which model is better; give data.split.test more rows.",
        )


def _positive(label: str, classes: Sequence[Value], positive: Any) -> Value:
    """Returns the single class that matches `data.positive`; raises MillraceError otherwise."""
    matching = [value for value in classes if _means(positive, value)]
    if len(matching) != 1:
        raise MillraceError(
            f"data.positive: expected a class of label {label!r}, {_some(classes)}, "
            f"found {positive!r}.",
            note="YAML reads Yes, No, On, Off, True and False without quotes as a boolean; "
            "write positive: 'Yes'."
            if isinstance(positive, bool)
            else None,
        )
    return matching[0]


def _means(positive: Any, value: Value) -> bool:
    if isinstance(value, str) and isinstance(positive, bool):
        return value.casefold() in _YAML_BOOLEANS[positive]
    return bool(positive == value) or str(positive) == str(value)


def _some(values: Sequence[Value], most: int = 5) -> str:
    shown = ", ".join(repr(value) for value in values[:most])
    return f"[{shown}, …]" if len(values) > most else f"[{shown}]"
