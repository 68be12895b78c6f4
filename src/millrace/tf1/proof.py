"""The proof that an adopted Estimator is the old one: the same rows through the old graph."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from millrace import parity
from millrace.errors import MillraceError
from millrace.feature_columns import CrossedTf1, Hashed, Vocabulary
from millrace.preprocessing import Preprocessing
from millrace.tf1 import sources
from millrace.tf1.predictor import OldPredictor

# How far an adopted model's predictions may lie from the old one's.
BOUND = 1e-5


def compare(
    reference: Mapping[str, Any],
    learned: Preprocessing,
    raw: Mapping[str, np.ndarray],
    predictions: np.ndarray,
    threshold: float | None,
) -> dict[str, Any]:
    """Returns the entry in parity.json of the old model, run by a tf.compat.v1 session.

    Rows with a text that training never saw are left out and counted: TensorFlow 1 hashes such a
    text, no table can.

    Args:
        reference: where the old model is, as `kind: tf1` has it.
        learned: the adopted model's preprocessing.
        raw: real rows.
        predictions: what the adopted model predicts for them.
        threshold: see `parity.compare`.
    """
    old = OldPredictor("reference", reference, Path(), learned)
    kept = ~has_unseen_text(learned, raw)
    if not kept.any():
        raise MillraceError("adopt.reference: expected rows whose texts training has seen too.")
    rows = {name: values[kept] for name, values in raw.items()}
    path = str(reference[sources.form_of(reference)])
    said = old.predict(rows)
    run = parity.Run("tf1", "session", path, BOUND, False, lambda _: said)
    count = int(kept.sum())
    entry = parity.judge(run, said, predictions[kept], rows, count, learned.task, threshold)
    return entry | {"rows_with_unseen_text": len(kept) - count}


def has_unseen_text(learned: Preprocessing, raw: Mapping[str, np.ndarray]) -> np.ndarray:
    """Returns which rows [n] have a text that TensorFlow 1 hashes and no table here holds, bool."""
    columns = {column.name: column for column in learned.columns}
    tensors = {column.name: tf.constant(raw[column.name], column.dtype) for column in learned.raw}
    ids = learned.encode(tensors)["ids"].numpy()
    unseen = np.zeros(len(ids), bool)
    place = 0
    for entry in learned.spec.ids:
        column = columns[entry.feature]
        if isinstance(column, (Hashed, CrossedTf1)):
            unseen |= ids[:, place] == column.buckets
        if isinstance(column, Vocabulary) and column.num_oov_buckets > 1:
            # Such a text shares its id with others.
            unseen |= ~np.isin(raw[column.column], [*column.known, ""])
        place += entry.length
    return unseen
