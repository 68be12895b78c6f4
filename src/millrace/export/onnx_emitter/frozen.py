"""A SavedModel's function as one graph: variables are constants, look-up tables are arrays."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import graph_pb2, node_def_pb2
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
from tensorflow.python.grappler import tf_optimizer
from tensorflow.python.training.saver import export_meta_graph

# Calls are inlined, what depends on constants alone is computed, and what nothing reads is dropped.
# Nothing that computes a prediction is rewritten.
OPTIMIZERS = ("function", "constfold", "dependency")


class Table(NamedTuple):
    """A look-up table, in the order of its keys.

    Attributes:
        keys: [entries].
        values: [entries].
    """

    keys: np.ndarray
    values: np.ndarray


class CannotFreeze(Exception):
    """A graph whose variables TensorFlow cannot make constants."""


class FrozenGraph:
    """The graph of one function of a SavedModel.

    Attributes:
        inputs: what the function takes, by the key in its signature.
        output: the name of the tensor that it returns, and its shape.
        nodes: all nodes by name.

    Raises:
        CannotFreeze: TensorFlow cannot make the variables constants, as in some graphs that
            TensorFlow 1 wrote.
    """

    def __init__(self, saved_model: Path, function: str) -> None:
        loaded = tf.saved_model.load(str(saved_model))
        called = loaded.signatures[function]
        # An exported graph has no effects whose order inlining could change.
        try:
            frozen = convert_variables_to_constants_v2(
                called, lower_control_flow=False, aggressive_inlining=True
            )
        except ValueError as error:  # TensorFlow logs why.
            raise CannotFreeze from error
        keys = called._arg_keywords
        self.inputs: dict[str, tf.Tensor] = dict(zip(keys, frozen.inputs, strict=False))
        self.output: tf.Tensor = frozen.outputs[0]
        captured = {inside.name: outside for outside, inside in called.graph.captures}
        self._handles = {
            inside.op.name: captured[inside.name] for inside in frozen.inputs[len(keys) :]
        }
        optimized = _optimize(frozen)
        self.nodes = {node.name: node for node in optimized.node}
        self._functions = {each.signature.name: each for each in optimized.library.function}
        self._shaped = frozen.graph

    def in_order(self) -> Iterator[node_def_pb2.NodeDef]:
        """Yields the nodes that the output needs, each after those that it reads."""
        done: set[str] = set()
        waiting = [(self.output.op.name, False)]
        while waiting:
            name, are_inputs_done = waiting.pop()
            if are_inputs_done:
                yield self.nodes[name]
            elif name not in done:
                done.add(name)
                waiting.append((name, True))
                inputs = [node_of(x) for x in data_inputs(self.nodes[name])]
                waiting += [(x, False) for x in reversed(inputs)]

    def operations_of(self, node: node_def_pb2.NodeDef) -> set[str]:
        """Returns a node's operation, or those inside of a call that was not inlined."""
        called = self._functions.get(node.attr["f"].func.name)
        if called is None:
            return {node.op}
        return {name for inside in called.node_def for name in self.operations_of(inside)}

    def constant(self, tensor: str) -> np.ndarray | None:
        """Returns the value of a tensor, None if it is not a constant."""
        return self._constants.get(node_of(tensor))

    def rank(self, tensor: str) -> int | None:
        """Returns the rank of a tensor, None if it is not known before a row is seen."""
        value = self.constant(tensor)
        if value is not None:
            return value.ndim
        name = tensor if ":" in tensor else f"{tensor}:0"
        try:
            shape = self._shaped.get_tensor_by_name(name).shape
        except KeyError:
            return None
        return None if shape.rank is None else int(shape.rank)

    def read_table(self, tensor: str) -> Table:
        """Returns the content of a look-up table from string to int64, by its handle.

        TensorFlow aborts the process if the table is of other types.
        """
        keys, values = tf.raw_ops.LookupTableExportV2(
            table_handle=self._handles[node_of(tensor)], Tkeys=tf.string, Tvalues=tf.int64
        )
        order = np.argsort(keys.numpy())
        return Table(keys.numpy()[order], values.numpy()[order])

    @cached_property
    def _constants(self) -> dict[str, np.ndarray]:
        return {
            name: np.asarray(tf.make_ndarray(node.attr["value"].tensor))
            for name, node in self.nodes.items()
            if node.op == "Const"
        }


def node_of(tensor: str) -> str:
    """Returns the name of the node that makes a tensor."""
    return tensor.partition(":")[0]


def data_inputs(node: node_def_pb2.NodeDef) -> list[str]:
    """Returns the tensors that a node reads, without nodes that it only runs after."""
    return [name for name in node.input if not name.startswith("^")]


def _optimize(frozen: Any) -> graph_pb2.GraphDef:
    graph = frozen.graph.as_graph_def()
    kept = meta_graph_pb2.CollectionDef()
    kept.node_list.value.extend(tensor.name for tensor in (*frozen.inputs, *frozen.outputs))
    meta_graph = export_meta_graph(graph_def=graph, graph=frozen.graph)
    meta_graph.collection_def["train_op"].CopyFrom(kept)
    config = config_pb2.ConfigProto()
    config.graph_options.rewrite_options.optimizers.extend(OPTIMIZERS)
    return tf_optimizer.OptimizeGraph(config, meta_graph)
