"""The training loop: one for every model and strategy, driving the model's own `train_step`.

Many steps run in one call of a `tf.function`, and batches are gathered by index inside the graph,
because Python's overhead between the steps of a small model is longer than a step. Keras'
callbacks, losses, metrics and optimizers work as in `fit`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from millrace.artifacts.training import Recipe
from millrace.errors import DivergedError, MillraceError
from millrace.features.tasks import Task
from millrace.progress import Progress
from millrace.training import recipe, strategies
from millrace.training.batches import STEPS_PER_CALL, Call, ExampleSource, calls
from millrace.training.checkpoints import Checkpoints, Journal
from millrace.training.debugging import Debug, naming_the_layer, watch, watched_step
from millrace.training.recipe import MovingAverage
from millrace.training.steps import compiled, separate_seeds

EVALUATION_BATCH = 8192
NO_DEBUG = Debug()


@dataclass(frozen=True)
class Outcome:
    """The result of a training.

    Attributes:
        epochs: the number of epochs.
        best_epoch: the epoch, from 1, whose weights the model has.
        val_loss: its loss on the validation examples.
        history: the logs of each epoch.
    """

    epochs: int
    best_epoch: int
    val_loss: float
    history: list[dict[str, float]]


def train(
    model: keras.Model,
    task: Task,
    settings: Recipe,
    data: tuple[ExampleSource, ExampleSource],
    seed: int,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoints: Checkpoints | None = None,
    debug: Debug = NO_DEBUG,
) -> Outcome:
    """Trains until `settings.monitor` stops improving; the model gets its best epoch's weights.

    Args:
        model: takes encoded examples, returns logits; built in the scope of the strategy that
            will train it. A compiled model keeps its optimizer, loss and metrics.
        task: the task, which defines the loss.
        settings: batch size, epochs, optimizer.
        data: training and validation examples.
        seed: determines the order of the examples in each epoch.
        callbacks: Keras callbacks, called as in `fit`, but once for several batches.
        checkpoints: the checkpoints to resume from and to save to.
        debug: the debugging options.

    Raises:
        MillraceError: the loss is not a number any more, or a checkpoint cannot be restored.
    """
    with strategies.naming_the_dead():
        return _Loop(model, task, settings, data, seed, callbacks, checkpoints, debug).run()


class _Loop:
    """A training."""

    def __init__(
        self,
        model: keras.Model,
        task: Task,
        settings: Recipe,
        data: tuple[ExampleSource, ExampleSource],
        seed: int,
        callbacks: Sequence[keras.callbacks.Callback],
        checkpoints: Checkpoints | None,
        debug: Debug,
    ) -> None:
        self.model, self.settings, self.data, self.seed = model, settings, data, seed
        in_buffer = min(data[0].rows, settings.buffer_rows) // settings.batch_size
        self.steps_per_call = 1 if debug.stepwise else max(1, min(STEPS_PER_CALL, in_buffer))
        self.checkpoints = checkpoints
        self.journal = Journal()
        self.strategy = strategy = model.distribute_strategy
        if settings.batch_size < strategy.num_replicas_in_sync:
            raise MillraceError(
                f"training.batch_size: expected at least an example for each of the "
                f"{strategy.num_replicas_in_sync} replicas, found {settings.batch_size}.",
                note="raise training.batch_size, or lower training.replicas.",
            )
        steps = math.ceil(data[0].rows / settings.batch_size)
        with strategy.scope():
            if not model.compiled:
                optimizer = recipe.optimizer(
                    settings, model.trainable_weights, steps, strategy.num_replicas_in_sync
                )
                monitored = recipe.metrics(settings.monitor, task)
                model.compile(optimizer, task.loss(), weighted_metrics=monitored)
            if not model.optimizer.built:
                model.optimizer.build(model.trainable_weights)
            self.average = MovingAverage(model.trainable_weights, settings.moving_average)
        self.tracker = next(metric for metric in model.metrics if metric.name == "loss")
        self.best = [tf.Variable(weight, trainable=False) for weight in model.get_weights()]
        self.stopper = keras.callbacks.EarlyStopping(
            settings.monitor, patience=settings.patience, mode=recipe.direction(settings.monitor)
        )
        self.callbacks = keras.callbacks.CallbackList(
            [*callbacks, self.stopper],
            add_history=True,
            model=model,
            epochs=settings.epochs,
            steps=steps,
        )
        step: Callable[[Any], None] = self._train_step
        if debug.check_numerics:
            watch(model)
            step = watched_step(model, step)
        jit = self.steps_per_call if settings.jit and not debug.stepwise else 0
        self.run_training = compiled(model, step, data[0].signature, debug.eager, jit)
        self.run_validation = compiled(model, model.test_step, data[1].signature, debug.eager)
        self._build_metrics()

    def run(self) -> Outcome:
        journal, rows = self.journal, self.data[0].rows
        resumed = self._restore()
        separate_seeds(self.model)
        self.model.stop_training = False
        self.callbacks.on_train_begin()
        if resumed:
            set_states(self.callbacks.callbacks, journal.callbacks)
            for epoch, logs in enumerate(journal.history):
                self.model.history.on_epoch_end(epoch, logs)
        total = self.settings.epochs * rows
        with Progress(total, "examples", f"train {self.model.name}") as progress:
            progress.update(journal.epoch * rows + journal.step * self.settings.batch_size)
            while not journal.finished:
                self._run_epoch(progress)
        self.model.set_weights([weight.numpy() for weight in self.best])
        self.callbacks.on_train_end()
        best = self.stopper.best_epoch
        val_loss = journal.history[best]["val_loss"]
        return Outcome(journal.epoch, best + 1, val_loss, journal.history)

    def _run_epoch(self, progress: Progress) -> None:
        journal, epoch = self.journal, self.journal.epoch
        self.callbacks.on_epoch_begin(epoch)
        logs = self._train(progress)
        logs["learning_rate"] = float(tf.convert_to_tensor(self.model.optimizer.learning_rate))
        with self.average.applied():
            logs |= {f"val_{name}": value for name, value in self._validate().items()}
            self._check_finite(logs, f"epoch {epoch + 1}")
            progress.say(f"epoch {epoch + 1}: {_in_words(logs)}")
            self.callbacks.on_epoch_end(epoch, logs)
            if self.stopper.best_epoch == epoch:
                for best, weight in zip(self.best, self.model.weights, strict=True):
                    best.assign(weight.numpy())
        journal.history.append(logs)
        journal.epoch, journal.step = epoch + 1, 0
        journal.finished = self.model.stop_training or journal.epoch == self.settings.epochs
        self._save()

    def _train(self, progress: Progress) -> dict[str, float]:
        """Runs the rest of an epoch; returns its metrics with the mean loss of its examples."""
        journal, batch_size = self.journal, self.settings.batch_size
        if journal.step == 0:
            self.model.reset_metrics()
            journal.loss = 0.0
        epoch = calls(self.data[0], self.seed, journal.epoch, batch_size, self.steps_per_call)
        ahead = (call.after(journal.step) for call in epoch if call.end > journal.step)
        for call, total in self._run_calls(
            self.run_training, ahead, self.callbacks.on_train_batch_begin
        ):
            journal.loss += total
            loss = journal.loss / (call.step * batch_size + call.rows.size)
            self._check_finite({"loss": loss}, f"epoch {journal.epoch + 1}, step {call.end}")
            logs = {**self._metrics(), "loss": loss}
            self.callbacks.on_train_batch_end(call.end - 1, logs)
            progress.update(call.rows.size, _in_words(logs))
            if call.rows.shape[1] == batch_size and self._checkpoint_is_due():
                journal.step = call.end
                self._save()
        return {**self._metrics(), "loss": journal.loss / self.data[0].rows}

    def _validate(self) -> dict[str, float]:
        """Returns loss and metrics of the validation examples, without dropout."""
        self.model.reset_metrics()
        self.callbacks.on_test_begin()
        loss = 0.0
        batches = calls(self.data[1], self.seed, None, EVALUATION_BATCH)
        for call, total in self._run_calls(
            self.run_validation, batches, self.callbacks.on_test_batch_begin
        ):
            loss += total
            so_far = loss / (call.step * EVALUATION_BATCH + call.rows.size)
            self.callbacks.on_test_batch_end(call.end - 1, {"loss": so_far})
        logs = {**self._metrics(), "loss": loss / self.data[1].rows}
        self.callbacks.on_test_end(logs)
        return logs

    def _run_calls(
        self, run: Callable[..., None], calls: Iterable[Call], begin: Callable[[int], None]
    ) -> Iterator[tuple[Call, float]]:
        """Runs the calls, and yields each with the sum of the losses of its examples.

        The losses are summed in Python because a float32 sum loses digits over an epoch. The mean
        of a single call is exact even if replicas pad the last batch.
        """
        for call in calls:
            begin(call.step)
            self.tracker.reset_state()
            with naming_the_layer(
                f"model {self.model.name}, epoch {self.journal.epoch + 1}, batch {call.step + 1}"
            ):
                run(call.tables, tf.constant(call.rows))
            yield call, call.rows.size * float(self.tracker.result())

    def _train_step(self, data: Any) -> None:
        self.model.train_step(data)
        self.average.update(self.model.optimizer.iterations)

    def _build_metrics(self) -> None:
        """Calls the metrics once, so that their variables exist before a checkpoint is restored."""
        call = next(calls(self.data[1], self.seed, None, EVALUATION_BATCH))
        self.run_validation(call.tables, tf.constant(call.rows[:1, :1]))
        self.model.reset_metrics()

    def _metrics(self) -> dict[str, float]:
        return {name: float(value) for name, value in self.model.get_metrics_result().items()}

    def _check_finite(self, logs: dict[str, float], place: str) -> None:
        if not all(map(math.isfinite, logs.values())):
            raise DivergedError(
                f"model {self.model.name}, {place}: expected finite numbers, found {logs}.",
                note="lower training.learning_rate, or normalize the numeric features. "
                "training.debug: {check_numerics: true} finds the layer and the batch.",
            )

    def _restore(self) -> bool:
        if self.checkpoints is None:
            return False
        model = self.model
        if self.checkpoints.chief:
            self.checkpoints.prepare()
        # With several processes, this waits for the chief.
        strategies.any_process(self.strategy, False)
        resumed = self.checkpoints.restore(
            self.journal,
            variables=[variable.value for variable in model.variables],
            optimizer=[variable.value for variable in model.optimizer.variables],
            metrics=[variable.value for variable in model.metrics_variables],
            average=[*self.average.values],
            best=[*self.best],
        )
        if strategies.any_process(self.strategy, resumed) and not resumed:
            raise MillraceError(
                f"{self.checkpoints.directory}: expected the checkpoint from which the other "
                "processes go on, found none.",
                note="all processes of a training need the same folder, on a shared disk.",
            )
        return resumed

    def _checkpoint_is_due(self) -> bool:
        if self.checkpoints is None:
            return False
        return strategies.any_process(self.strategy, self.checkpoints.due)

    def _save(self) -> None:
        if self.checkpoints:
            self.journal.callbacks = states(self.callbacks.callbacks)
            self.checkpoints.save(self.journal)


def states(callbacks: Sequence[keras.callbacks.Callback]) -> list[dict[str, Any]]:
    """Returns the state of each callback: its public attributes with plain values.

    Parameters of the constructor are left out, because they are settings and not state.
    """
    return [
        {
            name: value
            for name, value in vars(callback).items()
            if isinstance(value, int | float | str | None)
            and not name.startswith("_")
            and name not in inspect.signature(type(callback)).parameters
        }
        for callback in callbacks
    ]


def set_states(
    callbacks: Sequence[keras.callbacks.Callback], states: Sequence[dict[str, Any]]
) -> None:
    """Restores the result of `states`."""
    for callback, state in zip(callbacks, states, strict=True):
        vars(callback).update(state)


def _in_words(logs: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.5g}" for name, value in logs.items())
