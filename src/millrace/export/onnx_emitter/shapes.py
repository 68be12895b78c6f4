"""The translations of operations that move values and compute none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from millrace.export.onnx_emitter.graph import Node, Unsupported

# Behind the last place of any dimension, counted from the front or from the back.
END = 2**63 - 1


def _reshape(node: Node) -> str:
    return node.add("Reshape", node.value(0), node.int64(1))


def _expand_dims(node: Node) -> str:
    return node.add("Unsqueeze", node.value(0), node.integers(*node.constants(1)))


def _squeeze(node: Node) -> str:
    axes = node.list_of_integers("squeeze_dims")
    if not axes:
        raise Unsupported("without axes")
    return node.add("Squeeze", node.value(0), node.integers(*axes))


def _concat(node: Node) -> str:
    *values, _ = node.values
    (axis,) = node.constants(len(values))
    return node.add("Concat", *values, axis=axis)


def _pack(node: Node) -> str:
    axis = node.integer("axis")
    parts = [node.add("Unsqueeze", x, node.integers(axis)) for x in node.values]
    return node.add("Concat", *parts, axis=axis)


def _unpack(node: Node) -> list[str]:
    axis, count = node.integer("axis"), node.integer("num")
    parts = node.add_several("Split", count, node.value(0), axis=axis, num_outputs=count)
    return [node.add("Squeeze", part, node.integers(axis)) for part in parts]


def _split(node: Node) -> list[str]:
    (axis,), count = node.constants(0), node.integer("num_split")
    return node.add_several("Split", count, node.value(1), axis=axis, num_outputs=count)


def _split_by_sizes(node: Node) -> list[str]:
    sizes, (axis,) = node.constants(1), node.constants(2)
    if min(sizes) < 0:
        raise Unsupported("with a size that is not given")
    return node.add_several("Split", len(sizes), node.value(0), node.integers(*sizes), axis=axis)


def _transpose(node: Node) -> str:
    return node.add("Transpose", node.value(0), perm=node.constants(1))


def _gather(node: Node) -> str:
    if node.integer("batch_dims"):
        raise Unsupported("with batch_dims")
    (axis,) = node.constants(2)
    return node.add("Gather", *node.values[:2], axis=axis)


def _gather_nd(node: Node) -> str:
    return node.add("GatherND", node.value(0), node.int64(1))


def _shape(node: Node) -> str:
    return node.add("Cast", node.add("Shape", node.value(0)), to=node.type_of("out_type"))


def _size(node: Node) -> str:
    return node.add("Cast", node.add("Size", node.value(0)), to=node.type_of("out_type"))


def _fill(node: Node) -> str:
    return node.add("Expand", node.value(1), node.int64(0))


def _broadcast_to(node: Node) -> str:
    return node.add("Expand", node.value(0), node.int64(1))


def _tile(node: Node) -> str:
    return node.add("Tile", node.value(0), node.int64(1))


def _range(node: Node) -> str:
    return node.add("Range", *node.values)


def _constant_like(value: int, node: Node) -> str:
    kind = node.type
    if kind == TensorProto.STRING:
        raise Unsupported("of strings")
    one = np.full(1, value, helper.tensor_dtype_to_np_dtype(kind))
    shape = node.add("Shape", node.value(0))
    return node.add("ConstantOfShape", shape, value=numpy_helper.from_array(one))


def _pad(node: Node) -> str:
    pairs = node.constant(1)
    pads = node.integers(*(int(x) for x in pairs.T.ravel()))
    return node.add("Pad", node.value(0), pads, *node.values[2:])


def _slice(node: Node) -> str:
    starts, sizes = node.constants(1), node.constants(2)
    ends = [END if size < 0 else start + size for start, size in zip(starts, sizes, strict=True)]
    return node.add("Slice", node.value(0), node.integers(*starts), node.integers(*ends))


@dataclass
class _Slices:
    """What a strided slice does to the dimensions of its input, those that it changes."""

    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    axes: list[int] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    added: list[int] = field(default_factory=list)


def _strided_slice(node: Node) -> str:
    slices, x = _slices_of(node), node.value(0)
    if slices.axes:
        bounds = (slices.starts, slices.ends, slices.axes, slices.steps)
        x = node.add("Slice", x, *(node.integers(*each) for each in bounds))
    if slices.dropped:
        x = node.add("Squeeze", x, node.integers(*slices.dropped))
    if slices.added:
        x = node.add("Unsqueeze", x, node.integers(*slices.added))
    return x


def _slices_of(node: Node) -> _Slices:
    """Returns what a strided slice does; a mask has a bit for each of its entries."""

    def has(mask: str, place: int) -> bool:
        return bool(node.integer(mask) >> place & 1)

    # The next dimension of the input, and of the output.
    slices, axis, kept = _Slices(), 0, 0
    entries = list(zip(*(node.constants(place) for place in (1, 2, 3)), strict=True))
    for place, (start, end, step) in enumerate(entries):
        if has("ellipsis_mask", place):
            skipped = _skipped(node, sum(not has("new_axis_mask", i) for i in range(len(entries))))
            axis, kept = axis + skipped, kept + skipped
            continue
        if has("new_axis_mask", place):
            slices.added.append(kept)
            kept += 1
            continue
        if has("shrink_axis_mask", place):
            slices.dropped.append(axis)
            # Behind the last place is the end.
            end, step = END if start == -1 else start + 1, 1
        else:
            kept += 1
            start = (END if step < 0 else 0) if has("begin_mask", place) else start
            end = (-END if step < 0 else END) if has("end_mask", place) else end
        if (start, end, step) != (0, END, 1):
            for each, value in zip(
                (slices.starts, slices.ends, slices.axes, slices.steps),
                (start, end, axis, step),
                strict=True,
            ):
                each.append(value)
        axis += 1
    return slices


def _skipped(node: Node, entries: int) -> int:
    """Returns how many dimensions an ellipsis stands for, itself one of the entries."""
    rank = node.rank(0)
    if rank is None:
        raise Unsupported("with an ellipsis, of unknown rank")
    return rank - entries + 1


SHAPES: dict[str, Callable[[Node], str | Sequence[str]]] = {
    "BroadcastTo": _broadcast_to,
    "ConcatV2": _concat,
    "ExpandDims": _expand_dims,
    "Fill": _fill,
    "GatherNd": _gather_nd,
    "GatherV2": _gather,
    "OnesLike": partial(_constant_like, 1),
    "Pack": _pack,
    "Pad": _pad,
    "PadV2": _pad,
    "Range": _range,
    "Reshape": _reshape,
    "Shape": _shape,
    "Size": _size,
    "Slice": _slice,
    "Split": _split,
    "SplitV": _split_by_sizes,
    "Squeeze": _squeeze,
    "StridedSlice": _strided_slice,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unpack": _unpack,
    "ZerosLike": partial(_constant_like, 0),
}
