"""Compares an adopted Estimator with its old graph, on the same rows."""

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

# How far an adopted model's predictions may lie from the old one's.
BOUND = 1e-5


def prove(
    settings: ModelConfig,
    learned: Preprocessing,
    raw: Mapping[str, np.ndarray],
    predictions: np.ndarray,
    threshold: float | None,
) -> tuple[int | None, list[RuntimeParity]]:
    """Compares a model with the old one that it stands for; see `millrace.models.prove`."""
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
    """Returns the entry in parity.json of the old model, run by a tf.compat.v1 session.

    Rows with a text that training never saw are left out.

    Args:
        reference: where the old model is, as `kind: tf1` has it.
        learned: the adopted model's preprocessing.
        raw: real rows.
        predictions: what the adopted model predicts for them.
        unseen: which of them hold such a text, bool [rows]; see `has_unseen_text`.
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
    target = parity.Target("tf1", "session", path, BOUND, False, lambda _: said)
    count = int(kept.sum())
    return parity.judge(target, said, predictions[kept], rows, count, learned.task, threshold)


def asked_for(settings: ModelConfig, learned: Preprocessing) -> bool:
    """Whether a model is to answer as TensorFlow 1 did: by `adopt`, or by a cross with `compat`."""
    crossed = any(isinstance(column, CrossedTf1) for column in learned.columns)
    return settings.kind != "tf1" and (adopted(settings) is not None or crossed)


def has_unseen_text(
    settings: ModelConfig, learned: Preprocessing, raw: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Returns which rows [n] have a text that TensorFlow 1 hashes and no table here holds, bool.

    Only features count that the model reads, as its `adopt` says.
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
            # Such a text shares its id with others.
            unseen |= ~np.isin(raw[column.column], [*column.known, ""])
        place += entry.length
    return unseen


def _features_read(settings: ModelConfig, features: Mapping[str, Feature]) -> set[str]:
    """Returns the features that a model reads: all, unless `adopt` names those of an Estimator."""
    adopt, named = adopted(settings), set(features)
    if adopt:
        lists = (adopt.columns, adopt.deep) if settings.kind == "wide_deep" else (adopt.columns,)
        named = {name for names in lists for name in (features if names is None else names)}
    of = [getattr(features[name], "of", ()) for name in named if name in features]
    return named.union(*([x] if isinstance(x, str) else x for x in of))
