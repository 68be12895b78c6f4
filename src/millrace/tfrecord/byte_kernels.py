"""Compiled kernels on bytes: 8-byte loads, copies of spans, and TFRecord's CRC32C.

Processors with SSE 4.2 have an instruction for CRC32C, which is seven times as fast as tables.
"""

# numba gives the integers here their widths; mypy sees none of that.
# mypy: disable-error-code="untyped-decorator, no-any-return, return-value, assignment"

from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

Array = np.ndarray[Any, Any]

WORD_BYTES = 8

_WORD = ir.IntType(64)


def _address(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Returns the address of the word at a position of an array."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.bitcast(builder.gep(array.data, [arguments[1]]), _WORD.as_pointer())


@intrinsic
def word(typing_context: Any, data: Any, position: Any) -> Any:
    """Returns data[position : position + 8] (uint8) as a little-endian uint64.

    Bounds are not checked.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_address(context, builder, signature, arguments), align=1)

    return types.uint64(data, types.int64), generate


@intrinsic
def put_word(typing_context: Any, data: Any, position: Any, value: Any) -> Any:
    """Writes a uint64 to data[position : position + 8] (uint8), little-endian, unchecked."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _address(context, builder, signature, arguments), align=1)
        return context.get_dummy_value()

    return types.void(data, types.int64, types.uint64), generate


@intrinsic
def zeros_below(typing_context: Any, value: Any) -> Any:
    """Returns the number of trailing zero bits of a nonzero uint64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate


@intrinsic
def _by_instruction(typing_context: Any, crc: Any, eight_bytes: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(_WORD, [_WORD, _WORD])
        name = "llvm.x86.sse42.crc32.64.64"
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)

    return types.uint64(types.uint64, types.uint64), generate


def _crc_tables() -> Array:
    """Returns tables that advance a CRC32C (Castagnoli, reflected) by eight bytes at a time."""
    table = np.arange(256, dtype=np.uint64)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ 0x82F63B78, table >> 1)
    tables = [table]
    for _ in range(7):
        tables.append(table[tables[-1] & 0xFF] ^ (tables[-1] >> 8))
    return np.stack(tables).astype(np.uint64)


_CRC = _crc_tables()


@njit(cache=True, nogil=True)
def _by_tables(crc: int, eight_bytes: int) -> int:
    rest = np.uint64(crc) ^ eight_bytes
    crc = np.uint64(0)
    for byte in range(8):
        crc ^= _CRC[7 - byte, rest >> np.uint64(8 * byte) & np.uint64(0xFF)]
    return crc


_HAS_INSTRUCTION = binding.get_host_cpu_features().get("sse4.2", False)
_advance = _by_instruction if _HAS_INSTRUCTION else _by_tables


@njit(cache=True, nogil=True)
def masked_crc(data: Array, start: int, end: int) -> int:
    """Returns the CRC32C of data[start:end], masked as TFRecord requires: uint32."""
    crc = np.uint64(0xFFFFFFFF)
    position = start
    while position + 8 <= end:
        crc = _advance(crc, word(data, position))
        position += 8
    while position < end:
        crc = _CRC[0, (crc ^ data[position]) & np.uint64(0xFF)] ^ (crc >> np.uint64(8))
        position += 1
    crc = np.uint32(crc ^ np.uint64(0xFFFFFFFF))
    return np.uint32(((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(0xA282EAD8))


@njit(cache=True, nogil=True)
def put_bytes(out: Array, position: int, data: Array, start: int, end: int) -> int:
    """Copies data[start:end] to `position` in whole words, overwriting up to 7 bytes after it.

    Returns the position after the copied bytes.
    """
    for byte in range(0, end - start, WORD_BYTES):
        put_word(out, position + byte, word(data, start + byte))
    return position + end - start


@njit(cache=True, nogil=True)
def measure_bytes(spans: Array, valid: Array, offsets: Array) -> None:
    """Fills `offsets` (int32 [n + 1]) with the positions of the spans' bytes when concatenated."""
    offsets[0] = 0
    for row in range(len(spans)):
        length = spans[row, 1] - spans[row, 0] if valid[row] else 0
        offsets[row + 1] = offsets[row] + length


@njit(cache=True, nogil=True)
def gather_bytes(data: Array, spans: Array, offsets: Array, out: Array) -> None:
    """Copies the bytes of `spans` (int64 [n, 2]) to the offsets from `measure_bytes`.

    `out` needs room for WORD_BYTES more.
    """
    for row in range(len(spans)):
        start, place = spans[row, 0], offsets[row]
        length = offsets[row + 1] - place
        if start + length + WORD_BYTES <= len(data):
            put_bytes(out, place, data, start, start + length)
        else:
            out[place : place + length] = data[start : start + length]
