"""The training loop: one for every model, driving the model's own `train_step`.

Many steps run in one call of a `tf.function`, and batches are gathered by index inside the graph:
between the steps of a small model, Python takes longer than the step. Keras' callbacks, losses,
metrics and optimizers work as in `fit`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from millrace.encoded import Encoded
from millrace.errors import MillraceError
from millrace.progress import Progress
from millrace.tasks import Task

LARGE_TABLE = 100_000
EVALUATION_BATCH = 8192

# Enough for Python's share of the time to vanish, few enough to keep the progress alive.
STEPS_PER_CALL = 64


@dataclass(frozen=True)
class Settings:
    """The settings of `training` in the config, as they hold for one model.

    `batch_size` is the global batch size; `patience` counts epochs.
    """

    batch_size: int
    epochs: int
    learning_rate: float
    weight_decay: float
    patience: int

    @classmethod
    def of(cls, config: dict[str, Any], model: str, examples: int) -> Settings:
        """Returns the config's settings with the model's own on top, for so many examples."""
        merged = {**config["training"], **config["models"][model].get("training", {})}
        if merged["batch_size"] == "auto":
            merged["batch_size"] = 1024 if examples > LARGE_TABLE else 256
        return cls(**merged)


@dataclass(frozen=True)
class Outcome:
    """What a training came to: `epochs` run, the best one (from 1), and its validation loss."""

    epochs: int
    best_epoch: int
    val_loss: float


def train(
    model: keras.Model,
    task: Task,
    settings: Settings,
    data: tuple[Encoded, Encoded],
    seed: int,
    callbacks: list[keras.callbacks.Callback],
) -> Outcome:
    """Trains until the validation loss stops falling; the model ends with its best epoch's weights.

    Args:
        model: takes encoded examples, returns logits.
        task: gives the loss.
        settings: batch size, epochs, optimizer.
        data: training and validation examples.
        seed: with the epoch it fixes the order of the examples.
        callbacks: Keras callbacks, called as `fit` calls them for epochs.

    Raises:
        MillraceError: the loss is not a number any more.
    """
    training, validation = data
    optimizer = keras.optimizers.AdamW(
        settings.learning_rate, weight_decay=settings.weight_decay, clipnorm=1.0
    )
    model.compile(optimizer=optimizer, loss=task.loss())
    stopper = keras.callbacks.EarlyStopping(
        "val_loss", patience=settings.patience, restore_best_weights=True
    )
    callback_list = keras.callbacks.CallbackList([*callbacks, stopper], model=model)
    run_steps, run_evaluation = _compiled(model, training, settings.batch_size)
    callback_list.on_train_begin()
    epoch, best = 0, (float("inf"), 0)
    with Progress(settings.epochs * len(training), "examples", f"train {model.name}") as progress:
        for epoch in range(1, settings.epochs + 1):
            callback_list.on_epoch_begin(epoch - 1)
            order = order_of_examples(len(training), seed, epoch)
            logs = {"loss": _run_epoch(model, run_steps, order, settings.batch_size, progress)}
            logs["val_loss"] = _run_validation(model, run_evaluation, validation)
            if not np.isfinite(list(logs.values())).all():
                raise MillraceError(
                    f"model {model.name}, epoch {epoch}: expected finite losses, found {logs}.",
                    note="lower training.learning_rate, or normalize the numeric features.",
                )
            best = min(best, (logs["val_loss"], epoch))
            losses = ", ".join(f"{name} {value:.5f}" for name, value in logs.items())
            progress.say(f"epoch {epoch}: {losses}")
            callback_list.on_epoch_end(epoch - 1, logs)
            if model.stop_training:
                break
    callback_list.on_train_end()
    # EarlyStopping restores them by itself only when it is what stops the training.
    model.set_weights(stopper.best_weights)
    return Outcome(epochs=epoch, best_epoch=best[1], val_loss=best[0])


def order_of_examples(examples: int, seed: int, epoch: int) -> np.ndarray:
    """Returns the order in which an epoch meets the examples, int32 [examples].

    It depends on the arguments alone, so that a resumed epoch goes on where it was.
    """
    generator = np.random.Generator(np.random.Philox(key=[seed, epoch]))
    return generator.permutation(examples).astype(np.int32)


def _run_epoch(
    model: keras.Model, run_steps: Any, order: np.ndarray, batch_size: int, progress: Progress
) -> float:
    """Runs one epoch, the last batch being what is left; returns the mean loss of the examples."""
    model.reset_metrics()
    whole = len(order) // batch_size * batch_size
    call = STEPS_PER_CALL * batch_size
    for start in range(0, whole, call):
        part = order[start : min(start + call, whole)]
        run_steps(tf.constant(part.reshape(-1, batch_size)))
        progress.update(len(part))
    if whole < len(order):
        run_steps(tf.constant(order[None, whole:]))
        progress.update(len(order) - whole)
    return float(model.get_metrics_result()["loss"])


def _compiled(model: keras.Model, training: Encoded, batch_size: int) -> tuple[Any, Any]:
    inputs = {name: tf.constant(part) for name, part in training.inputs.items()}
    labels = tf.constant(training.labels)

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)])
    def run_steps(rows_of_batches: tf.Tensor) -> None:
        for rows in rows_of_batches:
            batch = {name: tf.gather(part, rows) for name, part in inputs.items()}
            model.train_step((batch, tf.gather(labels, rows)))

    @tf.function(reduce_retracing=True)
    def run_evaluation(batch: dict[str, tf.Tensor], batch_labels: tf.Tensor) -> None:
        model.test_step((batch, batch_labels))

    return run_steps, run_evaluation


def _run_validation(model: keras.Model, run_evaluation: Any, examples: Encoded) -> float:
    """Returns the mean loss over the examples, without dropout."""
    model.reset_metrics()
    for start in range(0, len(examples), EVALUATION_BATCH):
        rows = slice(start, start + EVALUATION_BATCH)
        batch = {name: tf.constant(part[rows]) for name, part in examples.inputs.items()}
        run_evaluation(batch, tf.constant(examples.labels[rows]))
    return float(model.get_metrics_result()["loss"])
