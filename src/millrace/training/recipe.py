"""The settings of a training, and the optimizer, class weights and averages they define."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from millrace.artifacts.training import Recipe
from millrace.config.training import TrainingConfig, TrainingOverrides
from millrace.errors import MillraceError
from millrace.features.tasks import Task

LARGE_TABLE = 100_000

# A small table needs many short epochs, and patience because its validation loss is noisy.
SMALL = {"batch_size": 256, "epochs": 100, "patience": 16}
LARGE = {"batch_size": 1024, "epochs": 30, "patience": 4}
DEFAULTS = {
    "learning_rate": 0.001,
    "schedule": "constant",
    "weight_decay": 0.0003,
    "clip_norm": 1.0,
    "moving_average": 0.0,
}

# Names of weights that are not decayed, even if they have two dimensions.
NOT_DECAYED = ["bias", "embedding", "scale"]


def settle(
    training: TrainingConfig, own: TrainingOverrides, defaults: TrainingConfig, rows: int
) -> Recipe:
    """Returns the recipe for a model.

    The settings of the model take precedence over those for all models, then come the defaults of
    the kind of model and of the size of the table. `auto` means that a setting is not given.

    Args:
        training: `training` of the config.
        own: `training` of the model.
        defaults: the defaults of the kind of model.
        rows: the number of training examples.
    """
    chosen = _said(training)
    by_size = LARGE if rows > LARGE_TABLE else SMALL
    values = {**DEFAULTS, **by_size, **_said(defaults), **chosen, **_said(own)}
    # YAML's 1 is not a float, which Keras requires.
    numbers = [field.name for field in fields(Recipe) if field.type is float]
    recipe = Recipe(**values | {name: float(values[name]) for name in numbers})
    # XLA only pays off for small batches, where most time is spent between matrix products.
    small = recipe.batch_size <= SMALL["batch_size"]
    return recipe if small or "jit" in chosen else replace(recipe, jit=False)


def _said(section: TrainingConfig | TrainingOverrides) -> dict[str, Any]:
    """Returns the settings that a section gives."""
    names = {field.name for field in fields(Recipe)}
    return {key: x for key, x in section if key in names and x not in ("auto", None)}


class AdamW(keras.optimizers.AdamW):
    """Keras' AdamW with clipping by the norm of the whole batch's gradient, in fewer operations.

    Keras clips each replica's gradient before adding them, and treats an id that occurs twice in a
    batch as two gradients. Both make the weights depend on the number of replicas.
    """

    def __init__(self, replicas: int = 1, clip_norm: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.replicas, self.clip_norm = replicas, clip_norm

    def apply(self, grads: list[Any], trainable_variables: Any = None) -> None:
        """Updates the variables; `grads` are one replica's, and are summed over the replicas."""
        dense = [None if grad is None else tf.convert_to_tensor(grad) for grad in grads]
        if self.replicas > 1:
            known = [grad for grad in dense if grad is not None]
            # Each replica now has the mean; Keras adds those up, which gives the sum.
            means = iter(tf.distribute.get_replica_context().all_reduce("MEAN", known))
            dense = [None if grad is None else next(means) for grad in dense]
        if self.clip_norm:
            dense, _ = tf.clip_by_global_norm(dense, self.clip_norm / self.replicas)
        # Computed once for all variables.
        first, *_ = trainable_variables or self._trainable_variables
        step = tf.cast(self.iterations + 1, first.dtype)
        self._powers = tuple(tf.pow(beta, step) for beta in (self.beta_1, self.beta_2))
        super().apply(dense, trainable_variables)

    def update_step(self, gradient: Any, variable: tf.Variable, learning_rate: Any) -> None:
        """Updates a variable as Keras does, with one operation of TensorFlow instead of a dozen."""
        place = self._get_variable_index(variable)
        beta_1_power, beta_2_power = self._powers
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[place].value.handle,
            v=self._velocities[place].value.handle,
            beta1_power=beta_1_power,
            beta2_power=beta_2_power,
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=tf.constant(self.beta_1, variable.dtype),
            beta2=tf.constant(self.beta_2, variable.dtype),
            epsilon=tf.constant(self.epsilon, variable.dtype),
            grad=tf.cast(gradient, variable.dtype),
        )


def optimizer(
    settings: Recipe, weights: list[keras.Variable], steps: int, replicas: int
) -> keras.optimizers.Optimizer:
    """Returns AdamW with these settings, not yet built.

    Args:
        settings: learning rate, schedule, weight decay and clipping.
        weights: the model's trainable weights.
        steps: the steps per epoch.
        replicas: the number of replicas of the strategy, in whose scope this must be called.
    """
    rate: Any = settings.learning_rate
    if settings.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, steps * settings.epochs)
    adamw = AdamW(
        replicas,
        settings.clip_norm,
        learning_rate=rate,
        weight_decay=settings.weight_decay,
    )
    spared = [x for x in weights if len(x.shape) < 2 or any(n in x.name for n in NOT_DECAYED)]
    adamw.exclude_from_weight_decay(var_list=spared)
    return adamw


@contextmanager
def precision(policy: str) -> Iterator[None]:
    """Sets the Keras dtype policy for layers created inside the context."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


class OfPredictions(keras.metrics.Metric):
    """A Keras metric of the task's predictions, updated with encoded labels and logits."""

    def __init__(self, metric: keras.metrics.Metric, task: Task) -> None:
        super().__init__(name=metric.name)
        self.metric, self.task = metric, task

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch: labels [n], logits as models return them, weights [n]."""
        labels = self.task.decode_labels(y_true)
        self.metric.update_state(labels, self.task.predictions(y_pred), sample_weight)

    def result(self) -> Any:
        """Returns the metric of all batches since the last reset."""
        return self.metric.result()

    def reset_state(self) -> None:
        """Resets the metric."""
        self.metric.reset_state()


def metrics(monitor: str, task: Task) -> list[keras.metrics.Metric]:
    """Returns the metrics to compute besides the loss, for `training.monitor`.

    Raises:
        MillraceError: the task has no such metric.
    """
    name = monitor.removeprefix("val_")
    if name == "loss":
        return []
    kinds: dict[str, dict[str, keras.metrics.Metric]] = {
        "binary": {
            "auc": keras.metrics.AUC(name="auc"),
            "pr_auc": keras.metrics.AUC(curve="PR", name="pr_auc"),
            "accuracy": keras.metrics.BinaryAccuracy(name="accuracy"),
        },
        "multiclass": {"accuracy": keras.metrics.SparseCategoricalAccuracy(name="accuracy")},
        "regression": {"mae": keras.metrics.MeanAbsoluteError(name="mae")},
    }
    fitting = kinds[task.kind]
    if name not in fitting:
        raise MillraceError(
            f"training.monitor: expected one of {['val_loss', *(f'val_{x}' for x in fitting)]} for "
            f"a {task.kind} task, found {monitor}.",
            note="set one of these under training.monitor.",
        )
    return [OfPredictions(fitting[name], task)]


def direction(monitor: str) -> str:
    """Returns whether the best value of a metric is the lowest or the highest: min or max."""
    return "min" if monitor in ("val_loss", "val_mae") else "max"


def class_weights(settings: Recipe, task: Task, labels: Iterable[np.ndarray]) -> np.ndarray | None:
    """Returns the weight of an example by class, float32 [classes]; None if all are equal.

    `balanced` gives all classes the same total weight, and examples an average weight of 1.

    Args:
        settings: has `class_weight`.
        task: the task.
        labels: the labels of the training examples, in parts [n]; only read for `balanced`.

    Raises:
        MillraceError: the task has no classes, or a class with a weight is none of them.
    """
    weights = settings.class_weight
    if weights == "none":
        return None
    if task.kind == "regression":
        raise MillraceError(
            f"training.class_weight: expected none for a regression, found {weights!r}.",
            note="remove class_weight, or weigh rows with data.weight.",
        )
    classes = [str(name) for name in task.classes]
    if isinstance(weights, str):
        counts = np.zeros(len(classes))
        for part in labels:
            counts += np.bincount(part.astype(int), minlength=len(classes))
        by_class = counts.sum() / np.maximum(len(classes) * counts, 1)
    else:
        unknown = sorted(set(weights) - set(classes))
        if unknown:
            raise MillraceError(
                f"training.class_weight: expected classes out of {classes}, found {unknown}.",
                note="name the classes as the label has them.",
            )
        by_class = np.array([weights.get(name, 1.0) for name in classes])
    return np.asarray(by_class, np.float32)


class MovingAverage:
    """An exponential moving average of weights, which predicts better than the last weights.

    After step t its decay is min(limit, (1 + t) / (10 + t)), so that it forgets the first steps.
    Must be created in the strategy's scope.
    """

    def __init__(self, weights: list[keras.Variable], limit: float) -> None:
        self.limit = limit
        self.weights = [weight.value for weight in weights] if limit else []
        self.values = [tf.Variable(x.numpy(), trainable=False) for x in self.weights]

    def update(self, step: tf.Tensor) -> None:
        """Updates the average after a step, counted from 1; runs in a replica."""
        t = tf.cast(step, tf.float32)
        rest = 1 - tf.minimum(self.limit, (1 + t) / (10 + t))
        for value, weight in zip(self.values, self.weights, strict=True):
            value.assign_sub((value - weight) * rest)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Replaces the weights by their average inside the context."""
        weights = [weight.numpy() for weight in self.weights]
        self._assign([value.numpy() for value in self.values])
        yield
        self._assign(weights)

    def _assign(self, values: list[np.ndarray]) -> None:
        for weight, value in zip(self.weights, values, strict=True):
            weight.assign(value)
