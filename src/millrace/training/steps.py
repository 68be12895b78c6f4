"""Compiled training steps: several per call, on every replica of the strategy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from millrace.training import parameter_server
from millrace.training.batches import RunSteps

# More than a training has steps, since a step changes the other half of a seed.
SEEDS_APART = 1_000_003


def compiled(
    model: keras.Model,
    step: Callable[[Any], Any],
    tables: dict[str, tf.TensorSpec],
    eager: bool = False,
    jit: int = 0,
) -> RunSteps:
    """Returns a function that runs `step` on one batch after the other.

    Args:
        model: made in the scope of its strategy, each of whose replicas takes its part of a batch.
        step: takes (inputs, labels) or (inputs, labels, weights), as Keras' `train_step` does.
        tables: what the examples are made of.
        eager: whether to run in Python after all, for breakpoints.
        jit: how many steps XLA compiles as one, the largest call's; 0 for none. Other strategies
            than the default one do without it.
    """
    strategy = model.distribute_strategy
    if eager or tf.distribute.has_strategy() or strategy is not tf.distribute.get_strategy():
        jit = 0
    # In a loop XLA draws random numbers on one core, so those models' steps are compiled singly.
    whole = jit > 1 and not _seeds(model)
    if jit and not whole:
        step = tf.function(step, jit_compile=True)

    def run_batch(batch: dict[str, tf.Tensor], weights: tf.Tensor | None = None) -> None:
        labels, own = batch.pop("labels"), batch.pop("weights", None)
        if own is not None:
            weights = own if weights is None else own * weights
        step((batch, labels) if weights is None else (batch, labels, weights))

    def run_share(tables: dict[str, tf.Tensor], rows: tf.Tensor) -> None:
        rows, weights = replica_share(rows)
        run_batch({name: tf.gather(table, rows) for name, table in tables.items()}, weights)

    def run_steps(tables: dict[str, tf.Tensor], batches: tf.Tensor) -> None:
        for rows in batches:
            strategy.run(run_share, args=(tables, rows))

    if eager:
        return run_steps
    signature = [tables, tf.TensorSpec([None, None], tf.int32)]
    run: RunSteps = tf.function(run_steps, input_signature=signature)
    if isinstance(strategy, tf.distribute.ParameterServerStrategy):
        return parameter_server.scheduled(strategy, run)
    return _as_one(run_batch, run, signature, jit) if whole else run


def _as_one(
    run_batch: Callable[[dict[str, tf.Tensor]], None],
    run_single: RunSteps,
    signature: list[Any],
    steps: int,
) -> RunSteps:
    """Returns a function for which XLA compiles all steps of a call as one.

    XLA compiles for one shape. So batches are filled up to the number of steps, and a single one is
    left to `run_single`, without XLA: what remains at the end of an epoch has a size of its own.
    """

    @tf.function(jit_compile=True)
    def run_gathered(batches: dict[str, tf.Tensor], count: tf.Tensor) -> None:
        place = tf.constant(0)
        while place < count:
            run_batch({name: part[place] for name, part in batches.items()})
            place += 1

    @tf.function(input_signature=signature)
    def run_filled(tables: dict[str, tf.Tensor], batches: tf.Tensor) -> None:
        count = tf.shape(batches)[0]
        filled = tf.pad(batches, [[0, steps - count], [0, 0]])
        run_gathered({name: tf.gather(table, filled) for name, table in tables.items()}, count)

    def run(tables: dict[str, tf.Tensor], batches: tf.Tensor) -> None:
        (run_filled if len(batches) > 1 else run_single)(tables, batches)

    return run


def _seeds(model: keras.Model) -> list[keras.Variable]:
    """Returns the states of what draws random numbers in the model."""
    return [state for state in model.variables if "seed_generator_state" in state.path]


def separate_seeds(model: keras.Model) -> None:
    """Gives every replica random numbers of its own; the first keeps what a single one has.

    Not those of our own dropout, which tells the replicas apart by itself. Call it once, when the
    model is new or restored: then all replicas have the same.
    """
    states = [x for x in _seeds(model) if not getattr(x, "same_on_replicas", False)]
    strategy = model.distribute_strategy

    def shift() -> None:
        replica = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.int64)
        for state in states:
            state.assign(state + tf.stack([replica * SEEDS_APART, 0]))

    if states and strategy.num_replicas_in_sync > 1:
        strategy.run(tf.function(shift))


def replica_share(rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Returns this replica's part of a batch, int32 [n], and the weight of each, float32 [n].

    All replicas get equally many, because Keras averages over them. What has to be filled up for
    that weighs nothing, and the rest so much more that the mean of all is the batch's mean. A
    single replica takes the batch as it is, with weights None.
    """
    context = tf.distribute.get_replica_context()
    replicas = context.num_replicas_in_sync
    if replicas == 1:
        return rows, None
    length = tf.size(rows)
    each = (length + replicas - 1) // replicas
    places = context.replica_id_in_sync_group * each + tf.range(each)
    weight = tf.cast(each * replicas, tf.float32) / tf.cast(length, tf.float32)
    weights = tf.where(places < length, weight, 0.0)
    return tf.gather(rows, tf.minimum(places, length - 1)), weights
