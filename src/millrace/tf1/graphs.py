"""Runs an old graph in a session, and converts it to a function of TensorFlow 2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from millrace.config.tf1 import Tf1Source
from millrace.errors import MillraceError
from millrace.features.feature_columns import Raw
from millrace.features.raw_row import RawColumn
from millrace.tf1.feeds import Feed, ParsedFeature, check, serialize
from millrace.tf1.formats import OldSession, reason
from millrace.tf1.rewrites import rewrite

v1 = tf.compat.v1

PARSERS = ("ParseExample", "ParseExampleV2")
VARIABLES = ("Variable", "VariableV2", "VarHandleOp")
TABLES = ("HashTable", "HashTableV2")


class OldGraph:
    """An old model, both in a session and frozen.

    `run` is the reference: the session with the trained variables and tables. `call` is exported:
    the frozen graph, which bypasses the parsing of tf.train.Example.

    Attributes:
        columns: the names of the raw columns that it takes.
        parameters: the number of trained weights.
        tracked: its look-up tables, which an export must track.
    """

    def __init__(
        self,
        model: str,
        source: OldSession,
        settings: Tf1Source,
        raw: Mapping[str, RawColumn],
    ) -> None:
        self._source = source
        missing, mapped = settings.missing, settings.inputs or {}
        self._parsed = _parsed_features(source, mapped, missing)
        fed = {} if self._parsed else source.inputs
        self._feeds = [_feed(name, tensor, mapped, missing) for name, tensor in fed.items()]
        feeds = [feature.feed for feature in self._parsed] or self._feeds
        check(model, tuple(feeds), raw)
        self.columns = tuple(dict.fromkeys(name for feed in feeds for name in feed.columns))
        self._function, self.parameters = self._freeze()

    def run(self, raw: Mapping[str, np.ndarray]) -> np.ndarray:
        """Returns the output tensor's value for raw columns [n], from the session."""
        source = self._source
        if self._parsed:
            (tensor,) = source.inputs.values()
            fed = {tensor: serialize(self._parsed, raw)}
        else:
            columns = {
                name: tf.constant(x, tf.string if x.dtype == object else tf.float32)
                for name, x in raw.items()
                if name in self.columns
            }
            fed = {source.inputs[feed.name]: feed.tensor(columns).numpy() for feed in self._feeds}
        try:
            value: np.ndarray = source.session.run(source.output, fed)
        except tf.errors.OpError as error:
            raise MillraceError(
                f"{source.where}: expected predictions, found an error in the old graph: "
                f"{reason(error)}",
                note="check the names and types under inputs.",
            ) from None
        return value

    def call(self, raw: Raw) -> tf.Tensor:
        """Returns the output tensor for raw columns [n], in the current graph."""
        fed: dict[str, tf.Tensor] = {}
        for feature in self._parsed:
            fed |= feature.tensors(raw)
        for feed in self._feeds:
            fed[self._source.inputs[feed.name].name] = feed.tensor(raw)
        handles = [table.resource_handle for table in self.tracked]
        return self._function(*(fed[name] for name in self._fed), *handles)

    def _freeze(self) -> tuple[Any, int]:
        """Converts the graph to a function of its inputs and the handles of its tables."""
        source = self._source
        frozen = v1.graph_util.convert_variables_to_constants(
            source.session, source.session.graph.as_graph_def(), [source.output.op.name]
        )
        graph_def = rewrite(frozen)
        self._check_placeholders(graph_def)
        nodes = {node.name: node for node in graph_def.node}
        outputs = [name for feature in self._parsed for name in feature.outputs]
        outputs = outputs or [tensor.name for tensor in source.inputs.values()]
        # An input that the output does not depend on is not in the frozen graph.
        self._fed = [name for name in outputs if name.split(":")[0] in nodes]
        handles = [node.name for node in graph_def.node if node.op in TABLES]
        self.tracked = [_table(source.session, name) for name in handles]

        def imported() -> None:
            tf.graph_util.import_graph_def(graph_def, name="")

        wrapped = v1.wrap_function(imported, [])
        element = wrapped.graph.as_graph_element
        feeds = [element(name) for name in (*self._fed, *(f"{name}:0" for name in handles))]
        pruned = wrapped.prune(feeds, element(source.output.name))
        return pruned, _count(pruned.graph.as_graph_def(), source.session.graph)

    def _check_placeholders(self, graph_def: Any) -> None:
        """Raises MillraceError when the output depends on a placeholder that is not fed."""
        fed = {tensor.op.name for tensor in self._source.inputs.values()}
        placeholders = (node.name for node in graph_def.node if node.op == "Placeholder")
        if unfed := sorted(set(placeholders) - fed):
            raise MillraceError(
                f"{self._source.where}: expected all placeholders that the output depends on among "
                f"the inputs {sorted(fed)}, found others: {', '.join(unfed)}.",
                note="name them in `inputs`; one that only training needs, such as a dropout's "
                "rate, has to be a constant in the graph.",
            )


def _count(frozen: Any, graph: tf.Graph) -> int:
    """Returns the number of weights in the variables, or in the constants of a frozen graph.

    In a frozen graph float constants with at least one axis count as weights.
    """
    variables = {op.name for op in graph.get_operations() if op.type in VARIABLES}
    shapes = [
        node.attr["value"].tensor.tensor_shape
        for node in frozen.node
        if node.op == "Const" and tf.as_dtype(node.attr["dtype"].type).is_floating
        if not variables or node.name in variables
    ]
    return sum(int(np.prod([axis.size for axis in s.dim])) for s in shapes if s.dim)


def _table(session: Any, name: str) -> Any:
    """Returns a copy of a table in a session's graph."""
    operation = session.graph.get_operation_by_name(name)
    with session.graph.as_default():
        key_type, value_type = (operation.get_attr(key) for key in ("key_dtype", "value_dtype"))
        export = tf.raw_ops.LookupTableExportV2(
            table_handle=operation.outputs[0], Tkeys=key_type, Tvalues=value_type
        )
        keys, values = session.run(export)
    order = np.argsort(keys, kind="stable")
    with tf.init_scope():
        initializer = tf.lookup.KeyValueTensorInitializer(
            tf.constant(keys[order], key_type), tf.constant(values[order], value_type)
        )
        # The old graph passes its own default with every look-up.
        return tf.lookup.StaticHashTable(initializer, tf.zeros([], value_type))


def _feed(
    name: str, tensor: tf.Tensor, mapped: Mapping[str, Any], missing: Mapping[str, Any]
) -> Feed:
    columns = mapped.get(name, name)
    several = isinstance(columns, list)
    names = tuple(columns) if several else (columns,)
    rank = 2 if several or tensor.shape.rank == 2 else 1
    fitting = {column: missing[column] for column in names if column in missing}
    return Feed(name, tensor.dtype.base_dtype, names, rank, fitting)


def _parsed_features(
    source: OldSession, mapped: Mapping[str, Any], missing: Mapping[str, Any]
) -> tuple[ParsedFeature, ...]:
    """Returns the features that the graph parses from its single input; empty if it does not."""
    if len(source.inputs) != 1:
        return ()
    (tensor,) = source.inputs.values()
    parsers = [op for op in tensor.consumers() if op.type in PARSERS]
    if not parsers:
        return ()
    return tuple(_features_of(parsers[0], source.session, mapped, missing))


def _features_of(
    parser: Any, session: Any, mapped: Mapping[str, Any], missing: Mapping[str, Any]
) -> list[ParsedFeature]:
    sparse_types = parser.get_attr("sparse_types")
    dense_types, dense_shapes = parser.get_attr("Tdense"), parser.get_attr("dense_shapes")
    sparse, dense = len(sparse_types), len(dense_types)
    arguments = session.run(list(parser.inputs)[1:])
    if parser.type == "ParseExample":
        keys = [key.decode() for key in arguments[1 : 1 + sparse + dense]]
    else:
        keys = [key.decode() for part in arguments[1:3] for key in part]
    defaults = arguments[len(arguments) - dense :] if dense else []
    names = [tensor.name for tensor in parser.outputs]
    features = []
    for i, key in enumerate(keys[:sparse]):
        column = mapped.get(key, key)
        stands_in = {column: missing[column]} if column in missing else {}
        feed = Feed(key, sparse_types[i], (column,), 1, stands_in, optional=True)
        outputs = (names[i], names[sparse + i], names[2 * sparse + i])
        features.append(ParsedFeature(key, feed, outputs, ()))
    for i, key in enumerate(keys[sparse:]):
        column = mapped.get(key, key)
        shape = tuple(axis.size for axis in getattr(dense_shapes[i], "dim", dense_shapes[i] or []))
        stands_in = {column: missing[column]} if column in missing else {}
        if not stands_in and np.size(defaults[i]):
            stands_in = {column: np.ravel(defaults[i])[0]}
        feed = Feed(key, dense_types[i], (column,), 1, stands_in)
        features.append(ParsedFeature(key, feed, (names[3 * sparse + i],), shape))
    return features
