"""Reduces the precision of TF Lite models, and decides which are accurate enough to ship."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import tensorflow as tf

from millrace.artifacts.conversion import Converted
from millrace.artifacts.signature import Signature
from millrace.config.job import JobConfig
from millrace.evaluation import metrics
from millrace.export import conversion, parity
from millrace.features.preprocessing import Preprocessing
from millrace.features.raw_row import read_raw
from millrace.tfrecord.examples import shard_paths

# Enough for a stable metric within seconds.
ROWS_TO_COMPARE = 20_000
ROWS_TO_CALIBRATE = 1_000


@dataclass(frozen=True)
class Reduced:
    """A TF Lite model with its entry in conversion.json.

    Attributes:
        model: the model; None if it is not shipped.
        entry: its entry.
    """

    model: bytes | None
    entry: Converted


class Comparison:
    """Compares reduced models with the full one on test rows.

    Args:
        full: the full model, from `conversion.convert_tflite`.
        signature: signature.json.
        preprocessing: the feature columns.
        examples: the directory that ingest wrote.
        job: the completed config.
    """

    def __init__(
        self,
        full: bytes,
        signature: Signature,
        preprocessing: Preprocessing,
        examples: Path,
        job: JobConfig,
    ) -> None:
        taken = {column.name for column in signature.inputs}
        label, task = preprocessing.label_column, preprocessing.task
        self._full, self._job, self._task = full, job, task
        self._threshold = signature.threshold
        self._train = shard_paths(examples, "train")
        self._raw = tuple(column for column in preprocessing.raw if column.name in taken)
        test = shard_paths(examples, "test")
        self._test = read_raw(test, (*self._raw, label), ROWS_TO_COMPARE, job.seed)
        labels = task.encode_labels(tf.constant(self._test.pop(label.name))).numpy()
        self._labels = task.decode_labels(labels)
        self.metric = metrics.selection_metric(job.selection.metric, task.kind)
        self._reference = conversion.predict_tflite(full, self._test, self._raw)
        self._score_of_full = self._score(self._reference)

    @property
    def rows(self) -> int:
        """The number of compared rows."""
        return len(self._labels)

    @property
    def full(self) -> Reduced:
        """The full model."""
        entry = Converted(
            artifact="float32.tflite",
            precision="float32",
            bytes=len(self._full),
            shipped=True,
            reason="the full model",
            max_difference=0.0,
            mean_difference=0.0,
            metric_cost=0.0,
            metric=self._score_of_full,
        )
        return Reduced(self._full, entry)

    def reduced(self) -> Iterator[Reduced]:
        """Yields the model at each precision in `export.reduced`."""
        for precision in self._job.export.reduced:
            model = conversion.reduce_tflite(self._full, precision, self._calibration, self._raw)
            entry = self._judge(precision, model)
            yield Reduced(model if entry.shipped else None, entry)

    @cached_property
    def _calibration(self) -> dict[str, np.ndarray]:
        return read_raw(self._train, self._raw, ROWS_TO_CALIBRATE, self._job.seed)

    def _judge(self, precision: str, model: bytes) -> Converted:
        predictions = conversion.predict_tflite(model, self._test, self._raw)
        compared = parity.compare(
            self._reference, predictions, self._task, self._threshold, band=0.0
        )
        score = self._score(predictions)
        largest = float(compared.differences.max())
        cost = metrics.improvement(self.metric, self._score_of_full, score)
        fault = conversion.find_fault(
            largest, cost, self._job.export, self._task.kind, self._score_of_full
        )
        return Converted(
            artifact=f"{precision}.tflite",
            precision=precision,
            bytes=len(model),
            shipped=fault is None,
            reason=fault or "as good as the full model",
            max_difference=largest,
            mean_difference=float(compared.differences.mean()),
            metric_cost=cost,
            metric=score,
        )

    def _score(self, predictions: np.ndarray) -> float:
        threshold = 0.5 if self._threshold is None else self._threshold
        values = metrics.evaluate(self._task.kind, self._labels, predictions, threshold)
        return values[self.metric]
