"""Opens old models of all formats in a tf.compat.v1 session."""

from __future__ import annotations

import contextlib
import difflib
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.python.framework import kernels, op_def_registry

from millrace.config.models import Tf1Config
from millrace.config.tf1 import AdoptConfig, Tf1Source, WarmStartConfig
from millrace.config.values import LocalPath
from millrace.errors import MillraceError
from millrace.features import graph_ops

v1 = tf.compat.v1

# The names of predictions in canned Estimators and most hand-written exports.
USUAL_OUTPUTS = ("probabilities", "scores", "predictions", "outputs", "output", "probability")
FORMS = ("saved_model", "graph_def", "checkpoint", "h5")


@dataclass(frozen=True)
class OldSession:
    """An old model's graph, ready to run.

    Attributes:
        session: the session with the graph and its trained variables and tables.
        inputs: the tensors to feed, by their names in the config.
        output: the tensor to fetch.
        where: the path, for messages.
    """

    session: Any
    inputs: Mapping[str, tf.Tensor]
    output: tf.Tensor
    where: Path


def form_of(source: Tf1Source | AdoptConfig | WarmStartConfig) -> str:
    """Returns the one of FORMS that is given; raises MillraceError unless it is exactly one."""
    named = [form for form in FORMS if getattr(source, form, None) is not None]
    if len(named) != 1:
        raise MillraceError(
            f"kind: tf1: expected one of {', '.join(FORMS)} to say where the old model is, found "
            f"{' and '.join(named) or 'none'}.",
            note="name exactly one of them.",
        )
    return named[0]


def copy(settings: Tf1Config, directory: Path) -> Tf1Config:
    """Copies an old model into a directory; returns settings that refer to the copy.

    Raises MillraceError when the model does not exist.
    """
    form = form_of(settings)
    path = Path(getattr(settings, form))
    directory.mkdir(parents=True)
    if form == "saved_model":
        if not (path / "saved_model.pb").is_file():
            raise _not_found(path, form, "a folder with saved_model.pb")
        shutil.copytree(path, directory / "saved_model")
        return settings.changed(saved_model=LocalPath("saved_model"))
    files = sorted(path.parent.glob(f"{path.name}.*")) if form == "checkpoint" else [path]
    wanted = [Path(f"{path}.index"), Path(f"{path}.meta")] if form == "checkpoint" else [path]
    if lacking := [str(file) for file in wanted if not file.is_file()]:
        raise _not_found(path, form, " and ".join(lacking))
    for file in files:
        shutil.copy(file, directory / file.name)
    return settings.changed(**{form: LocalPath(path.name)})


def _not_found(path: Path, form: str, expected: str) -> MillraceError:
    return MillraceError(
        f"{form} {path}: expected {expected}, found none.", note="check the path in the config."
    )


def open_session(settings: Tf1Source, directory: Path) -> OldSession:
    """Opens a model that `copy` copied to a directory.

    Raises MillraceError when a signature, tensor, variable or op that it needs does not exist.
    """
    form = form_of(settings)
    path = directory / getattr(settings, form)
    session = v1.Session(graph=tf.Graph())
    with session.graph.as_default():
        if form == "saved_model":
            return _saved_model(session, path, settings)
        if form == "graph_def":
            _import_frozen(session, path, settings)
        else:
            _import_checkpoint(session, path, settings)
    placeholders = [op.name for op in session.graph.get_operations() if op.type == "Placeholder"]
    if settings.inputs is None or settings.output is None:
        key = "inputs" if settings.inputs is None else "output"
        raise MillraceError(
            f"{path}: expected {key!r} to name tensors of the graph, found nothing.",
            note=f"the graph's placeholders are {placeholders}.",
        )
    inputs = {name: _tensor(session.graph, name, path) for name in settings.inputs}
    return OldSession(session, inputs, _tensor(session.graph, settings.output, path), path)


def _saved_model(session: Any, path: Path, settings: Tf1Source) -> OldSession:
    with reading(path, "a whole SavedModel with the tag serve"):
        metas = read_saved_model(path).meta_graphs
    for meta in metas:
        if {*meta.meta_info_def.tags} == {"serve"}:  # the one that is loaded
            _check_ops(meta.graph_def, path, settings)
    with reading(path, "a whole SavedModel with the tag serve"):
        signatures = v1.saved_model.load(session, ["serve"], str(path)).signature_def
    name = settings.signature
    if name not in signatures:
        raise MillraceError(
            f"{path}: expected a signature {name!r}, found {sorted(signatures)}.",
            note="name one of them in `signature`.",
        )
    signature, graph = signatures[name], session.graph
    inputs = {
        key: _tensor(graph, info.name, path) for key, info in sorted(signature.inputs.items())
    }
    outputs = {key: info.name for key, info in signature.outputs.items()}
    usual = [key for key in (*USUAL_OUTPUTS, *outputs) if key in outputs]
    output = usual[0] if settings.output is None else settings.output
    if output not in outputs:
        raise MillraceError(
            f"{path}: expected an output {output!r} of signature {name!r}, found "
            f"{sorted(outputs)}.",
            note="name one of these as the output.",
        )
    return OldSession(session, inputs, _tensor(graph, outputs[output], path), path)


@contextlib.contextmanager
def reading(path: Path, expected: str) -> Iterator[None]:
    """Converts TensorFlow's exceptions for damaged files to MillraceError."""
    try:
        yield
    except (tf.errors.OpError, DecodeError, ValueError, RuntimeError) as error:
        raise MillraceError(
            f"{path}: expected {expected}, found an error: {reason(error)}",
            note="check that the file is whole, and that TensorFlow 1 loads it.",
        ) from None


def reason(error: Exception) -> str:
    """Returns the line of TensorFlow's message with the cause."""
    before_node = re.search(r"(.+)\n\t \[\[", str(error))
    return before_node[1] if before_node else str(error).splitlines()[0]


def read_saved_model(path: Path) -> Any:
    """Returns the SavedModel proto of a folder."""
    from tensorflow.core.protobuf import saved_model_pb2

    return saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())


def _import_frozen(session: Any, path: Path, settings: Tf1Source) -> None:
    with reading(path, "a GraphDef"):
        graph_def = v1.GraphDef.FromString(path.read_bytes())
    _check_ops(graph_def, path, settings)
    with reading(path, "a whole GraphDef"):
        tf.graph_util.import_graph_def(graph_def, name="")
    # A frozen graph has no collection of table initializers, but contains these ops.
    operations = session.graph.get_operations()
    with reading(path, "tables that can be filled"):
        session.run([op for op in operations if "InitializeTable" in op.type])
        session.run([op for op in operations if op.type == "LookupTableImportV2"])


def _import_checkpoint(session: Any, path: Path, settings: Tf1Source) -> None:
    with reading(Path(f"{path}.meta"), "a meta graph"):
        meta = v1.MetaGraphDef.FromString(Path(f"{path}.meta").read_bytes())
    _check_ops(meta.graph_def, path, settings)
    with reading(path, "a whole checkpoint with its meta graph"):
        v1.train.import_meta_graph(meta, clear_devices=True)
        held = dict(tf.train.list_variables(str(path)))
    variables = {variable.op.name: variable for variable in v1.global_variables()}
    if missing := sorted(set(variables) - set(held)):
        raise MillraceError(
            f"{path}: expected the {len(variables)} variables of its meta graph, found no "
            f"{', '.join(missing)}; it holds {', '.join(sorted(held))}.",
            note="is it the checkpoint that was saved with this meta graph?",
        )
    with reading(path, "a whole checkpoint"):
        v1.train.Saver(variables).restore(session, str(path))
    with reading(path, "tables that can be filled"):
        session.run(v1.tables_initializer())


def _check_ops(graph_def: Any, path: Path, settings: Tf1Source) -> None:
    graph_ops.refuse_unsafe([graph_def], str(path), settings.trust)
    nodes = graph_ops.nodes(graph_def)
    functions = {f.signature.name for f in graph_def.library.function}
    unknown = {
        node.op: node.name for node in nodes if node.op not in functions and not _runs(node.op)
    }
    if unknown:
        raise MillraceError(
            f"{path}: expected ops of TensorFlow {tf.__version__}, found "
            f"{graph_ops.listed(unknown)}.",
            note="adopt the checkpoint: `kind: boosted_trees` with `adopt`."
            if any(op.startswith("BoostedTrees") for op in unknown)
            else "tf.contrib's own ops went with it: freeze the graph without them, in TF 1.",
        )


def _runs(op: str) -> bool:
    """Returns whether TensorFlow has a kernel for an op, and not only its definition."""
    return op_def_registry.get(op) is not None and bool(
        kernels.get_registered_kernels_for_op(op).kernel
    )


def _tensor(graph: tf.Graph, name: str, path: Path) -> tf.Tensor:
    full = name if ":" in name else f"{name}:0"
    try:
        return graph.get_tensor_by_name(full)
    except (KeyError, ValueError):
        names = [op.name for op in graph.get_operations()]
        near = difflib.get_close_matches(name.split(":")[0], names, n=3, cutoff=0.4)
        raise MillraceError(
            f"{path}: expected a tensor {full!r}, found no such name among {len(names)} nodes.",
            note=f"did you mean one of {near}?" if near else f"its last node is {names[-1]!r}.",
        ) from None
