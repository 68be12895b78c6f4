"""Checkpoints: everything that a killed training needs to resume bit for bit.

They are TensorFlow checkpoints, in one directory a model, beside `run.json`, which says what
training they are of. The next run compares: a checkpoint of other settings, examples or versions
is never resumed.
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

# The last one, and the one before it in case the disk damages the last.
KEPT = 2


@dataclass
class Journal(tf.train.experimental.PythonState):
    """How far a training has come.

    Attributes:
        epoch: epochs done.
        step: steps done in the epoch after those.
        loss: the sum of the losses of the examples in these steps.
        history: the logs of the epochs done.
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
        """Takes what `serialize` returned."""
        for name, value in json.loads(string_value).items():
            setattr(self, name, value)


class Checkpoints:
    """The checkpoints of one model's training.

    Args:
        directory: where they lie.
        run: what decides on the training's result, with a JSON form: a resumed run must have the
            same.
        minutes: write one so often, beside the one after an epoch.
        chief: whether this process writes them. In a training of several processes they all have
            to save at once, and all but one throw away what they wrote.
    """

    def __init__(self, directory: Path, run: Any, minutes: float, chief: bool = True) -> None:
        self.directory, self.chief = directory, chief
        self._run, self._seconds = json.loads(json.dumps(run, default=json_fields)), minutes * 60
        self._written = time.monotonic()

    def prepare(self) -> None:
        """Puts aside what is there of another run, and says what differs; the chief's to do."""
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
            journal: how far the training has come.
            parts: lists of variables, which later calls of `save` save.

        Raises:
            MillraceError: the checkpoint is damaged, or is of another model.
        """
        self._checkpoint = tf.train.Checkpoint(journal=journal, **parts)
        place = str(self.directory)
        if not self.chief:
            # Goes with this object, or the process.
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
        """Whether it is time to save one."""
        return time.monotonic() - self._written >= self._seconds

    def save(self, journal: Journal) -> None:
        """Writes a checkpoint. Until it is whole, the one before it is the last."""
        self._manager.save()
        if self.chief:
            History(journal.history).save(self.directory / "history.csv")
        self._written = time.monotonic()

    def remove(self) -> None:
        """Removes all checkpoints: the training is over and its result is safe."""
        for path in (self.directory, self.directory.with_name(f"{self.directory.name}.old")):
            shutil.rmtree(path, ignore_errors=True)


def _differences(old: Any, new: Any, key: str = "") -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys([*old, *new]):
            yield from _differences(old.get(name), new.get(name), f"{key}.{name}" if key else name)
    elif old != new:
        yield f"{key} was {json.dumps(old)}, is {json.dumps(new)}"
