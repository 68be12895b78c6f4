"""Repeated rows: duplicates to drop, and repeated keys to reject."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from millrace.ingestion import blocks
from millrace.ingestion.assignment import row_hashes
from millrace.ingestion.blocks import Block, Reject

Array = np.ndarray[Any, Any]


class Repeats:
    """Remembers earlier rows to find duplicates and repeated keys.

    Args:
      drop_copies: whether to keep only the first of rows that are equal in all columns.
      unique: the columns in which repeated values are rejected.
      names: all columns, in the order in which they are hashed.
      seed: the job's seed.
    """

    def __init__(
        self, drop_copies: bool, unique: Sequence[str], names: Sequence[str], seed: int
    ) -> None:
        self._drop_copies, self._names, self._seed = drop_copies, names, seed
        self._seen: set[int] = set()
        self._keys: dict[str, set[Any]] = {name: set() for name in unique}

    @property
    def matter(self) -> bool:
        """Whether the outcome of a row depends on the rows of earlier files."""
        return self._drop_copies or bool(self._keys)

    def first_of_their_kind(self, block: Block, names: Sequence[str], kept: Array) -> Array:
        """Returns which of the kept rows are new: bool [kept rows].

        Rows are compared by a 64-bit hash: among tables of ten million rows, one in 370,000 loses
        a row by a collision.
        """
        if not self._drop_copies:
            return np.ones(int(kept.sum()), np.bool_)
        fresh = []
        for row in row_hashes(block, names, self._names, self._seed)[kept].tolist():
            fresh.append(row not in self._seen)
            self._seen.add(row)
        return np.array(fresh, np.bool_)

    def with_keys_of_their_own(
        self, block: Block, names: Sequence[str], kept: Array, batch: pa.RecordBatch
    ) -> tuple[Array, list[Reject]]:
        """Returns which of the kept rows, given as `batch`, repeat no value of a unique column:
        bool [kept rows]; and the rejects for the others."""
        own, rejected = np.ones(batch.num_rows, np.bool_), list[Reject]()
        if not self._keys:
            return own, rejected
        cells_of_rows = zip(*(batch[name].to_pylist() for name in self._keys), strict=True)
        rows = np.flatnonzero(kept).tolist()
        for place, (row, keys) in enumerate(zip(rows, cells_of_rows, strict=True)):
            named = dict(zip(self._keys, keys, strict=True))
            again = next((name for name, key in named.items() if key in self._keys[name]), None)
            if again is None:
                for name, key in named.items():
                    self._keys[name] |= {key} - {None}
            else:
                own[place] = False
                found = blocks.quoted(block, names.index(again), row)
                reason = f"expected a value that comes once, found {found} again"
                rejected.append(blocks.rejected(block, row, again, reason))
        return own, rejected
