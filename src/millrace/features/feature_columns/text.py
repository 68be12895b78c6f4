"""Free text: its words, each looked up in one vocabulary, as a bag for an embedding or indicator.

Only TensorFlow has operations on strings that find words, so the models take a text as its words,
string [n, max_length], in every runtime; `serving_examples` of the SavedModel takes the text itself
and finds them in its graph.
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

# What stands between words has no text of its own; no other sequence may have it.
WORDS = ""

CELLS_AT_A_TIME = 8192


def words(text: tf.Tensor) -> tf.RaggedTensor:
    """Returns the words of texts, string [n] to [n, words]: lower case, letters and digits alone.

    web/page/answer.js does the same.
    """
    # Marks too: in many scripts vowels are marks on the letters. Before TensorFlow makes letters
    # small, for it drops what is behind a NUL.
    apart = tf.strings.regex_replace(text, r"[^\p{L}\p{M}\p{N}]+", " ")
    return tf.strings.split(tf.strings.lower(apart, encoding="utf-8"))


def words_of(cells: Cells[str], max_length: int) -> np.ndarray:
    """Returns the first words of each cell, str [n, max_length], filled up with ""."""
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
    """The first words of a text, by their places in a vocabulary of the frequent ones."""

    kind: ClassVar[str] = "text"

    @classmethod
    def _values(cls, cells: Cells[str], settings: Any) -> Iterable[list[str]]:
        for row in words_of(cells, settings.max_length):
            yield [word for word in row if word]

    @classmethod
    def _maker(cls, settings: Any) -> Callable[..., Self]:
        return partial(cls, delimiter=WORDS, max_length=settings.max_length)
