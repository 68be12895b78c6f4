"""Replaces ops of old graphs that a runtime computes incorrectly."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def rewrite(graph_def: Any) -> Any:
    """Returns a frozen GraphDef without OneHot, which TF.js' wasm backend computes wrongly."""
    rewritten = tf.compat.v1.GraphDef(versions=graph_def.versions)
    rewritten.library.CopyFrom(graph_def.library)
    for node in graph_def.node:
        if node.op == "OneHot" and node.attr["axis"].i == -1:
            rewritten.node.extend(_comparison(node))
        else:
            rewritten.node.append(node)
    return rewritten


def _comparison(node: Any) -> list[Any]:
    """Returns nodes that compute `on` if the index equals the position, else `off`."""
    indices, depth, on, off = node.input
    name = node.name
    inner = f"{name}/without_one_hot"
    index_type = node.attr["TI"].type or tf.int64.as_datatype_enum
    value_type = node.attr["T"].type
    index, int32 = _type(index_type), _type(tf.int32.as_datatype_enum)
    last = _constant(f"{inner}/last", -1, tf.int32)
    zero = _constant(f"{inner}/zero", 0, tf.as_dtype(index_type))
    one = _constant(f"{inner}/one", 1, tf.as_dtype(index_type))
    return [
        last,
        zero,
        one,
        _node(f"{inner}/column", "ExpandDims", [indices, last.name], T=index, Tdim=int32),
        _node(f"{inner}/depth", "Cast", [depth], SrcT=int32, DstT=index),
        _node(f"{inner}/places", "Range", [zero.name, f"{inner}/depth", one.name], Tidx=index),
        _node(f"{inner}/hot", "Equal", [f"{inner}/column", f"{inner}/places"], T=index),
        _node(name, "SelectV2", [f"{inner}/hot", on, off], T=_type(value_type)),
    ]


def _type(value: int) -> Any:
    return tf.compat.v1.AttrValue(type=value)


def _constant(name: str, value: int, dtype: tf.DType) -> Any:
    tensor = tf.compat.v1.AttrValue(tensor=tf.make_tensor_proto(value, dtype, []))
    return _node(name, "Const", [], dtype=_type(dtype.as_datatype_enum), value=tensor)


def _node(name: str, op: str, inputs: list[str], **attributes: Any) -> Any:
    return tf.compat.v1.NodeDef(name=name, op=op, input=inputs, attr=attributes)
