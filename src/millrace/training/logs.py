"""Logs of a training for other tools: TensorBoard and DVC."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from millrace.config.training import TrainingConfig


def callbacks(
    training: TrainingConfig, directory: Path, chief: bool
) -> list[keras.callbacks.Callback]:
    """Returns the callbacks for the logs that `training` of the config enables.

    If several processes train together, only the chief writes logs.
    """
    made: list[keras.callbacks.Callback] = []
    if not chief:
        return made
    if training.tensorboard:
        made.append(keras.callbacks.TensorBoard(str(directory / "tensorboard"), write_graph=False))
    if training.dvclive:
        made.append(DVCLive(directory / "dvclive"))
    return made


class DVCLive(keras.callbacks.Callback):
    """Writes each epoch's logs with DVCLive; the files are the same if the training was resumed.

    DVCLive's own callback appends to the folder, where a killed training may have left an epoch
    that is repeated. This one starts over with the epochs of the history.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory
        self._live: Any = None

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Writes the epoch; in a resumed training, first those of the history."""
        if self._live is None:
            # Imported on use, because it takes a second and most trainings do not need it.
            from dvclive.live import Live

            self._live = Live(str(self._directory), save_dvc_exp=False, dvcyaml=None)
            history = self.model.history.history
            for earlier in range(epoch):
                self._write({name: values[earlier] for name, values in history.items()})
        self._write(logs or {})

    def _write(self, logs: Mapping[str, float]) -> None:
        for name, value in sorted(logs.items()):
            folder, name = ("val", name[4:]) if name.startswith("val_") else ("train", name)
            self._live.log_metric(f"{folder}/{name}", value)
        self._live.next_step()

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Closes the files."""
        if self._live is not None:
            self._live.end()
