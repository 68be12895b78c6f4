"""Compares adopted Estimators with their old graphs on the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from millrace.artifacts.parity import RuntimeParity
from millrace.config.features import Feature
from millrace.config.models import ModelConfig, adopted
from millrace.config.tf1 import Tf1Source
from millrace.errors import MillraceError
from millrace.export import parity
from millrace.features.feature_columns import CrossedTf1, Hashed, Vocabulary
from millrace.features.preprocessing import Preprocessing
from millrace.tf1 import formats
from millrace.tf1.predictor import OldPredictor

# The largest allowed difference of predictions between an adopted model and the old one.
BOUND = 1e-5


def prove(
    settings: ModelConfig,
    learned: Preprocessing,
    raw: Mapping[str, np.ndarray],
    predictions: np.ndarray,
    threshold: float | None,
) -> tuple[int | None, list[RuntimeParity]]:
    """Compares a model with the old one that it replaces; see `millrace.models.prove`."""
    if not asked_for(settings, learned):
        return None, []
    unseen = has_unseen_text(settings, learned, raw)
    adopt = adopted(settings)
    if adopt is None or adopt.reference is None:
        return int(unseen.sum()), []
    compared = compare(adopt.reference, learned, raw, predictions, unseen, threshold)
    return int(unseen.sum()), [compared]


def compare(
    reference: Tf1Source,
    learned: Preprocessing,
    raw: Mapping[str, np.ndarray],
    predictions: np.ndarray,
    unseen: np.ndarray,
    threshold: float | None,
) -> RuntimeParity:
    """Returns the entry in parity.json for the old model in a tf.compat.v1 session.

    Rows with a text not seen in training are left out.

    Args:
        reference: the old model, as for `kind: tf1`.
        learned: the adopted model's preprocessing.
        raw: real rows.
        predictions: the adopted model's predictions for them.
        unseen: which of them have such a text, bool [rows]; see `has_unseen_text`.
        threshold: see `parity.compare`.
    """
    old = OldPredictor("reference", reference, Path(), learned)
    kept = ~unseen
    if not kept.any():
        raise MillraceError(
            "adopt.reference: expected rows whose texts training has seen too.",
            note="choose reference rows whose categories are in the training data.",
        )
    rows = {name: values[kept] for name, values in raw.items()}
    path = str(getattr(reference, formats.form_of(reference)))
    said = old.predict(rows)
    target = parity.Target("tf1", "session", path, BOUND, False)
    count = int(kept.sum())
    return parity.judge(target, said, predictions[kept], rows, count, learned.task, threshold)


def asked_for(settings: ModelConfig, learned: Preprocessing) -> bool:
    """Returns whether a model must reproduce TensorFlow 1, by `adopt` or a cross with `compat`."""
    crossed = any(isinstance(column, CrossedTf1) for column in learned.columns)
    return settings.kind != "tf1" and (adopted(settings) is not None or crossed)


def has_unseen_text(
    settings: ModelConfig, learned: Preprocessing, raw: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Returns which rows have a text that TensorFlow 1 hashes but no table contains: bool [n].

    Only features that the model reads, by its `adopt`, count.
    """
    columns = {column.name: column for column in learned.columns}
    tensors = {column.name: tf.constant(raw[column.name], column.dtype) for column in learned.raw}
    ids = learned.encode(tensors)["ids"].numpy()
    unseen = np.zeros(len(ids), bool)
    place, read = 0, _features_read(settings, learned.features)
    for entry in learned.spec.ids:
        column = columns[entry.feature]
        if isinstance(column, (Hashed, CrossedTf1)) and column.name in read:
            unseen |= ids[:, place] == column.buckets
        if isinstance(column, Vocabulary) and column.num_oov_buckets > 1 and column.name in read:
            # An unseen text shares its id with others.
            unseen |= ~np.isin(raw[column.column], [*column.known, ""])
        place += entry.length
    return unseen


def _features_read(settings: ModelConfig, features: Mapping[str, Feature]) -> set[str]:
    """Returns the features that a model reads: all, unless `adopt` lists those of an Estimator."""
    adopt, named = adopted(settings), set(features)
    if adopt:
        lists = (adopt.columns, adopt.deep) if settings.kind == "wide_deep" else (adopt.columns,)
        named = {name for names in lists for name in (features if names is None else names)}
    of = [getattr(features[name], "of", ()) for name in named if name in features]
    return named.union(*([x] if isinstance(x, str) else x for x in of))
