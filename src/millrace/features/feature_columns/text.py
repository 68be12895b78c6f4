"""Free text, as a bag of words from one vocabulary for an embedding or indicator.

Only TensorFlow has string operations that find words, so in every runtime the models take a text as
its words, string [n, max_length]. `serving_examples` of the SavedModel takes the text itself and
finds the words in its graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Sequence as Cells
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import tensorflow as tf

from millrace.features.feature_columns.sequence import Sequence

# The delimiter that marks a text; sequences cannot have an empty one.
WORDS = ""

CELLS_AT_A_TIME = 8192


def words(text: tf.Tensor) -> tf.RaggedTensor:
    """Splits texts, string [n], into words, [n, words]: lower case, only letters and digits.

    web/cells.cjs does the same.
    """
    # Marks are included because in many scripts vowels are marks on letters. Before lower-casing,
    # because TensorFlow's lower drops everything after a NUL.
    apart = tf.strings.regex_replace(text, r"[^\p{L}\p{M}\p{N}]+", " ")
    return tf.strings.split(tf.strings.lower(apart, encoding="utf-8"))


def words_of(cells: Cells[str], max_length: int) -> np.ndarray:
    """Returns the first words of each cell, str [n, max_length], padded with ""."""
    found = np.full((len(cells), max_length), "", object)
    for start in range(0, len(cells), CELLS_AT_A_TIME):
        part = tf.constant(list(cells[start : start + CELLS_AT_A_TIME]), tf.string)
        encoded = words(part).to_tensor("", shape=[None, max_length]).numpy()
        found[start : start + CELLS_AT_A_TIME] = [
            [word.decode() for word in row] for row in encoded
        ]
    return found


@dataclass(frozen=True)
class Text(Sequence):
    """The first words of a text, looked up in a vocabulary of frequent words."""

    kind: ClassVar[str] = "text"

    @classmethod
    def _values(cls, cells: Cells[str], settings: Any) -> Iterable[list[str]]:
        for row in words_of(cells, settings.max_length):
            yield [word for word in row if word]

    @classmethod
    def _maker(cls, settings: Any) -> Callable[..., Self]:
        return partial(cls, delimiter=WORDS, max_length=settings.max_length)
