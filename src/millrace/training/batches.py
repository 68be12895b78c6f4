"""The order in which a training meets its examples, from memory or from disk.

Everything here depends on the seed, the epoch and the batch size alone, so that a training that
was interrupted goes on with the batch that came next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import tensorflow as tf

from millrace.encoded import Encoded

# Enough for Python's share of the time to vanish, few enough to keep the progress alive.
STEPS_PER_CALL = 64


@dataclass(frozen=True)
class Buffer:
    """Examples in memory.

    Attributes:
        tables: the examples' inputs and, under `labels` and perhaps `weights`, float32 [n].
        order: the order in which they are met, int32 [n].
    """

    tables: dict[str, tf.Tensor]
    order: np.ndarray


@dataclass(frozen=True)
class Call:
    """Batches for one call of the compiled loop.

    Attributes:
        tables: as in `Buffer`.
        rows: which examples each batch takes, int32 [batches, batch size].
        step: how many batches of the epoch came before.
    """

    tables: dict[str, tf.Tensor]
    rows: np.ndarray
    step: int


class Source(Protocol):
    """Where examples come from: in a random order, or with epoch None in their own.

    Attributes:
        rows: how many there are.
        signature: the tables of a buffer.
    """

    rows: int
    signature: dict[str, tf.TensorSpec]

    def buffers(self, seed: int, epoch: int | None, batch_size: int) -> Iterator[Buffer]:
        """Yields the examples once; all buffers but the last hold a whole number of batches."""
        ...


def calls(
    source: Source, seed: int, epoch: int | None, batch_size: int, steps: int = STEPS_PER_CALL
) -> Iterator[Call]:
    """Yields the batches of an epoch, `steps` a call; the last batch is what is left."""
    step = 0
    for buffer in source.buffers(seed, epoch, batch_size):
        whole = len(buffer.order) // batch_size * batch_size
        for part in _split(buffer.order[:whole].reshape(-1, batch_size), steps):
            yield Call(buffer.tables, part, step)
            step += len(part)
        if whole < len(buffer.order):
            yield Call(buffer.tables, buffer.order[None, whole:], step)


def _split(rows: np.ndarray, length: int) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), length):
        yield rows[start : start + length]


def permutation(length: int, *key: int) -> np.ndarray:
    """Returns a random order of `length` things that depends on the key alone, int32 [length]."""
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))
    return generator.permutation(length).astype(np.int32)


class InMemory:
    """Examples that are all in memory.

    Args:
        examples: the examples.
        weights: the weight of each, float32 [n]; None when all count the same.
    """

    def __init__(self, examples: Encoded, weights: np.ndarray | None = None) -> None:
        self.rows = len(examples)
        self._tables = _tables(examples, weights)
        self.signature = signature(self._tables)

    def buffers(self, seed: int, epoch: int | None, batch_size: int) -> Iterator[Buffer]:
        """Yields one buffer with all the examples."""
        order = np.arange(self.rows, dtype=np.int32)
        yield Buffer(self._tables, order if epoch is None else permutation(self.rows, seed, epoch))


def first(examples: Encoded, rows: int | None) -> Encoded:
    """Returns the first examples; all of them when `rows` is None."""
    return Encoded(
        {name: part[:rows] for name, part in examples.inputs.items()}, examples.labels[:rows]
    )


def _tables(examples: Encoded, weights: np.ndarray | None) -> dict[str, tf.Tensor]:
    columns = {**examples.inputs, "labels": examples.labels}
    if weights is not None:
        columns["weights"] = weights
    return {name: tf.constant(column) for name, column in columns.items()}


def signature(tables: dict[str, tf.Tensor]) -> dict[str, tf.TensorSpec]:
    """Returns the tables' types and shapes, for any number of examples."""
    return {
        name: tf.TensorSpec([None, *table.shape[1:]], table.dtype) for name, table in tables.items()
    }
