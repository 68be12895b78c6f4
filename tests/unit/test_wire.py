"""TFRecord's checksums; test_examples.py holds whole records against TensorFlow's own."""

import numpy as np

from millrace import wire


def test_checksums_are_those_of_the_published_vectors() -> None:
    # RFC 3720, B.4, masked as LevelDB and TFRecord do.
    vectors = {
        b"": 0x00000000,
        bytes(32): 0x8A9136AA,
        b"\xff" * 32: 0x62A8AB43,
        bytes(range(32)): 0x46DD794E,
        bytes(range(31, -1, -1)): 0x113FDB5C,
        b"123456789": 0xE3069283,
    }
    for data, crc in vectors.items():
        masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
        array = np.frombuffer(b"?" + data, np.uint8)
        assert wire.masked_crc(array, 1, len(array)) == masked
