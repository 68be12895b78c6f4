"""Reads the variables and vocabularies of old models of all formats."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tensorflow as tf

from millrace.config.tf1 import AdoptConfig, WarmStartConfig
from millrace.errors import MillraceError
from millrace.files import lines
from millrace.tf1.formats import form_of, read_saved_model, reading
from millrace.tf1.variables import LEFT_BY_TRAINING, Variables

v1 = tf.compat.v1

# The ops that fill a look-up table; their inputs are the table, its keys and its values.
FILLING = (
    "InitializeTable",
    "InitializeTableV2",
    "LookupTableImport",
    "LookupTableImportV2",
)


def read(source: AdoptConfig | WarmStartConfig) -> Variables:
    """Reads the old model under `adopt` or `warm_start`.

    Raises MillraceError when there is no such model, or it cannot be read.
    """
    form = form_of(source)
    return READERS[form](Path(getattr(source, form)))


def _checkpoint(path: Path) -> Variables:
    values, meta, graph = _read_checkpoint(path), Path(f"{path}.meta"), None
    if meta.is_file():
        with reading(meta, "a meta graph"):
            graph = v1.MetaGraphDef.FromString(meta.read_bytes()).graph_def
    return Variables(path, values, graph, list(_tables(graph)) if graph else [])


def _saved_model(path: Path) -> Variables:
    _require(path / "saved_model.pb", "a SavedModel")
    with reading(path, "a SavedModel"):
        graph = read_saved_model(path).meta_graphs[0].graph_def
    # The files of tables that are filled from files.
    files = sorted(path.glob("assets/*"))
    vocabularies = [tuple(_lines(file)) for file in files]
    values = _read_checkpoint(path / "variables" / "variables")
    return Variables(path, values, graph, [*_tables(graph), *vocabularies])


def _graph_def(path: Path) -> Variables:
    _require(path, "a frozen graph")
    with reading(path, "a GraphDef"):
        graph = v1.GraphDef.FromString(path.read_bytes())
    constants = {
        node.name: tf.make_ndarray(node.attr["value"].tensor)
        for node in graph.node
        if node.op == "Const" and tf.as_dtype(node.attr["dtype"].type).is_floating
    }
    weights = {name: value for name, value in constants.items() if value.ndim}
    return Variables(path, weights, graph, list(_tables(graph)))


def _h5(path: Path) -> Variables:
    """Reads a whole Keras model or only its weights, without the code of its layers."""
    _require(path, "a Keras model in HDF5")
    found: dict[str, np.ndarray] = {}

    def add(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and "/" in name:
            # The name of the variable follows that of the layer.
            found[name.split("/", 1)[1].removesuffix(":0")] = item[()]

    try:
        with h5py.File(path) as file:
            file.get("model_weights", file).visititems(add)
    except OSError as error:
        raise MillraceError(
            f"{path}: expected a Keras model in HDF5, found something else ({error}).",
            note="save the model again with `model.save('model.h5')`.",
        ) from None
    return Variables(path, found)


READERS = {
    "checkpoint": _checkpoint,
    "saved_model": _saved_model,
    "graph_def": _graph_def,
    "h5": _h5,
}


def _require(file: Path, expected: str) -> None:
    if not file.is_file():
        raise MillraceError(
            f"{file}: expected {expected}, found none.", note="check the path in the config."
        )


def _read_checkpoint(path: Path) -> dict[str, np.ndarray | bytes]:
    try:
        reader = tf.train.load_checkpoint(str(path))
        names = [n for n in reader.get_variable_to_shape_map() if not LEFT_BY_TRAINING.search(n)]
        return {name: reader.get_tensor(name) for name in names}
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise MillraceError(
            f"{path}: expected a checkpoint of TensorFlow, found something else "
            f"({str(error).splitlines()[0]}).",
            note="name it without its endings: …/model.ckpt-1000.",
        ) from None


def _lines(file: Path) -> list[str]:
    return lines(file.read_bytes().decode("utf-8", errors="replace"))


def _tables(graph: Any) -> Iterator[tuple[str, ...]]:
    """Yields the keys of each look-up table that is filled by constants, ordered by value."""
    constants = {node.name: node for node in graph.node if node.op == "Const"}
    for node in graph.node:
        names = [name.split(":")[0] for name in node.input]
        if node.op not in FILLING or names[1] not in constants:
            continue
        keys = tf.make_ndarray(constants[names[1]].attr["value"].tensor)
        if names[2] in constants:
            # Values that are not constant are the indices of the keys.
            values = tf.make_ndarray(constants[names[2]].attr["value"].tensor)
            keys = keys[np.argsort(values, kind="stable")]
        yield tuple(str(x.decode() if isinstance(x, bytes) else x) for x in keys.tolist())
