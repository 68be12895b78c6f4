"""The task and classes that follow from a label's values."""

from typing import Any

import pytest

from millrace.errors import MillraceError
from millrace.statistics.labels import resolve


def values(*classes: Any) -> dict[str, list[Any]]:
    return {split: list(classes) for split in ("train", "validation", "test")}


@pytest.mark.parametrize(
    ("type_", "classes", "expected"),
    [
        ("string", ["no", "yes"], ("binary", ["no", "yes"])),
        ("float32", [0.0, 1.0], ("binary", [0.0, 1.0])),
        ("bool", [0, 1], ("binary", [0, 1])),
        ("string", ["a", "b", "c"], ("multiclass", ["a", "b", "c"])),
        ("int64", list(range(12)), ("multiclass", list(range(12)))),
        ("int64", list(range(13)), ("regression", None)),
        ("float32", [0.5, 1.0, 2.0], ("regression", None)),
        ("float64", [1.0, 2.0, 3.0], ("multiclass", [1.0, 2.0, 3.0])),
    ],
)
def test_auto(type_: str, classes: list[Any], expected: tuple[str, Any]) -> None:
    assert resolve("y", type_, values(*classes)) == expected


def test_a_declared_task_overrules_auto() -> None:
    assert resolve("y", "int64", values(1, 2, 3), "regression") == ("regression", None)
    assert resolve("y", "int64", values(1, 2), "multiclass") == ("multiclass", [1, 2])


@pytest.mark.parametrize(
    ("type_", "classes", "positive", "expected"),
    [
        ("string", ["bad", "good"], "bad", ["good", "bad"]),
        ("int64", [1, 2], 1, [2, 1]),
        ("int64", [1, 2], "1", [2, 1]),
        ("string", ["1", "2"], 1, ["2", "1"]),
        ("float32", [0.0, 1.0], 0, [1.0, 0.0]),
        ("bool", [0, 1], False, [1, 0]),
        # YAML parses an unquoted No as false.
        ("string", ["No", "Yes"], False, ["Yes", "No"]),
        ("string", ["False", "True"], True, ["False", "True"]),
    ],
)
def test_positive(type_: str, classes: list[Any], positive: Any, expected: list[Any]) -> None:
    assert resolve("y", type_, values(*classes), "auto", positive) == ("binary", expected)


@pytest.mark.parametrize(
    ("type_", "classes", "task", "positive", "message"),
    [
        ("string", ["a"], "auto", None, r"two different values in train, found \['a'\]"),
        ("float32", [2.5], "regression", None, "at least two different values"),
        ("string", [], "auto", None, "at least two different values"),
        ("string", ["a", "b"], "auto", "c", r"a class of label 'y', \['a', 'b'\], found 'c'"),
        ("string", ["a", "b"], "auto", True, "found True.\nNote: YAML reads Yes"),
        ("string", ["yes", "Yes"], "auto", True, "found True"),
        ("int64", [1, 2], "auto", 1.5, "found 1.5"),
        ("int64", [1, 2, 3], "binary", None, r"two values for a binary task, found 3 in train"),
        ("int64", [1, 2, 3], "auto", 1, "data.positive: expected none for a multiclass task"),
        ("string", ["1", "2"], "regression", None, "numbers for a regression, found type string"),
        ("date", ["2013-01-01", "2013-01-02"], "regression", None, "found type date"),
        ("string", [f"{i:04}" for i in range(1025)], "auto", None, "at most 1024 classes"),
    ],
)
def test_labels_that_do_not_fit(
    type_: str, classes: list[Any], task: str, positive: Any, message: str
) -> None:
    with pytest.raises(MillraceError, match=message):
        resolve("y", type_, values(*classes), task, positive)


def test_a_class_that_train_lacks_is_refused() -> None:
    # The labels in Adult's test file end with a dot.
    by_split = values("<=50K", ">50K") | {"test": ["<=50K.", ">50K."]}
    with pytest.raises(MillraceError, match=r"in test: .* found others too: \['<=50K\.'"):
        resolve("income", "string", by_split)


def test_a_binary_test_needs_both_classes() -> None:
    with pytest.raises(
        MillraceError, match=r"in test: expected both classes, \[0, 1\], found \[0\]"
    ):
        resolve("late", "int64", values(0, 1) | {"test": [0]})
