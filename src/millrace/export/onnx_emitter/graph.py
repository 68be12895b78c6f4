"""The ONNX graph in the making, and the TensorFlow node that is being translated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper
from tensorflow.core.framework import node_def_pb2

from millrace.export.onnx_emitter.frozen import FrozenGraph, Table, data_inputs

# TensorFlow's types, by their numbers in a node's attributes.
TYPES = {
    1: TensorProto.FLOAT,
    2: TensorProto.DOUBLE,
    3: TensorProto.INT32,
    7: TensorProto.STRING,
    9: TensorProto.INT64,
    10: TensorProto.BOOL,
}
FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE)


class Unsupported(Exception):
    """A form of an operation that has no translation. The text says which form."""


class OnnxGraph:
    """ONNX nodes and initializers, added in the order of execution.

    Attributes:
        frozen: the graph that is translated.
        nodes: what was added so far.
    """

    def __init__(self, frozen: FrozenGraph) -> None:
        self.frozen = frozen
        self.nodes: list[NodeProto] = []
        self._initializers: dict[str, TensorProto] = {}
        self._names: dict[str, str] = {}

    @property
    def initializers(self) -> list[TensorProto]:
        """The constants that nodes read."""
        read = {name for node in self.nodes for name in node.input}
        return [x for name, x in self._initializers.items() if name in read]

    def name_outputs(self, node: str, outputs: Sequence[str]) -> None:
        """Sets which ONNX values are the outputs of a TensorFlow node."""
        for place, output in enumerate(outputs):
            self._names[f"{node}:{place}" if place else node] = output

    def value(self, tensor: str) -> str:
        """Returns the name of the ONNX value that a TensorFlow tensor became."""
        tensor = tensor.removesuffix(":0")
        constant = self.frozen.constant(tensor)
        if constant is not None and tensor not in self._names:
            self._names[tensor] = self.initializer(f"{tensor}:0", constant)
        return self._names[tensor]

    def initializer(self, name: str, value: np.ndarray) -> str:
        """Adds a constant unless it is there; returns its name."""
        if name not in self._initializers:
            self._initializers[name] = (
                helper.make_tensor(name, TensorProto.STRING, value.shape, value.ravel().tolist())
                if value.dtype == object
                else numpy_helper.from_array(np.ascontiguousarray(value), name)
            )
            # np.ascontiguousarray makes a vector of a scalar.
            if not value.ndim:
                del self._initializers[name].dims[:]
        return name

    def integers(self, *values: int) -> str:
        """Returns the name of a vector of int64."""
        return self.initializer(f"int64 {list(values)}", np.array(values, np.int64))


class Node:
    """A TensorFlow node, and the ONNX nodes that are added for it.

    Attributes:
        inputs: the names of the TensorFlow tensors that it reads.
    """

    def __init__(self, proto: node_def_pb2.NodeDef, graph: OnnxGraph) -> None:
        self._proto, self.graph, self._added = proto, graph, 0
        self.inputs = data_inputs(proto)

    @property
    def values(self) -> list[str]:
        """The ONNX values that its inputs became."""
        return [self.value(place) for place in range(len(self.inputs))]

    def value(self, place: int) -> str:
        """Returns the ONNX value that an input became."""
        return self.graph.value(self.inputs[place])

    @property
    def type(self) -> int:
        """The ONNX type of its attribute T."""
        return self.type_of("T")

    def type_of(self, attribute: str) -> int:
        """Returns an attribute as an ONNX type."""
        found = self._proto.attr[attribute].type
        if found not in TYPES:
            raise Unsupported(f"of TensorFlow's type {found}")
        return TYPES[found]

    def integer(self, attribute: str) -> int:
        """Returns an integer attribute, 0 if there is none."""
        return int(self._proto.attr[attribute].i)

    def real(self, attribute: str) -> float:
        """Returns a float attribute."""
        return float(self._proto.attr[attribute].f)

    def flag(self, attribute: str) -> bool:
        """Returns a boolean attribute, False if there is none."""
        return bool(self._proto.attr[attribute].b)

    def text(self, attribute: str) -> str:
        """Returns a string attribute."""
        return str(self._proto.attr[attribute].s.decode())

    def list_of_integers(self, attribute: str) -> list[int]:
        """Returns an attribute that is a list of integers."""
        return [int(x) for x in self._proto.attr[attribute].list.i]

    def rank(self, place: int) -> int | None:
        """Returns the rank of an input, None if it is not known."""
        return self.graph.frozen.rank(self.inputs[place])

    def constant(self, place: int) -> np.ndarray:
        """Returns the value of an input that has to be constant."""
        value = self.graph.frozen.constant(self.inputs[place])
        if value is None:
            raise Unsupported(f"with input {place} computed from the row")
        return value

    def constants(self, place: int) -> list[int]:
        """Returns a constant input as a list of integers."""
        return [int(x) for x in self.constant(place).ravel()]

    def int64(self, place: int) -> str:
        """Returns an input as an int64 value, such as ONNX takes for shapes."""
        value = self.graph.frozen.constant(self.inputs[place])
        if value is not None and value.ndim == 1:
            return self.integers(*map(int, value))
        return self.add("Cast", self.value(place), to=TensorProto.INT64)

    def table(self, place: int) -> Table:
        """Returns the look-up table that an input is the handle of."""
        types = (self.type_of("Tin"), self.type_of("Tout"))
        if types != (TensorProto.STRING, TensorProto.INT64):
            raise Unsupported("of a table that is not from string to int64")
        return self.graph.frozen.read_table(self.inputs[place])

    def integers(self, *values: int) -> str:
        """Returns the name of a vector of int64."""
        return self.graph.integers(*values)

    def scalar(self, value: float, kind: int) -> str:
        """Returns the name of a constant without dimensions."""
        array = np.array(value, helper.tensor_dtype_to_np_dtype(kind))
        return self.graph.initializer(f"{array.dtype} {value}", array)

    def add(self, operation: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Adds an ONNX node with one output; returns the output's name."""
        return self.add_several(operation, 1, *inputs, domain=domain, **attributes)[0]

    def add_several(
        self, operation: str, outputs: int, *inputs: str, domain: str = "", **attributes: Any
    ) -> list[str]:
        """Adds an ONNX node; returns the names of its outputs."""
        names = [f"{self._proto.name}:{self._added + place}" for place in range(outputs)]
        self._added += outputs
        made = helper.make_node(operation, inputs, names, names[0], domain=domain, **attributes)
        self.graph.nodes.append(made)
        return names
