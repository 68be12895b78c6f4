"""Old models as predictors, to be evaluated, exported, converted and compared like any other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from millrace.artifacts.training import History, Training
from millrace.config.models import Tf1Config
from millrace.config.tf1 import Tf1Source
from millrace.errors import MillraceError
from millrace.features.preprocessing import Preprocessing
from millrace.features.raw_row import read_raw
from millrace.files import replacing, sha256
from millrace.models.predictor import PredictPermuted
from millrace.results import TrainingFolder
from millrace.tf1 import formats
from millrace.tf1.graphs import OldGraph
from millrace.tf1.keras_h5 import OldKeras
from millrace.tfrecord.examples import shard_paths

ROWS_PER_CALL = 8192
COPY = "old"


class OldPredictor:
    """An old model with the raw columns that it takes.

    Attributes:
        preprocessing: the job's preprocessing, restricted to the raw columns of the old model.
        model: the old model.
    """

    def __init__(
        self, name: str, settings: Tf1Source, directory: Path, learned: Preprocessing
    ) -> None:
        self._name, self._settings, self._task = name, settings, learned.task
        raw = {column.name: column for column in learned.raw}
        self.model: OldGraph | OldKeras
        if formats.form_of(settings) == "h5":
            self.model = OldKeras(name, directory / str(settings.h5), settings, raw)
        else:
            self.model = OldGraph(name, formats.open_session(settings, directory), settings, raw)
        # There is no look-up table of Millrace in front of the old model.
        kept = tuple(
            replace(column, takes_cells=False)
            for column in learned.raw
            if column.name in self.model.columns
        )
        self.preprocessing = replace(learned, raw=kept)
        self._order = _order_of_classes(name, settings, learned.task.classes)

    @property
    def reference(self) -> str:
        """The name of the reference in parity.json."""
        return "keras" if isinstance(self.model, OldKeras) else "tf.compat.v1 session"

    @property
    def tracked(self) -> list[Any]:
        """The variables and look-up tables that an export must track."""
        return self.model.tracked

    def predict(self, raw: Mapping[str, np.ndarray]) -> np.ndarray:
        """Returns predictions, float32 [n] or [n, classes], for raw columns [n].

        Raises MillraceError when the old model refuses a row, or its output has another shape.
        """
        rows = len(next(iter(raw.values())))
        parts = []
        for start in range(0, rows, ROWS_PER_CALL):
            batch = {name: x[start : start + ROWS_PER_CALL] for name, x in raw.items()}
            output = self.model.run(batch)
            self._check_shape(output.shape, len(next(iter(batch.values()))))
            parts.append(self._predictions(tf.constant(output)).numpy())
        return np.concatenate(parts)

    def predict_split(self, encoded: Path, examples: Path, split: str) -> np.ndarray:
        """Returns predictions, float32 [n] or [n, classes], of a split's examples in order."""
        return self.predict(read_raw(shard_paths(examples, split), self.preprocessing.raw))

    def predict_tensors(self, raw: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns predictions, float32 [n] or [n, classes], for tensors of raw columns [n, …]."""
        return self._predictions(self.model.call(raw))

    def permuter(self, raw: Mapping[str, np.ndarray]) -> PredictPermuted:
        """Returns a function that predicts raw rows [n] with one column permuted."""
        return lambda column, order: self.predict({**raw, column: raw[column][order]})

    def _check_shape(self, shape: tuple[int, ...], rows: int) -> None:
        classes = len(self._task.classes)
        expected = {"binary": (1, 2), "multiclass": (classes,), "regression": (1,)}[self._task.kind]
        width = int(np.prod(shape[1:]))
        if not shape or shape[0] != rows or width not in expected:
            raise MillraceError(
                f"models.{self._name}: expected an output of shape [rows, "
                f"{' or '.join(map(str, expected))}] for a {self._task.kind} task, found "
                f"{[*shape]} for {rows} rows.",
                note="name another tensor in `output`.",
            )

    def _predictions(self, output: tf.Tensor) -> tf.Tensor:
        x = tf.cast(output, tf.float32)
        if self._settings.activation == "sigmoid":
            x = tf.sigmoid(x)
        elif self._settings.activation == "softmax":
            x = tf.nn.softmax(x)
        if self._task.kind == "multiclass":
            return tf.gather(x, self._order, axis=1) if self._order else x
        if self._task.kind == "binary" and x.shape.rank == 2 and x.shape[1] == 2:
            return x[:, self._order[1] if self._order else 1]
        x = tf.reshape(x, [-1])
        # A single probability, of the old model's positive class.
        return 1.0 - x if self._order == [1, 0] else x


def _order_of_classes(model: str, settings: Tf1Source, classes: tuple[Any, ...]) -> list[int]:
    """Returns the index of each class in the old output; empty for the same order."""
    old = settings.classes
    if old is None:
        return []
    if sorted(map(str, old)) != sorted(map(str, classes)):
        raise MillraceError(
            f"models.{model}.classes: expected the label's values {list(classes)} in the order of "
            f"the old model's output, found {list(old)}.",
            note="list the values in the order of the old model's output.",
        )
    return [[*map(str, old)].index(str(value)) for value in classes]


def untrained(name: str, settings: Tf1Config, learned: Preprocessing) -> OldPredictor:
    """Opens an old model at its path in the config; see `millrace.models.untrained`."""
    return OldPredictor(name, settings, Path(), learned)


def load(description: Training, training: Path, learned: Preprocessing) -> OldPredictor:
    """Loads the copy of an old model that `OldCopy` wrote.

    Args:
        description: training.json.
        training: the directory that train wrote.
        learned: the job's preprocessing.
    """
    settings = description.settings
    assert isinstance(settings, Tf1Config), "the loader of this kind"
    return OldPredictor(description.model, settings, training / COPY, learned)


@dataclass(frozen=True)
class OldCopy:
    """An old model to copy into the output of train.

    Attributes:
        name: the model's name in the config.
        settings: its settings.
        learned: the job's preprocessing, with the available raw columns.
    """

    name: str
    settings: Tf1Config
    learned: Preprocessing

    def write(self, output: Path) -> None:
        """Writes the copy, and the other files that train writes for a model.

        Raises:
            MillraceError: the old model is missing, damaged, or does not fit the job's columns.
        """
        with replacing(output) as directory:
            directory.mkdir()
            copied = formats.copy(self.settings, directory / COPY)
            # Not from the copy, whose temporary path would be useless in a message.
            predictor = OldPredictor(self.name, self.settings, Path(), self.learned)
            History([]).save(TrainingFolder(directory).history)  # it was trained elsewhere
            files = sorted(path for path in (directory / COPY).rglob("*") if path.is_file())
            Training(
                model=self.name,
                settings=copied,
                parameters=predictor.model.parameters,
                bytes=sum(path.stat().st_size for path in files),
                epochs=0,
                best_epoch=0,
                val_loss=None,
                files={str(path.relative_to(directory)): sha256(path) for path in files},
            ).save(TrainingFolder(directory).description)
