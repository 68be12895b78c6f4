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
    """The weights that came from an old model.

    Attributes:
        source: the path of that model.
        taken: the variables that were used.
        left: the other variables.
        misfits: why a variable could not be used, by name.
        vocabularies: by feature, the number of `values`, and how many are `of the old model`.
    """

    source: str
    taken: list[str]
    left: list[str]
    misfits: dict[str, str] | None = None
    vocabularies: dict[str, dict[str, int]] | None = None


@dataclass(frozen=True)
class Recipe(Record):
    """The training settings of one model that determine its weights.

    Attributes:
        batch_size: the global batch size, whatever the number of replicas.
        epochs: the most epochs.
        patience: the epochs without improvement of `monitor` after which to stop.
        monitor: the metric of the validation examples that picks the best epoch.
        learning_rate: the learning rate of the first step.
        schedule: `constant`, or `cosine`, which decays to 0 over `epochs`.
        weight_decay: the decay of matrices, multiplied by the learning rate, in each step.
        clip_norm: the largest global norm of the gradients; 0 for no limit.
        moving_average: the largest decay of the moving average of the weights; 0 for none.
        class_weight: `none`, `balanced`, or a weight by class.
        buffer_rows: the most training examples in memory at once.
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


@dataclass(frozen=True)
class Member(Record):
    """A run that may be in an ensemble.

    Attributes:
        run: its name.
        weight: its weight in the mean; 0 if it was left out.
        val_loss: its validation loss alone.
    """

    run: str
    weight: float
    val_loss: float


@dataclass(frozen=True)
class Weighing(Record):
    """How the weights of an ensemble of several models were found.

    The loss is the log loss, or of a regression the squared error of (y - mean) / std.

    Attributes:
        rows: the number of validation examples that decided.
        val_loss: the loss of the ensemble on them, which is optimistic for that reason.
        members: all runs that were tried.
    """

    rows: int
    val_loss: float
    members: list[Member]


@dataclass(frozen=True)
class Calibration(Record):
    """How probabilities were calibrated: all logits are divided by one number, the temperature.

    It is used only if it helps: a fifth of the validation examples is predicted with the
    temperature that suits the other four, in turn, and the log loss of all must be lower than
    before.

    Attributes:
        temperature: the number; 1 where it would not have helped.
        rows: the number of validation examples that decided.
        before: their log loss without it.
        after: their log loss with the temperatures of the other fifths.
    """

    temperature: float
    rows: int
    before: float
    after: float


@dataclass(frozen=True, kw_only=True)
class Training(Artifact):
    """The settings and the outcome of a run.

    Attributes:
        model: the run, such as `tabm/seeds/1`.
        settings: the model's settings in full, from which it is built again; with the size of the
            trees' `forest`, the `sha256` of the user's code; of an ensemble the settings of its
            `members`, their `runs`, `weights` and `temperatures`.
        seed: its random seed; null for an adopted model.
        trial: the settings that the search changed.
        started: the weights that came from an old model.
        training: the resolved training settings: epochs, learning rate and so on.
        weighing: of an ensemble of several models, how its weights were found.
        calibration: with `training.calibration`, how the probabilities were calibrated.
        parameters: the number of weights.
        bytes: the size of the weights on disk.
        epochs: the number of epochs, or rounds of trees.
        best_epoch: the epoch, from 1, whose weights were kept; 0 without training.
        val_loss: its validation loss; null without training.
        files: the checksums of an adopted model, by path.
    """

    model: str
    settings: BuiltModel
    seed: int | None = None
    trial: Trial | None = None
    started: Started | None = None
    training: Recipe | None = None
    weighing: Weighing | None = None
    calibration: Calibration | None = None
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
        epochs: the logged values by name, such as `loss` and `val_loss`; the first epoch is 0 in
            the file.
    """

    epochs: list[dict[str, float]]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads the file; raises MillraceError if it is missing or not such a table."""
        rows = tables.read(path, ["epoch"])
        if rows:  # empty for a model that was trained elsewhere
            tables.require(path, rows[0], ["loss", "val_loss"])
        return cls(
            [{key: tables.number(path, row, key) for key in row if key != "epoch"} for row in rows]
        )

    def save(self, path: Path) -> None:
        """Writes the file atomically, with sorted columns."""
        keys = sorted(self.epochs[0]) if self.epochs else ["loss", "val_loss"]
        rows = ({"epoch": epoch, **logs} for epoch, logs in enumerate(self.epochs))
        tables.write(path, ["epoch", *keys], rows, terminator="\r\n")
