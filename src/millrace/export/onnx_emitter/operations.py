"""The table of translations: for each TensorFlow operation, the ONNX nodes that compute it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from onnx import TensorProto, helper

from millrace.export.onnx_emitter.graph import FLOATS, Node, Unsupported
from millrace.export.onnx_emitter.shapes import SHAPES

# Adds the ONNX nodes for a TensorFlow node; returns the names of its outputs.
Operation = Callable[[Node], str | Sequence[str]]

# The ONNX operation computes the same for all types.
ALIKE = {
    "Abs": "Abs",
    "Add": "Add",
    "AddN": "Sum",
    "AddV2": "Add",
    "Ceil": "Ceil",
    "Cos": "Cos",
    "Elu": "Elu",
    "Equal": "Equal",
    "Erf": "Erf",
    "Exp": "Exp",
    "Floor": "Floor",
    "Greater": "Greater",
    "GreaterEqual": "GreaterOrEqual",
    "IsInf": "IsInf",
    "IsNan": "IsNaN",
    "Less": "Less",
    "LessEqual": "LessOrEqual",
    "Log": "Log",
    "LogicalAnd": "And",
    "LogicalNot": "Not",
    "LogicalOr": "Or",
    "Maximum": "Max",
    "Minimum": "Min",
    "Mul": "Mul",
    "Neg": "Neg",
    "Pow": "Pow",
    "RealDiv": "Div",
    "Relu": "Relu",
    "Round": "Round",
    "Selu": "Selu",
    "Sigmoid": "Sigmoid",
    "Sign": "Sign",
    "Sin": "Sin",
    "Softplus": "Softplus",
    "Softsign": "Softsign",
    "Sqrt": "Sqrt",
    "Sub": "Sub",
    "Tanh": "Tanh",
}
# These pass on their first input.
PASSED_ON = ("EnsureShape", "Identity", "PreventGradient", "StopGradient")
REDUCTIONS = {
    "Max": "ReduceMax",
    "Mean": "ReduceMean",
    "Min": "ReduceMin",
    "Prod": "ReduceProd",
    "Sum": "ReduceSum",
}


def _alike(operation: str, node: Node) -> str:
    return node.add(operation, *node.values)


def _passed_on(node: Node) -> str:
    return node.value(0)


def _not_equal(node: Node) -> str:
    first, second = node.values
    if first == second and node.type in FLOATS:
        return node.add("IsNaN", first)
    return node.add("Not", node.add("Equal", first, second))


def _is_finite(node: Node) -> str:
    (x,) = node.values
    return node.add("Not", node.add("Or", node.add("IsNaN", x), node.add("IsInf", x)))


def _cast(node: Node) -> str:
    return node.add("Cast", node.value(0), to=node.type_of("DstT"))


def _select(node: Node) -> str:
    condition, x, y = node.values
    if node.type != TensorProto.BOOL:
        return node.add("Where", condition, x, y)
    chosen = node.add("And", condition, x)
    return node.add("Or", chosen, node.add("And", node.add("Not", condition), y))


def _select_of_one_shape(node: Node) -> str:
    """TensorFlow 1's choice, which takes a vector for the rows of a matrix too."""
    if node.rank(0) is None or node.rank(0) != node.rank(1):
        raise Unsupported("of a condition and values of several shapes")
    return _select(node)


def _rsqrt(node: Node) -> str:
    return node.add("Reciprocal", node.add("Sqrt", *node.values))


def _log1p(node: Node) -> str:
    """log(1 + x) without the digits that 1 + x loses: it equals log(u) · x / (u - 1), u = 1 + x."""
    (x,) = node.values
    one = node.scalar(1, node.type)
    u = node.add("Add", x, one)
    product = node.add("Mul", node.add("Log", u), x)
    exact = node.add("Div", product, node.add("Sub", u, one))
    is_x = node.add("Or", node.add("Equal", u, one), node.add("IsInf", x))
    return node.add("Where", is_x, x, exact)


def _square(node: Node) -> str:
    return node.add("Mul", node.value(0), node.value(0))


def _squared_difference(node: Node) -> str:
    difference = node.add("Sub", *node.values)
    return node.add("Mul", difference, difference)


def _relu6(node: Node) -> str:
    return node.add("Clip", node.value(0), node.scalar(0, node.type), node.scalar(6, node.type))


def _leaky_relu(node: Node) -> str:
    return node.add("LeakyRelu", node.value(0), alpha=node.real("alpha"))


def _softmax(operation: str, node: Node) -> str:
    return node.add(operation, node.value(0), axis=-1)


def _div_no_nan(node: Node) -> str:
    x, y = node.values
    zero = node.scalar(0, node.type)
    return node.add("Where", node.add("Equal", y, zero), zero, node.add("Div", x, y))


def _floor_div(node: Node) -> str:
    x, y = node.values
    if node.type in FLOATS:
        return node.add("Floor", node.add("Div", x, y))
    return node.add("Div", node.add("Sub", x, node.add("Mod", x, y)), y)


def _floor_mod(node: Node) -> str:
    x, y = node.values
    if node.type not in FLOATS:
        return node.add("Mod", x, y)
    # The remainder of a float has the sign of x, and is to have that of y.
    rest, zero = node.add("Mod", x, y, fmod=1), node.scalar(0, node.type)
    signs = [node.add("Less", each, zero) for each in (rest, y)]
    is_other = node.add(
        "And", node.add("Xor", *signs), node.add("Not", node.add("Equal", rest, zero))
    )
    return node.add("Where", is_other, node.add("Add", rest, y), rest)


def _clip(node: Node) -> str:
    x, low, high = node.values
    return node.add("Min", node.add("Max", x, low), high)


def _bias_add(node: Node) -> str:
    if node.text("data_format") == "NCHW":
        raise Unsupported("with channels first")
    return node.add("Add", *node.values)


def _reduce(operation: str, node: Node) -> str:
    axes = node.constants(1)
    if not axes:
        return node.value(0)
    keep = int(node.flag("keep_dims"))
    return node.add(operation, node.value(0), node.integers(*axes), keepdims=keep)


def _reduce_truth(operation: str, node: Node) -> str:
    numbers = node.add("Cast", node.value(0), to=TensorProto.INT32)
    axes, keep = node.integers(*node.constants(1)), int(node.flag("keep_dims"))
    return node.add("Cast", node.add(operation, numbers, axes, keepdims=keep), to=TensorProto.BOOL)


def _arg_max(node: Node) -> str:
    (axis,) = node.constants(1)
    places = node.add("ArgMax", node.value(0), axis=axis, keepdims=0)
    return node.add("Cast", places, to=node.type_of("output_type"))


def _cumsum(node: Node) -> str:
    exclusive, reverse = int(node.flag("exclusive")), int(node.flag("reverse"))
    return node.add("CumSum", *node.values, exclusive=exclusive, reverse=reverse)


def _mat_mul(first: str, second: str, node: Node) -> str:
    """A product; `first` and `second` are the attributes that transpose an input."""
    x, y = (
        _transposed(node, place) if node.flag(name) else node.value(place)
        for place, name in enumerate((first, second))
    )
    return node.add("MatMul", x, y)


def _transposed(node: Node, place: int) -> str:
    """Returns an input with its last two dimensions swapped."""
    rank = node.rank(place)
    if rank is None:
        raise Unsupported("of a transposed input of unknown rank")
    order = [*range(rank - 2), rank - 1, rank - 2]
    return node.add("Transpose", node.value(place), perm=order)


def _einsum(node: Node) -> str:
    return node.add("Einsum", *node.values, equation=node.text("equation"))


def _one_hot(node: Node) -> str:
    """A comparison: ONNX' own operation counts negative ids from the end."""
    if node.integer("axis") != -1:
        raise Unsupported("along another axis than the last")
    ids, _, on, off = node.values
    (depth,) = node.constants(1)
    kind = helper.tensor_dtype_to_np_dtype(node.type_of("TI"))
    every = node.graph.initializer(f"{kind} below {depth}", np.arange(depth, dtype=kind))
    return node.add(
        "Where", node.add("Equal", node.add("Unsqueeze", ids, node.integers(-1)), every), on, off
    )


def _look_up(node: Node) -> str:
    table, default = node.table(0), int(node.constant(2))
    # LabelEncoder takes no empty list; an entry that gives the default changes nothing.
    keys = list(table.keys) or [b""]
    values = [int(x) for x in table.values] or [default]
    return node.add(
        "LabelEncoder",
        node.value(1),
        domain="ai.onnx.ml",
        keys_strings=keys,
        values_int64s=values,
        default_int64=default,
    )


OPERATIONS: dict[str, Operation] = {
    **{name: partial(_alike, operation) for name, operation in ALIKE.items()},
    **dict.fromkeys(PASSED_ON, _passed_on),
    **{name: partial(_reduce, operation) for name, operation in REDUCTIONS.items()},
    **SHAPES,
    "All": partial(_reduce_truth, "ReduceMin"),
    "Any": partial(_reduce_truth, "ReduceMax"),
    "ArgMax": _arg_max,
    "BatchMatMulV2": partial(_mat_mul, "adj_x", "adj_y"),
    "BiasAdd": _bias_add,
    "Cast": _cast,
    "ClipByValue": _clip,
    "Cumsum": _cumsum,
    "DivNoNan": _div_no_nan,
    "Einsum": _einsum,
    "FloorDiv": _floor_div,
    "FloorMod": _floor_mod,
    "IsFinite": _is_finite,
    "LeakyRelu": _leaky_relu,
    "Log1p": _log1p,
    "LogSoftmax": partial(_softmax, "LogSoftmax"),
    "LookupTableFindV2": _look_up,
    "MatMul": partial(_mat_mul, "transpose_a", "transpose_b"),
    "NotEqual": _not_equal,
    "OneHot": _one_hot,
    "Relu6": _relu6,
    "Rsqrt": _rsqrt,
    "Select": _select_of_one_shape,
    "SelectV2": _select,
    "Softmax": partial(_softmax, "Softmax"),
    "Square": _square,
    "SquaredDifference": _squared_difference,
}
