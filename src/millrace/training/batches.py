"""Batches of training examples in a reproducible order, from memory or from disk.

The order depends only on the seed, the epoch and the batch size, so that an interrupted training
resumes with the next batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import numpy as np
import tensorflow as tf

from millrace.features.encoded import Blocks, Encoded

# Examples by column: inputs, labels and optionally weights, each [n, …].
Columns: TypeAlias = dict[str, np.ndarray]

# Enough steps to make Python's overhead negligible, but few enough for regular progress.
STEPS_PER_CALL = 64


# Takes the tables of a `Buffer` and the rows of batches, int32 [batches, batch size].
RunSteps = Callable[[dict[str, tf.Tensor], tf.Tensor], None]


@dataclass(frozen=True)
class Buffer:
    """Examples in memory.

    Attributes:
        tables: the inputs, and `labels` and optionally `weights`, float32 [n].
        order: the order of the examples, int32 [n].
    """

    tables: dict[str, tf.Tensor]
    order: np.ndarray


@dataclass(frozen=True)
class Call:
    """Batches for one call of the compiled loop.

    Attributes:
        tables: as in `Buffer`.
        rows: the examples of each batch, int32 [batches, batch size].
        step: the number of earlier batches in the epoch.
    """

    tables: dict[str, tf.Tensor]
    rows: np.ndarray
    step: int

    @property
    def end(self) -> int:
        """The number of batches of the epoch that are done after it."""
        return self.step + len(self.rows)

    def after(self, step: int) -> Call:
        """Returns the rest of the call after the first `step` batches of the epoch."""
        done = max(0, step - self.step)
        return replace(self, rows=self.rows[done:], step=self.step + done)


class ExampleSource(Protocol):
    """A source of examples, in random order, or in their own order if the epoch is None.

    Attributes:
        rows: the number of examples.
        signature: the types and shapes of a buffer's tables.
    """

    rows: int
    signature: dict[str, tf.TensorSpec]

    def buffers(self, seed: int, epoch: int | None, batch_size: int) -> Iterator[Buffer]:
        """Yields all examples; all buffers but the last have a whole number of batches."""
        ...


def calls(
    source: ExampleSource,
    seed: int,
    epoch: int | None,
    batch_size: int,
    steps: int = STEPS_PER_CALL,
) -> Iterator[Call]:
    """Yields the batches of an epoch, `steps` per call; the last batch may be smaller."""
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
    """Returns a random permutation that depends only on `key`, int32 [length]."""
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))
    return generator.permutation(length).astype(np.int32)


class InMemory:
    """Examples that are all in memory.

    Args:
        examples: the examples.
        class_weights: a factor for the weight of an example by class, float32 [classes]; None if
            all are equal.
    """

    def __init__(self, examples: Encoded, class_weights: np.ndarray | None = None) -> None:
        self.rows = len(examples)
        self._tables = _tables(_columns(examples, class_weights))
        self.signature = signature(self._tables)

    def buffers(self, seed: int, epoch: int | None, batch_size: int) -> Iterator[Buffer]:
        """Yields one buffer with all the examples."""
        order = np.arange(self.rows, dtype=np.int32)
        yield Buffer(self._tables, order if epoch is None else permutation(self.rows, seed, epoch))


class OnDisk:
    """Examples of which only a part is in memory at a time.

    An epoch takes the blocks of the file in random order, fills a buffer with the next ones, and
    shuffles the rows in it. The next buffer is read during training on the current one.

    Args:
        blocks: the encoded examples.
        buffer_rows: the number of rows in a buffer, rounded to blocks; it should cover many blocks,
            because only rows in the same buffer are mixed.
        class_weights: as in `InMemory`.
    """

    def __init__(
        self, blocks: Blocks, buffer_rows: int, class_weights: np.ndarray | None = None
    ) -> None:
        self.rows = sum(blocks.rows)
        self._blocks, self._buffer_rows, self._class_weights = blocks, buffer_rows, class_weights
        self.signature = signature(_tables(self._read([0])))

    def buffers(self, seed: int, epoch: int | None, batch_size: int) -> Iterator[Buffer]:
        """Yields the buffers; rows that do not fill a batch are carried over to the next one."""
        blocks = len(self._blocks)
        order = np.arange(blocks) if epoch is None else permutation(blocks, seed, epoch)
        groups = self._groups(order)
        rest: Columns | None = None
        with ThreadPoolExecutor(max_workers=1) as reader:
            reading = reader.submit(self._read, groups[0])
            for number, following in enumerate([*groups[1:], None]):
                columns = _join([rest, reading.result()]) if rest else reading.result()
                if following is not None:
                    reading = reader.submit(self._read, following)
                rows = len(columns["labels"])
                places = np.arange(rows, dtype=np.int32)
                if epoch is not None:
                    places = permutation(rows, seed, epoch, number)
                whole = rows if following is None else rows // batch_size * batch_size
                rest = {name: column[places[whole:]] for name, column in columns.items()}
                yield Buffer(_tables(columns), places[:whole])

    def _groups(self, order: np.ndarray) -> list[np.ndarray]:
        # Of equal size: in a last buffer of a single block, nothing would be mixed.
        count = min(math.ceil(self.rows / self._buffer_rows), len(order))
        return np.array_split(order, count)

    def _read(self, places: Iterable[int]) -> Columns:
        return _join([_columns(self._blocks[place], self._class_weights) for place in places])


def source(
    blocks: Blocks, buffer_rows: int, rows: int | None, class_weights: np.ndarray | None = None
) -> ExampleSource:
    """Returns encoded examples as a source, in memory if `buffer_rows` allows it.

    Args:
        blocks: the encoded examples.
        buffer_rows: the most examples in memory at once.
        rows: use only this many examples; None for all.
        class_weights: as in `InMemory`.
    """
    if rows is not None or sum(blocks.rows) <= buffer_rows:
        return InMemory(blocks.first(rows), class_weights)
    return OnDisk(blocks, buffer_rows, class_weights)


def _join(parts: list[Columns]) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def example_weights(examples: Encoded, class_weights: np.ndarray | None) -> np.ndarray | None:
    """Returns the weight of each example, float32 [n]; None if all are equal."""
    if class_weights is None:
        return examples.weights
    of_class: np.ndarray = class_weights[examples.labels.astype(int)]
    return of_class if examples.weights is None else examples.weights * of_class


def _columns(examples: Encoded, class_weights: np.ndarray | None) -> Columns:
    columns = {**examples.inputs, "labels": examples.labels}
    weights = example_weights(examples, class_weights)
    return columns if weights is None else {**columns, "weights": weights}


def _tables(columns: Columns) -> dict[str, tf.Tensor]:
    return {name: tf.constant(column) for name, column in columns.items()}


def signature(tables: dict[str, tf.Tensor]) -> dict[str, tf.TensorSpec]:
    """Returns the tables' types and shapes, for any number of examples."""
    return {
        name: tf.TensorSpec([None, *table.shape[1:]], table.dtype) for name, table in tables.items()
    }
