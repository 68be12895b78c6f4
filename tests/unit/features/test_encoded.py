"""Encoded examples on disk."""

import numpy as np
import pytest

from millrace.errors import MillraceError
from millrace.features import encoded
from millrace.features.feature_columns import CategoricalInput, NumberInput
from millrace.features.preprocessing import EncodedSpec

SPEC = EncodedSpec(
    (NumberInput("x"), NumberInput("y")), (CategoricalInput("c", 9, "indicator", 9),)
)


def block(rows, seed):
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(rows, 2)).astype(np.float32)
    ids = rng.integers(0, 9, (rows, 1)).astype(np.int32)
    return encoded.Encoded({"numbers": numbers, "ids": ids}, numbers[:, 0])


def test_blocks_come_back_as_one(tmp_path):
    blocks = [block(7, 0), block(3, 1)]
    assert encoded.write(tmp_path / "train.tfrecord", blocks) == 10
    back = encoded.read(tmp_path / "train.tfrecord", SPEC)
    assert len(back) == 10
    for name in ("numbers", "ids"):
        expected = np.concatenate([part.inputs[name] for part in blocks])
        np.testing.assert_array_equal(back.inputs[name], expected)
    np.testing.assert_array_equal(back.labels, back.inputs["numbers"][:, 0])


def test_the_same_examples_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        encoded.write(tmp_path / name, [block(7, 0)])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_damaged_file_and_other_columns_are_refused(tmp_path):
    path = tmp_path / "train.tfrecord"
    encoded.write(path, [block(7, 0)])
    other = EncodedSpec(SPEC.numbers[:1], SPEC.ids)
    # 14 numbers of one column are 14 rows, but there are 7 labels.
    with pytest.raises(MillraceError, match=r"train\.tfrecord: expected blocks"):
        encoded.read(path, other)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(MillraceError, match=r"train\.tfrecord: expected blocks"):
        encoded.read(path, SPEC)


def test_examples_left_out_are_counted_over_all_blocks(tmp_path):
    blocks = [block(7, 0), block(3, 1), block(5, 2)]
    encoded.write(tmp_path / "train.tfrecord", blocks)
    left_out = np.array([14, 0, 6, 7, 8, 9])
    fewer = encoded.Blocks(tmp_path / "train.tfrecord", SPEC).without(left_out)
    assert fewer.rows == [5, 0, 4] == [len(part) for part in fewer]
    for name in ("numbers", "ids"):
        whole = np.concatenate([part.inputs[name] for part in blocks])
        np.testing.assert_array_equal(
            fewer.first().inputs[name], np.delete(whole, left_out, axis=0)
        )
