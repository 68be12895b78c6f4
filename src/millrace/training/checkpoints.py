"""Checkpoints: everything that a killed training needs to resume bit for bit.

They are TensorFlow checkpoints, in one directory per model, with `run.json`, which identifies the
training. A checkpoint of other settings, examples or versions is never resumed.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import tensorflow as tf

from millrace.artifacts.training import History
from millrace.errors import MillraceError
from millrace.files import json_fields, read_json, write_json

# The last checkpoint, and the previous one in case the last is damaged.
KEPT = 2


@dataclass
class Journal(tf.train.experimental.PythonState):
    """The progress of a training.

    Attributes:
        epoch: the number of finished epochs.
        step: the number of finished steps in the current epoch.
        loss: the sum of the losses of the examples in these steps.
        history: the logs of the finished epochs.
        callbacks: the state of each callback that has one.
        finished: whether the training has stopped.
    """

    epoch: int = 0
    step: int = 0
    loss: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    callbacks: list[dict[str, Any]] = field(default_factory=list)
    finished: bool = False

    def serialize(self) -> str:
        """Returns the journal as text, for TensorFlow to put into a checkpoint."""
        return json.dumps(asdict(self))

    def deserialize(self, string_value: str) -> None:
        """Restores the result of `serialize`."""
        for name, value in json.loads(string_value).items():
            setattr(self, name, value)


class Checkpoints:
    """The checkpoints of one model's training.

    Args:
        directory: the directory of the checkpoints.
        run: everything that determines the result of the training, with a JSON form; a resumed run
            must have the same.
        minutes: the time between checkpoints within an epoch.
        chief: whether this process writes them. If several processes train together, all must save
            at once, and all but the chief discard theirs.
    """

    def __init__(self, directory: Path, run: Any, minutes: float, chief: bool = True) -> None:
        self.directory, self.chief = directory, chief
        self._run, self._seconds = json.loads(json.dumps(run, default=json_fields)), minutes * 60
        self._written = time.monotonic()

    def prepare(self) -> None:
        """Moves checkpoints of another run aside and prints why; only called by the chief."""
        described = self.directory / "run.json"
        if described.exists():
            differences = list(_differences(read_json(described), self._run))
            if differences:
                aside = self.directory.with_name(f"{self.directory.name}.old")
                print(
                    f"{self.directory}: not resumed, they are of another run: "
                    f"{'; '.join(differences)}. They are now in {aside.name}/."
                )
                shutil.rmtree(aside, ignore_errors=True)
                self.directory.rename(aside)
        write_json(described, self._run)

    def restore(self, journal: Journal, **parts: Any) -> bool:
        """Restores the last checkpoint into the journal and the parts; returns if there is one.

        Args:
            journal: the progress, which is updated.
            parts: lists of variables to restore, and to save in later calls of `save`.

        Raises:
            MillraceError: the checkpoint is damaged, or is of another model.
        """
        self._checkpoint = tf.train.Checkpoint(journal=journal, **parts)
        place = str(self.directory)
        if not self.chief:
            # Removed with this object.
            self._thrown_away = tempfile.TemporaryDirectory(prefix="millrace-")
            place = self._thrown_away.name
        self._manager = tf.train.CheckpointManager(
            self._checkpoint, place, max_to_keep=KEPT, checkpoint_name="checkpoint"
        )
        last = tf.train.latest_checkpoint(str(self.directory))
        if last is None:
            return False
        try:
            self._checkpoint.restore(last).assert_existing_objects_matched()
        except (tf.errors.OpError, AssertionError, ValueError, IndexError) as error:
            raise MillraceError(
                f"{last}: expected a whole checkpoint of this model, found something else "
                f"({str(error).splitlines()[0][:200]}).",
                note=f"to train from the start, delete {self.directory}.",
            ) from None
        return True

    @property
    def due(self) -> bool:
        """Whether it is time for the next checkpoint."""
        return time.monotonic() - self._written >= self._seconds

    def save(self, journal: Journal) -> None:
        """Writes a checkpoint; until it is complete, the previous one remains the last."""
        self._manager.save()
        if self.chief:
            History(journal.history).save(self.directory / "history.csv")
        self._written = time.monotonic()

    def remove(self) -> None:
        """Removes all checkpoints, after the result of the training has been written."""
        for path in (self.directory, self.directory.with_name(f"{self.directory.name}.old")):
            shutil.rmtree(path, ignore_errors=True)


def _differences(old: Any, new: Any, key: str = "") -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys([*old, *new]):
            yield from _differences(old.get(name), new.get(name), f"{key}.{name}" if key else name)
    elif old != new:
        yield f"{key} was {json.dumps(old)}, is {json.dumps(new)}"
