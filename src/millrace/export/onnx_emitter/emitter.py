"""From a SavedModel to the bytes of an ONNX model."""

from __future__ import annotations

from pathlib import Path

import onnx
import tensorflow as tf
from onnx import helper

from millrace.export.onnx_emitter.frozen import CannotFreeze, FrozenGraph
from millrace.export.onnx_emitter.graph import TYPES, Node, OnnxGraph, Unsupported
from millrace.export.onnx_emitter.operations import OPERATIONS

# ONNX Runtime has these since 1.18, of May 2024.
OPSETS = {"": 21, "ai.onnx.ml": 4}
IR_VERSION = 10
# The name of the first dimension of all inputs and of the output.
ROWS = "rows"
# What is no operation: it has no inputs, and others read it by name.
_SOURCES = ("Const", "Placeholder")


class LacksOperations(Exception):
    """Operations without a translation.

    Attributes:
        operations: their names; of one that has a translation for other forms, which form it is,
            and the first node.
    """

    def __init__(self, operations: list[str]) -> None:
        self.operations = operations
        super().__init__(", ".join(operations))


def emit(saved_model: Path, function: str, metadata: dict[str, str]) -> bytes:
    """Returns a function of a SavedModel as an ONNX model, the same bytes every time.

    Args:
        saved_model: the SavedModel's directory.
        function: the signature; its keys are the inputs' names, its output is `predictions`.
        metadata: what the model says of itself, by key.

    Raises:
        LacksOperations: the graph has operations without a translation.
    """
    try:
        frozen = FrozenGraph(saved_model, function)
    except CannotFreeze:
        raise LacksOperations(["ReadVariableOp in a graph that TensorFlow cannot freeze"]) from None
    graph = OnnxGraph(frozen)
    for key, tensor in frozen.inputs.items():
        graph.name_outputs(tensor.op.name, [key])
    nodes = [proto for proto in frozen.in_order() if proto.op not in _SOURCES]
    untranslated = [proto for proto in nodes if proto.op not in OPERATIONS]
    if untranslated:
        inside = {name for proto in untranslated for name in frozen.operations_of(proto)}
        lacking = inside - {*OPERATIONS, *_SOURCES, "NoOp"}
        raise LacksOperations(sorted(lacking or {proto.op for proto in untranslated}))
    for proto in nodes:
        try:
            outputs = OPERATIONS[proto.op](Node(proto, graph))
        except Unsupported as form:
            raise LacksOperations([f"{proto.op} {form} (node {proto.name})"]) from None
        graph.name_outputs(proto.name, [outputs] if isinstance(outputs, str) else outputs)
    return _assemble(graph, metadata)


def _assemble(graph: OnnxGraph, metadata: dict[str, str]) -> bytes:
    frozen = graph.frozen
    last = helper.make_node("Identity", [graph.value(frozen.output.name)], ["predictions"])
    inputs = [_describe(key, tensor) for key, tensor in frozen.inputs.items()]
    output = _describe("predictions", frozen.output)
    made = helper.make_graph([*graph.nodes, last], "model", inputs, [output], graph.initializers)
    model = helper.make_model(
        made,
        ir_version=IR_VERSION,
        producer_name="millrace",
        opset_imports=[helper.make_opsetid(*each) for each in OPSETS.items()],
    )
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _describe(name: str, tensor: tf.Tensor) -> onnx.ValueInfoProto:
    shape = [ROWS, *tensor.shape[1:]]
    return helper.make_tensor_value_info(name, TYPES[tensor.dtype.as_datatype_enum], shape)
