"""tf.train.Example in TFRecord framing, byte by byte: compiled kernels on Arrow's buffers.

A record is: length (uint64), masked CRC32C of the length, data, masked CRC32C of the data. The
data of a tf.train.Example nests four messages, each prefixed with its length:
Example(features=Features(feature={key: Feature(int64_list | float_list | bytes_list)})).

The kernels see a table as three matrices, one per kind of value. For each column, in the order of
the keys, `kinds` says which matrix holds its cells and `slots` in which row:

  floats   float32 [columns, rows]
  ints     int64   [columns, rows]
  spans    int64   [columns, rows, 2]: the start and end of a cell's bytes in `text`
  valid    bool    [all columns, rows]: False if the value is missing and its key absent
"""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

FLOAT, INT, BYTES = 0, 1, 2

HEADER_BYTES = 12
FOOTER_BYTES = 4
LARGEST_OVERHEAD = HEADER_BYTES + 1 + 10 + FOOTER_BYTES  # of a record, besides its Features

LENGTH_DELIMITED = 0x0A  # field 1 of any of the messages, and of BytesList
ENTRY_VALUE = 0x12
KIND_TAGS = np.array([0x12, 0x1A, 0x0A], np.uint8)  # of FLOAT, INT, BYTES in a Feature
