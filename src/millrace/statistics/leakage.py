"""Measures how well each column alone predicts the label, to detect leaks."""

from collections.abc import Sequence

import duckdb
import numpy as np

from millrace.artifacts.records import Value


def strength(
    database: duckdb.DuckDBPyConnection,
    i: int,
    type_: str,
    label: int,
    task: str,
    classes: Sequence[Value] | None,
) -> float | None:
    """Returns how well one column predicts the label of the validation rows, from 0 to 1.

    Binary: AUC of a number or its negative; for strings, of the share of positives among the
    training rows with the same value. Multiclass: accuracy of the most frequent class among the
    training rows with the same value. Regression: squared correlation, for numbers only.

    Fitted on train and measured on validation, so that an id does not predict anything. None if it
    is not defined.

    Args:
        database: has the tables train and validation with columns c0, c1 …, NULL for missing.
        i: the index of the column in the tables.
        type_: the column's type in schema.json.
        label: the index of the label.
        task: the task from `labels.resolve`.
        classes: the classes from `labels.resolve`.
    """
    number = type_ in ("int64", "float32", "float64", "bool")
    if task == "multiclass":
        return _accuracy(database, i, label)
    if task == "regression":
        return _squared_correlation(database, i, label) if number else None
    assert classes is not None
    return _auc(database, _SCORES_OF_NUMBER if number else _SCORES_OF_STRING, i, label, classes[1])


_SCORES_OF_NUMBER = """
SELECT c{i} AS score, c{label} = $positive AS positive
FROM validation WHERE c{i} IS NOT NULL
"""

# A value that is not in train gets the average score.
_SCORES_OF_STRING = """
WITH rates AS (
    SELECT c{i} AS value, avg((c{label} = $positive)::INT) AS rate FROM train GROUP BY value
)
SELECT coalesce(rate, (SELECT avg((c{label} = $positive)::INT) FROM train)) AS score,
    c{label} = $positive AS positive
FROM validation LEFT JOIN rates ON c{i} IS NOT DISTINCT FROM value
"""


def _auc(
    database: duckdb.DuckDBPyConnection, scores: str, i: int, label: int, positive: Value
) -> float | None:
    """Returns the probability that a positive row scores above a negative one; ties count half."""
    counted = database.sql(
        "SELECT count(*) FILTER (positive), count(*) FILTER (NOT positive)"
        f" FROM ({scores.format(i=i, label=label)}) GROUP BY score ORDER BY score",
        params={"positive": positive},
    ).to_arrow_table()
    positives, negatives = counted[0].to_numpy(), counted[1].to_numpy()
    pairs = int(positives.sum()) * int(negatives.sum())
    if pairs == 0:
        return None
    below = np.cumsum(negatives) - negatives / 2
    auc = float((positives * below).sum() / pairs)
    # A number that is low for positives is as informative as one that is high.
    return round(max(auc, 1 - auc) if scores is _SCORES_OF_NUMBER else auc, 4)


def _accuracy(database: duckdb.DuckDBPyConnection, i: int, label: int) -> float:
    """Returns the share of validation rows whose class is train's most frequent for the value."""
    (share,) = database.execute(
        f"""
        WITH counted AS (
            SELECT c{i} AS value, c{label} AS class, count(*) AS n FROM train GROUP BY ALL
        ),
        best AS (
            SELECT DISTINCT ON (value) value, class FROM counted ORDER BY value, n DESC, class
        ),
        overall AS (SELECT class FROM counted GROUP BY class ORDER BY sum(n) DESC, class LIMIT 1)
        SELECT avg((coalesce(class, (FROM overall)) = c{label})::INT)
        FROM validation LEFT JOIN best ON c{i} IS NOT DISTINCT FROM value
        """
    ).fetchall()[0]
    return round(float(share), 4)


def _squared_correlation(database: duckdb.DuckDBPyConnection, i: int, label: int) -> float | None:
    (r,) = database.execute(f"SELECT corr(c{i}, c{label}) FROM validation").fetchall()[0]
    return round(r * r, 4) if r is not None and np.isfinite(r) else None
