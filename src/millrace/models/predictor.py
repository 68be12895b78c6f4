"""The interface of every trained model: raw rows in, predictions out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from millrace.features.preprocessing import Preprocessing

# Takes a raw column and a permutation, int [n]; returns predictions with this column permuted.
PredictPermuted = Callable[[str, np.ndarray], np.ndarray]


class Predictor(Protocol):
    """A trained model of any kind, for evaluation and export.

    Attributes:
        preprocessing: the feature columns of the job, with the raw columns that the model takes.
    """

    preprocessing: Preprocessing

    @property
    def reference(self) -> str:
        """The name of the reference in parity.json."""
        ...

    @property
    def tracked(self) -> list[Any]:
        """The variables and look-up tables that an export must track."""
        ...

    def predict_tensors(self, raw: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns predictions, float32 [n] or [n, classes], for tensors of raw columns [n, …]."""
        ...

    def predict(self, raw: Mapping[str, np.ndarray]) -> np.ndarray:
        """Returns predictions, float32 [n] or [n, classes], of raw columns [n].

        Numbers are float32 with NaN for missing, other columns str with "" for missing.
        """
        ...

    def predict_split(self, encoded_examples: Path, examples: Path, split: str) -> np.ndarray:
        """Returns predictions, float32 [n] or [n, classes], of a split's examples in their order.

        Args:
            encoded_examples: the directory that preprocess wrote.
            examples: the directory that ingest wrote, for models that take raw rows.
            split: train, validation or test.
        """
        ...

    def permuter(self, raw: Mapping[str, np.ndarray]) -> PredictPermuted:
        """Returns a function that predicts raw rows [n] with one column permuted."""
        ...
