"""Each TensorFlow operation that becomes ONNX, run by ONNX Runtime and compared with TensorFlow."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import tensorflow as tf
from onnxruntime import InferenceSession

from millrace.export.onnx_emitter import emitter
from millrace.export.onnx_emitter.frozen import FrozenGraph
from millrace.export.onnx_emitter.operations import OPERATIONS

ROOT = Path(__file__).parents[3]
raw = tf.raw_ops

X = np.array(
    [[0.5, -1.5, 2.5], [0.0, 3.0, -0.25], [1e-8, -7.0, 100.0], [np.inf, -np.inf, 1.0]], np.float32
)
Y = np.array([[2, 0.5, -2], [-3, 1, 0], [0.25, 4, 7], [1, 2, 3]], np.float32)
TEXT = np.array(["a", "", "never seen", "ü"], object)

Case = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


def ints(x: tf.Tensor) -> tf.Tensor:
    """Returns whole numbers of both signs, none of them 0."""
    return tf.cast(tf.clip_by_value(x, -50, 50), tf.int32) * 2 + 1


def positive(x: tf.Tensor) -> tf.Tensor:
    return tf.minimum(tf.abs(x), 1e6) + 0.5


def rows(x: tf.Tensor) -> tf.Tensor:
    return tf.shape(x)[0]


def table() -> tf.lookup.StaticHashTable:
    pairs = tf.lookup.KeyValueTensorInitializer(["ü", "a"], tf.constant([7, 3], tf.int64))
    return tf.lookup.StaticHashTable(pairs, -1)


TABLE = table()
M = tf.constant([[1.0, 2, 3], [4, 5, 6]])

# What is computed from x [n, 3], y [n, 3] and s [n], for each operation; several for some.
CASES: dict[str, list[Case]] = {
    "Abs": [lambda x, y, s: tf.abs(x), lambda x, y, s: tf.abs(ints(x))],
    "Add": [lambda x, y, s: raw.Add(x=x, y=y)],
    "AddN": [lambda x, y, s: tf.add_n([x, y, y])],
    "AddV2": [lambda x, y, s: x + y, lambda x, y, s: ints(x) + ints(y)],
    "All": [lambda x, y, s: tf.reduce_all(x > y, axis=1)],
    "Any": [lambda x, y, s: tf.reduce_any(x > y, axis=1, keepdims=True)],
    "ArgMax": [lambda x, y, s: tf.argmax(y, axis=1, output_type=tf.int32)],
    "BatchMatMulV2": [
        lambda x, y, s: tf.matmul(y[:, None, :], tf.stack([M, M])[:1], transpose_b=True),
        lambda x, y, s: raw.BatchMatMulV2(x=y[:, :, None], y=y[:, :, None], adj_x=True),
    ],
    "BiasAdd": [lambda x, y, s: tf.nn.bias_add(x, [1.0, 2, 3])],
    "BroadcastTo": [lambda x, y, s: tf.broadcast_to(y[:, :1], tf.shape(y))],
    "Cast": [lambda x, y, s: tf.cast(y, tf.int32), lambda x, y, s: tf.cast(y > 1, tf.float32)],
    "Ceil": [lambda x, y, s: tf.math.ceil(x)],
    "ClipByValue": [lambda x, y, s: raw.ClipByValue(t=x, clip_value_min=-1.0, clip_value_max=2.0)],
    "ConcatV2": [lambda x, y, s: tf.concat([x, y], axis=-1)],
    "Cos": [lambda x, y, s: tf.cos(y)],
    "Cumsum": [
        lambda x, y, s: tf.cumsum(y, axis=1),
        lambda x, y, s: tf.cumsum(y, axis=1, exclusive=True, reverse=True),
    ],
    "DivNoNan": [lambda x, y, s: tf.math.divide_no_nan(x, y)],
    "Einsum": [lambda x, y, s: tf.einsum("ni,ji->nj", y, M)],
    "Elu": [lambda x, y, s: tf.nn.elu(x)],
    "EnsureShape": [lambda x, y, s: tf.ensure_shape(x, [None, 3])],
    "Equal": [lambda x, y, s: x == 2.5, lambda x, y, s: s == "a", lambda x, y, s: s == ""],
    "Erf": [lambda x, y, s: tf.math.erf(x)],
    "Exp": [lambda x, y, s: tf.exp(y)],
    "ExpandDims": [lambda x, y, s: tf.expand_dims(x, 1)],
    "Fill": [lambda x, y, s: tf.fill([rows(x), 2], 1.5)],
    "Floor": [lambda x, y, s: tf.floor(x)],
    "FloorDiv": [lambda x, y, s: ints(y) // ints(x), lambda x, y, s: y // positive(x)],
    "FloorMod": [lambda x, y, s: ints(y) % ints(x), lambda x, y, s: y % (y[:, ::-1] * 2 + 0.1)],
    "GatherNd": [lambda x, y, s: tf.gather_nd(M, [[0, 1], [1, 2]]) * y[:, :1]],
    "GatherV2": [
        lambda x, y, s: tf.gather(y, [2, 0], axis=1),
        lambda x, y, s: tf.gather(tf.constant([10, 20, 30]), tf.cast(y > 1, tf.int32)),
    ],
    "Greater": [lambda x, y, s: x > y],
    "GreaterEqual": [lambda x, y, s: x >= y],
    "Identity": [lambda x, y, s: tf.identity(x)],
    "IsFinite": [lambda x, y, s: tf.math.is_finite(x - x[:, ::-1])],
    "IsInf": [lambda x, y, s: tf.math.is_inf(x)],
    "IsNan": [lambda x, y, s: tf.math.is_nan(x - x)],
    "LeakyRelu": [lambda x, y, s: tf.nn.leaky_relu(x, 0.3)],
    "Less": [lambda x, y, s: x < y],
    "LessEqual": [lambda x, y, s: x <= y],
    "Log": [lambda x, y, s: tf.math.log(positive(x))],
    "Log1p": [lambda x, y, s: tf.math.log1p(tf.abs(x)) * 1e8, lambda x, y, s: tf.math.log1p(y)],
    "LogSoftmax": [lambda x, y, s: tf.nn.log_softmax(y)],
    "LogicalAnd": [lambda x, y, s: (x > 0) & (y > 0)],
    "LogicalNot": [lambda x, y, s: ~(x > 0)],
    "LogicalOr": [lambda x, y, s: (x > 0) | (y > 0)],
    "LookupTableFindV2": [
        lambda x, y, s: TABLE.lookup(s),
        lambda x, y, s: TABLE.lookup(tf.stack([s, s], axis=1)),
    ],
    "MatMul": [
        lambda x, y, s: y @ tf.transpose(M),
        lambda x, y, s: tf.matmul(y, M, transpose_b=True),
        lambda x, y, s: tf.matmul(y, y, transpose_a=True)[:1] * tf.ones_like(y),
    ],
    "Max": [lambda x, y, s: tf.reduce_max(y, axis=[1], keepdims=True)],
    "Maximum": [lambda x, y, s: tf.maximum(x, y)],
    "Mean": [lambda x, y, s: tf.reduce_mean(y, axis=1)],
    "Min": [lambda x, y, s: tf.reduce_min(ints(y), axis=1)],
    "Minimum": [lambda x, y, s: tf.minimum(x, y)],
    "Mul": [lambda x, y, s: y * x],
    "Neg": [lambda x, y, s: -x],
    "NotEqual": [
        lambda x, y, s: (x - x) != (x - x),
        lambda x, y, s: s != "a",
        lambda x, y, s: ints(x) != ints(x),
    ],
    "OneHot": [lambda x, y, s: tf.one_hot(tf.cast(y[:, 0], tf.int32), 3, 2.0, -1.0)],
    "OnesLike": [lambda x, y, s: raw.OnesLike(x=x)],
    "Pack": [lambda x, y, s: tf.stack([x, y], axis=-1)],
    "Pad": [lambda x, y, s: tf.pad(y, [[0, 0], [1, 2]])],
    "PadV2": [lambda x, y, s: tf.pad(y, [[0, 0], [1, 0]], constant_values=4.0)],
    "Pow": [lambda x, y, s: positive(y) ** 1.5],
    "PreventGradient": [lambda x, y, s: raw.PreventGradient(input=x)],
    "Prod": [lambda x, y, s: tf.reduce_prod(y, axis=1)],
    "Range": [lambda x, y, s: tf.range(rows(x))[:, None]],
    "RealDiv": [lambda x, y, s: x / positive(y)],
    "Relu": [lambda x, y, s: tf.nn.relu(x)],
    "Relu6": [lambda x, y, s: tf.nn.relu6(x)],
    "Reshape": [lambda x, y, s: tf.reshape(tf.reshape(x, [-1]), [rows(x), 3])],
    "Round": [lambda x, y, s: tf.round(x)],
    "Rsqrt": [lambda x, y, s: tf.math.rsqrt(positive(x))],
    "Select": [lambda x, y, s: raw.Select(condition=x > y, x=x, y=y)],
    "SelectV2": [
        lambda x, y, s: tf.where(x > y, x, 0.0),
        lambda x, y, s: tf.where(x > y, y > 1, y < 1),
        lambda x, y, s: TABLE.lookup(tf.where(x[:, 0] > 0.25, s, "a")),
    ],
    "Selu": [lambda x, y, s: tf.nn.selu(x)],
    "Shape": [lambda x, y, s: y * tf.cast(tf.shape(y)[0], tf.float32)],
    "Sigmoid": [lambda x, y, s: tf.sigmoid(x)],
    "Sign": [lambda x, y, s: tf.sign(x)],
    "Sin": [lambda x, y, s: tf.sin(y)],
    "Size": [lambda x, y, s: y * tf.cast(tf.size(y), tf.float32)],
    "Slice": [lambda x, y, s: tf.slice(y, [0, 1], [-1, 2])],
    "Softmax": [lambda x, y, s: tf.nn.softmax(y)],
    "Softplus": [lambda x, y, s: tf.nn.softplus(y)],
    "Softsign": [lambda x, y, s: tf.nn.softsign(y)],
    "Split": [lambda x, y, s: tf.split(y, 3, axis=1)[1]],
    "SplitV": [lambda x, y, s: tf.split(y, [1, 2], axis=1)[1]],
    "Sqrt": [lambda x, y, s: tf.sqrt(positive(x))],
    "Square": [lambda x, y, s: tf.square(y)],
    "SquaredDifference": [lambda x, y, s: tf.math.squared_difference(y, 1.5)],
    "Squeeze": [lambda x, y, s: tf.squeeze(y[:, None, :1], [1])],
    "StopGradient": [lambda x, y, s: tf.stop_gradient(x)],
    "StridedSlice": [
        lambda x, y, s: y[:, -1],
        lambda x, y, s: y[..., 1],
        lambda x, y, s: y[:, None, 1, None],
        lambda x, y, s: y[:, ::-2],
        lambda x, y, s: y[::-1, :2],
        lambda x, y, s: y[:, tf.newaxis, ..., 1:],
    ],
    "Sub": [lambda x, y, s: y - x],
    "Sum": [lambda x, y, s: tf.reduce_sum(y, axis=-1), lambda x, y, s: tf.reduce_sum(ints(x), 1)],
    "Tanh": [lambda x, y, s: tf.tanh(x)],
    "Tile": [lambda x, y, s: tf.tile(y, [1, 2])],
    "Transpose": [lambda x, y, s: tf.transpose(y[:, None, :], [0, 2, 1])],
    "Unpack": [lambda x, y, s: tf.unstack(y, axis=1)[2]],
    "ZerosLike": [lambda x, y, s: raw.ZerosLike(x=x)],
}


def save(path: Path, function: Case) -> None:
    module = tf.Module()
    module.table = TABLE

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 3], tf.float32, name="x"),
            tf.TensorSpec([None, 3], tf.float32, name="y"),
            tf.TensorSpec([None], tf.string, name="s"),
        ]
    )
    def serve(x: tf.Tensor, y: tf.Tensor, s: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"predictions": function(x, y, s)}

    module.serve = serve
    tf.saved_model.save(module, str(path), signatures={"serving_default": serve})


def as_row(value: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    return tf.reshape(tf.cast(value, tf.float32), [count, -1])


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For each operation, what ONNX Runtime and TensorFlow compute, [n, values]."""
    path: Path = tmp_path_factory.mktemp("operations")
    widths: dict[str, int] = {}

    def every(x: tf.Tensor, y: tf.Tensor, s: tf.Tensor) -> tf.Tensor:
        parts = {
            operation: tf.concat([as_row(case(x, y, s), rows(x)) for case in cases], axis=1)
            for operation, cases in CASES.items()
        }
        return tf.concat(list(parts.values()), axis=1)

    save(path, every)
    for operation, cases in CASES.items():
        example = (tf.constant(X), tf.constant(Y), tf.constant(TEXT))
        widths[operation] = sum(as_row(case(*example), len(X)).shape[1] for case in cases)
    loaded = tf.saved_model.load(str(path)).signatures["serving_default"]
    functions = loaded.graph.as_graph_def().library.function
    used = {node.op for function in functions for node in function.node_def}
    assert used >= CASES.keys()
    model = emitter.emit(path, "serving_default", {})
    found = InferenceSession(model).run(None, {"x": X, "y": Y, "s": TEXT})[0]
    expected = loaded(x=X, y=Y, s=tf.constant(TEXT))["predictions"].numpy()
    ends = np.cumsum(list(widths.values()))
    assert found.shape == expected.shape == (len(X), ends[-1])
    parts = zip(*(np.split(each, ends[:-1], axis=1) for each in (found, expected)), strict=True)
    return dict(zip(widths, parts, strict=True))


@pytest.mark.parametrize("operation", CASES)
def test_an_operation_computes_what_tensorflow_does(
    computed: dict[str, tuple[np.ndarray, np.ndarray]], operation: str
) -> None:
    found, expected = computed[operation]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_each_operation_has_a_case() -> None:
    assert CASES.keys() == OPERATIONS.keys()


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (lambda x, y, s: tf.gather(y, [[0], [1], [2], [0]], batch_dims=1), "GatherV2 with batch_"),
        (
            lambda x, y, s: raw.Select(condition=x[:, 0] > 0, x=x, y=y),
            "Select of a condition and values of several shapes",
        ),
        (
            lambda x, y, s: tf.one_hot(tf.cast(y, tf.int32), 3, axis=1),
            "OneHot along another axis than the last",
        ),
        (
            lambda x, y, s: y[:, rows(y) - 1],
            "StridedSlice with input 1 computed from the row",
        ),
        (lambda x, y, s: tf.cast(x, tf.float16), "Cast of TensorFlow's type 19"),
    ],
)
def test_a_form_without_a_translation_is_named(tmp_path: Path, function: Case, named: str) -> None:
    save(tmp_path, lambda x, y, s: tf.cast(function(x, y, s), tf.float32))
    with pytest.raises(emitter.LacksOperations, match=rf"^{named}.* \(node \S+\)$"):
        emitter.emit(tmp_path, "serving_default", {})


def test_what_is_lacking_inside_of_a_call_is_named(tmp_path: Path) -> None:
    @tf.function(experimental_attributes={"_noinline": True})
    def inside(x: tf.Tensor) -> tf.Tensor:
        return raw.Bucketize(input=x, boundaries=[0.0, 1.0])

    save(tmp_path, lambda x, y, s: tf.cast(inside(x), tf.float32))
    with pytest.raises(emitter.LacksOperations, match=r"^Bucketize$"):
        emitter.emit(tmp_path, "serving_default", {})


def test_a_table_of_another_type_is_no_empty_table(tmp_path: Path) -> None:
    pairs = tf.lookup.KeyValueTensorInitializer(["a"], tf.constant([2.0]))
    other = tf.lookup.StaticHashTable(pairs, 0.0)
    module = tf.Module()
    module.other = other

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="s")])
    def serve(s: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"predictions": other.lookup(s)}

    module.serve = serve
    tf.saved_model.save(module, str(tmp_path), signatures={"serving_default": serve})
    with pytest.raises(emitter.LacksOperations, match="a table that is not from string to int64"):
        emitter.emit(tmp_path, "serving_default", {})


def test_a_graph_that_tensorflow_cannot_freeze_is_refused() -> None:
    written_by_tensorflow_1 = ROOT / "tests" / "fixtures" / "tf1" / "wide_deep_export"
    with pytest.raises(emitter.LacksOperations, match="in a graph that TensorFlow cannot freeze"):
        emitter.emit(written_by_tensorflow_1, "predict", {})


def test_the_page_lists_the_operations() -> None:
    page = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    (listed,) = re.findall(r"<!-- operations -->\n(.*?)\n<!-- end -->", page, re.S)
    assert re.findall(r"`(\w+)`", listed) == sorted(OPERATIONS)


def test_the_frozen_graph_has_each_node_after_those_that_it_reads(tmp_path: Path) -> None:
    save(tmp_path, CASES["LookupTableFindV2"][1])
    seen: set[str] = set()
    for node in FrozenGraph(tmp_path, "serving_default").in_order():
        assert {name.partition(":")[0] for name in node.input if name[0] != "^"} <= seen
        seen.add(node.name)


def test_the_model_says_what_it_is(tmp_path: Path) -> None:
    save(tmp_path, lambda x, y, s: x)
    model = onnx.load_from_string(emitter.emit(tmp_path, "serving_default", {"name": "mine"}))
    assert {each.key: each.value for each in model.metadata_props} == {"name": "mine"}
    assert [each.name for each in model.graph.input] == ["s", "x", "y"]
    assert [each.name for each in model.graph.output] == ["predictions"]
