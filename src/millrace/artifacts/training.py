"""training.json and history.csv"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from millrace.artifacts import tables
from millrace.artifacts.records import Artifact, Record, Settings


@dataclass(frozen=True)
class Trial(Record):
    """What a search tried.

    Attributes:
        number: which of its trials it is, from 0.
        settings: what it changed of the model's settings, by dotted key.
    """

    number: int
    settings: Settings


@dataclass(frozen=True, kw_only=True)
class Training(Artifact):
    """What a run was trained with, and what came of it.

    Attributes:
        model: the run, such as `tabm/seeds/1`.
        settings: the model's settings in full, from which it is built again.
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
    settings: Settings
    seed: int | None = None
    trial: Trial | None = None
    started: Settings | None = None
    training: Settings | None = None
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
