"""The outputs of a SavedModel as a feature: its inputs, its outputs, and errors."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from millrace.errors import MillraceError
from millrace.features.feature_columns import Context, from_json
from millrace.features.feature_columns.saved_model import SavedModel
from tests.helpers.artifacts import column_statistics
from tests.helpers.columns import learn_column
from tests.helpers.saved_models import save_numbers, save_text

TEXT = {
    "type": "string",
    "distinct": 3,
    "missing": 1,
    "values": [["ab", 5], ["abcd", 2], ["a b", 1]],
}
NUMBER = {
    "type": "float32",
    "distinct": 4,
    "missing": 1,
    "min": 1.0,
    "max": 4.0,
    "quantiles": [1.0, 2.0, 3.0, 4.0],
    "values": [],
}


def learn(statistics: dict[str, Any], path: Path) -> SavedModel:
    context = Context({"x": column_statistics(**statistics)}, "label")
    return learn_column(SavedModel, "x", {"path": str(path)}, context)


def test_text_gives_the_modules_outputs_over_their_root_mean_square(tmp_path: Path) -> None:
    # The module counts the bytes and words of a text.
    learned = learn(TEXT, save_text(tmp_path / "module"))
    scale = np.sqrt(np.mean(np.square([[2, 1], [4, 1], [3, 2]])))
    encoded = learned.encode_numbers({"x": tf.constant(["ab", "", "c d e"])}).numpy()
    np.testing.assert_allclose(encoded * scale, [[2, 1], [0, 0], [5, 3]], rtol=1e-6)
    assert [entry.representation for entry in learned.inputs] == ["output", "output"]


@pytest.mark.parametrize("signature", [False, True])
def test_numbers_beyond_those_of_training_count_as_the_nearest(
    tmp_path: Path, signature: bool
) -> None:
    # The module, called by itself or by its signature, takes [n, 1] and returns x, -2x and 3x.
    learned = learn(NUMBER, save_numbers(tmp_path / "module", signature))
    outputs = np.outer([1.0, 2.0, 3.0, 4.0], [1.0, -2.0, 3.0])
    scale = np.sqrt(np.mean(np.square(outputs)))
    x = tf.constant([2.5, np.nan, -np.inf, 3e38])
    expected = np.outer([2.5, 0.0, 1.0, 4.0], [1.0, -2.0, 3.0])
    encoded = learned.encode_numbers({"x": x}).numpy()
    np.testing.assert_allclose(encoded * scale, expected, rtol=1e-6)
    assert learned.axes == 2
    again = from_json(learned.to_json())
    assert again == learned
    np.testing.assert_array_equal(again.encode_numbers({"x": x}).numpy(), encoded)


class Writing(tf.Module):
    """Writes a file wherever it runs."""

    def __init__(self, written: Path) -> None:
        super().__init__()
        self.written = str(written)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        tf.io.write_file(self.written, "here")
        return x[:, None]


class Python(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return tf.numpy_function(lambda x: x[:, None], [x], tf.float32)


def test_a_module_that_writes_files_or_runs_python_does_not_run(tmp_path: Path) -> None:
    tf.saved_model.save(Writing(tmp_path / "written"), str(tmp_path / "module"))
    with pytest.raises(MillraceError, match=r"WriteFile \(node \w+\)(?s:.*)`trust: true`"):
        learn(NUMBER, tmp_path / "module")
    assert not (tmp_path / "written").exists()
    tf.saved_model.save(Python(), str(tmp_path / "python"))
    with pytest.raises(MillraceError, match=r"PyFunc \(node \w+\)"):
        learn(NUMBER, tmp_path / "python")
    context = Context({"x": column_statistics(**NUMBER)}, "label")
    settings = {"path": str(tmp_path / "module"), "trust": True}
    assert learn_column(SavedModel, "x", settings, context).outputs == 1
    assert (tmp_path / "written").exists()


def test_a_module_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MillraceError, match=r"features\.x\.path: expected the folder of a Saved"):
        learn(TEXT, tmp_path / "module")


def test_a_module_that_changed_is_refused(tmp_path: Path) -> None:
    path = save_text(tmp_path / "module")
    learned = learn(TEXT, path)
    shutil.rmtree(path)
    save_numbers(path)
    with pytest.raises(MillraceError, match="found a changed one"):
        learned.encode_numbers({"x": tf.constant(["ab"])})


def test_a_damaged_module_is_refused(tmp_path: Path) -> None:
    path = save_text(tmp_path / "module")
    (path / "saved_model.pb").write_bytes(b"no model")
    with pytest.raises(MillraceError, match="expected a SavedModel, found an error"):
        learn(TEXT, path)


def test_a_module_of_text_is_refused_for_a_column_of_numbers(tmp_path: Path) -> None:
    with pytest.raises(MillraceError, match=r"features\.x\.path: expected a SavedModel that takes"):
        learn(NUMBER, save_text(tmp_path / "module"))


def test_a_column_of_dates_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MillraceError, match="a column of text or numbers, found 'x' of type date"):
        learn({**TEXT, "type": "date"}, save_text(tmp_path / "module"))
