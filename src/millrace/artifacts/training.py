"""training.json and history.csv"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from millrace.artifacts import tables
from millrace.artifacts.records import Artifact, Record
from millrace.config.built import BuiltModel
from millrace.config.tuning import Trial


@dataclass(frozen=True)
class Started(Record):
    """Which weights came from another model, as TensorFlow 1 left it.

    Attributes:
        source: the path of that model.
        taken: its variables that the weights are from.
        left: its other variables.
        misfits: what did not fit of a variable that the training could not start from, by name.
        vocabularies: by feature, how many `values` it has, and how many `of the old model`.
    """

    source: str
    taken: list[str]
    left: list[str]
    misfits: dict[str, str] | None = None
    vocabularies: dict[str, dict[str, int]] | None = None


@dataclass(frozen=True)
class Recipe(Record):
    """What decides on a training's result, as it holds for one model.

    Attributes:
        batch_size: the global batch size, whatever the number of replicas.
        epochs: at most so many.
        patience: stop after so many epochs in which `monitor` did not improve.
        monitor: the metric of the validation examples that picks the best epoch.
        learning_rate: of the first step.
        schedule: `constant`, or `cosine`, which falls to 0 over `epochs`.
        weight_decay: of the matrices alone, times the learning rate, each step.
        clip_norm: the largest norm of all gradients together; 0 for no limit.
        moving_average: the largest decay of the moving average of the weights; 0 for none.
        class_weight: `none`, `balanced`, or a weight by class.
        buffer_rows: how many training examples are in memory at once.
        precision: `float32`, or a Keras policy of mixed precision.
        jit: whether XLA compiles the training's steps.
    """

    batch_size: int
    epochs: int
    patience: int
    monitor: str
    learning_rate: float
    schedule: str
    weight_decay: float
    clip_norm: float
    moving_average: float
    class_weight: str | dict[str, int | float] = "none"
    buffer_rows: int = 1_000_000
    precision: str = "float32"
    jit: bool = False


@dataclass(frozen=True, kw_only=True)
class Training(Artifact):
    """What a run was trained with, and what came of it.

    Attributes:
        model: the run, such as `tabm/seeds/1`.
        settings: the model's settings in full, from which it is built again; with the size of the
            trees' `forest`, the `sha256` of the user's code, the settings of an ensemble's
            `members`.
        seed: what fixed its random draws; of a model that is adopted whole there is none.
        trial: what the search that found the settings changed.
        started: which weights came from another model, as TensorFlow 1 left it.
        training: how it was trained: epochs, learning rate and so on, as it was settled.
        parameters: the number of weights.
        bytes: the size of the weights on disk.
        epochs: how many epochs, or rounds of trees, there were.
        best_epoch: the one, from 1, whose weights were kept; 0 where none was trained.
        val_loss: the validation loss then; null where none was trained.
        files: the checksums of a model that is adopted whole, by path.
    """

    model: str
    settings: BuiltModel
    seed: int | None = None
    trial: Trial | None = None
    started: Started | None = None
    training: Recipe | None = None
    parameters: int
    bytes: int
    epochs: int
    best_epoch: int
    val_loss: float | None
    files: dict[str, str] | None = None


@dataclass(frozen=True)
class History:
    """The losses of each epoch, or of each round of trees, as Keras' CSVLogger writes them.

    Attributes:
        epochs: what was logged by name, `loss` and `val_loss` among it; the first epoch is 0 in
            the file.
    """

    epochs: list[dict[str, float]]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads the file; raises MillraceError when it is missing, or is no such table."""
        rows = tables.read(path, ["epoch"])
        if rows:  # of a model that was trained elsewhere there are none, and no names of losses
            tables.require(path, rows[0], ["loss", "val_loss"])
        return cls(
            [{key: tables.number(path, row, key) for key in row if key != "epoch"} for row in rows]
        )

    def save(self, path: Path) -> None:
        """Writes the file, whole or not at all: keys sorted."""
        keys = sorted(self.epochs[0]) if self.epochs else ["loss", "val_loss"]
        rows = ({"epoch": epoch, **logs} for epoch, logs in enumerate(self.epochs))
        tables.write(path, ["epoch", *keys], rows, terminator="\r\n")
