"""Byte kernels and TFRecord's checksums; test_examples.py checks whole records."""

import numpy as np
import pytest
from numba import njit

from millrace.tfrecord import byte_kernels

# RFC 3720, B.4.
VECTORS = {
    b"": 0x00000000,
    bytes(32): 0x8A9136AA,
    b"\xff" * 32: 0x62A8AB43,
    bytes(range(32)): 0x46DD794E,
    bytes(range(31, -1, -1)): 0x113FDB5C,
    b"123456789": 0xE3069283,
}


@pytest.mark.parametrize(("data", "crc"), VECTORS.items())
def test_checksums_are_those_of_the_published_vectors(data: bytes, crc: int) -> None:
    # Masked like in LevelDB and TFRecord.
    masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
    array = np.frombuffer(b"?" + data, np.uint8)
    assert byte_kernels.masked_crc(array, 1, len(array)) == masked


def test_processors_without_the_instruction_compute_the_same() -> None:
    crc, by_tables = np.uint64(0xFFFFFFFF), np.uint64(0xFFFFFFFF)
    for word in np.random.default_rng(0).integers(0, 2**64, 100, np.uint64):
        crc, by_tables = advance(crc, word), byte_kernels._by_tables(by_tables, word)
        assert crc == by_tables


@njit
def advance(crc: int, word: int) -> int:
    return byte_kernels._advance(crc, word)


@njit
def moved(data: np.ndarray, source: int, target: int) -> None:
    byte_kernels.put_word(data, target, byte_kernels.word(data, source))


def test_words_are_read_and_put_anywhere() -> None:
    data = np.arange(30, dtype=np.uint8)
    moved(data, 3, 17)
    assert data.tolist() == [*range(17), *range(3, 11), *range(25, 30)]


@njit
def lowest(value: int) -> int:
    return byte_kernels.zeros_below(value)


@pytest.mark.parametrize("bit", [0, 1, 31, 63])
def test_the_lowest_bit_is_found(bit: int) -> None:
    assert lowest(np.uint64(1 << bit)) == bit
    assert lowest(np.uint64(1 << bit | 1 << 63)) == bit
