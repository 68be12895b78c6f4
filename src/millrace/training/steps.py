"""Compiled training steps: several per call, on every replica of the strategy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from millrace.training import parameter_server
from millrace.training.batches import RunSteps

# The distance between the seeds of replicas; the step is in the other half of a seed.
SEEDS_APART = 1_000_003


def compiled(
    model: keras.Model,
    step: Callable[[Any], Any],
    tables: dict[str, tf.TensorSpec],
    eager: bool = False,
    jit: int = 0,
) -> RunSteps:
    """Returns a function that runs `step` on each batch in turn.

    Args:
        model: built in the scope of its strategy, whose replicas each take a part of a batch.
        step: takes (inputs, labels) or (inputs, labels, weights), like Keras' `train_step`.
        tables: the types and shapes of the examples.
        eager: whether to run in Python, for breakpoints.
        jit: the number of steps that XLA compiles together, that of the largest call; 0 for none.
            Only used with the default strategy.
    """
    strategy = model.distribute_strategy
    if eager or tf.distribute.has_strategy() or strategy is not tf.distribute.get_strategy():
        jit = 0
    # In a loop XLA draws random numbers on one core, so steps with dropout are compiled singly.
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
    """Returns a function that XLA compiles with all steps of a call.

    XLA compiles for a fixed shape. So calls are padded to the number of steps, and a single batch
    runs in `run_single` without XLA, because the last batch of an epoch may be smaller.
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
    """Returns the states of the model's random generators."""
    return [state for state in model.variables if "seed_generator_state" in state.path]


def separate_seeds(model: keras.Model) -> None:
    """Gives every replica its own random numbers; the first has those of a single replica.

    Skips `Dropout`, which distinguishes replicas itself. Call it once, when the model is new or
    restored, so that all replicas still have the same state.
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
    """Returns this replica's part of a batch, int32 [n], and the weight of each row, float32 [n].

    All replicas get the same number of rows, because Keras averages over them. Padding has weight 0
    and other rows have weights above 1, such that the overall mean is the batch's mean. A single
    replica gets the whole batch, with weights None.
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
