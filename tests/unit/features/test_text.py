"""Free text: its words, their order, and a model that learns from them."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import tensorflow as tf

from millrace.errors import MillraceError
from millrace.export.runtimes import NODE
from millrace.features.feature_columns import Context
from millrace.features.feature_columns.text import Text, words_of
from millrace.features.raw_row import name_columns, parse_examples, raw_columns
from tests.helpers.artifacts import column_statistics
from tests.helpers.columns import learn_column

CELLS = Path(__file__).parents[3] / "web" / "cells.cjs"

TEXTS = {
    "": [],
    "  Not good... at ALL!": ["not", "good", "at", "all"],
    "don't re-use it_again": ["don", "t", "re", "use", "it", "again"],
    "Zürich 2024, ÅNGSTRÖM": ["zürich", "2024", "ångström"],
    "हिन्दी में": ["हिन्दी", "में"],
    "東京🛫Ωmega": ["東京", "ωmega"],
    "e\u0301te\u0301": ["e\u0301te\u0301"],
}


def padded(words: list[str]) -> list[str]:
    return [*words, *[""] * (6 - len(words))]


def test_words_are_lower_case_letters_and_digits() -> None:
    found = words_of(list(TEXTS), 6)
    assert found.tolist() == [padded(words) for words in TEXTS.values()]
    assert words_of(["a b c"], 2).tolist() == [["a", "b"]]


def test_the_graph_the_table_and_the_page_find_the_same_words() -> None:
    (column,) = name_columns({"t": "string"}, {"t": (6, "")})
    from_table = raw_columns(pd.DataFrame({"t": list(TEXTS)}), (column,))["t"]
    features = [
        tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()])) for text in TEXTS
    ]
    serialized = [
        tf.train.Example(features=tf.train.Features(feature={"t": x})).SerializeToString()
        for x in features
    ]
    in_graph = parse_examples(tf.constant(serialized), (column,))["t"].numpy()
    script = (
        f"const {{ modelValue }} = require({json.dumps(str(CELLS))});"
        "const column = {type: 'string', max_length: 6, delimiter: ''};"
        f"console.log(JSON.stringify({json.dumps(list(TEXTS))}.map((x) => modelValue(column, x))))"
    )
    done = subprocess.run([str(NODE), "--eval", script], capture_output=True, text=True, check=True)
    expected = [padded(words) for words in TEXTS.values()]
    assert from_table.tolist() == expected
    assert [[word.decode() for word in row] for row in in_graph] == expected
    assert json.loads(done.stdout) == expected


def learn(statistics: dict[str, Any], **settings: Any) -> Text:
    column = column_statistics(**{"distinct": 2, **statistics})
    defaults = {"max_length": 8, "min_count": 2, "max_size": 100}
    return learn_column(Text, "t", defaults | settings, Context({"t": column}, "label"))


def test_the_vocabulary_has_the_frequent_words_of_all_cells() -> None:
    values = [["Good food", 3], ["bad food!", 2], ["fine", 1]]
    learned = learn({"type": "string", "values": values})
    assert learned.values == ("food", "good", "bad")
    # Unseen words have the id after the known ones, padding the last.
    ids = learned.encode({"t": tf.constant(words_of(["GOOD service"], 8).astype(str))}, {})
    assert ids.numpy().tolist() == [[1, 3, 4, 4, 4, 4, 4, 4]]


def test_a_column_of_numbers_is_refused() -> None:
    with pytest.raises(MillraceError, match="expected a column of text, found 't' of type int64"):
        learn({"type": "int64", "values": [[1, 2]]})
