"""Operations of an imported graph that have side effects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from millrace.errors import MillraceError

# They run Python, access files named in the graph, or connect to other machines. Operations that
# save and restore variables are in every SavedModel but are not run; tables are filled from assets.
UNSAFE = re.compile(
    r"(Eager)?PyFunc(Stateless)?|(Read|Write)File|MatchingFiles|WholeFileReader(V2)?"
    r"|(FixedLengthRecord|TextLine|TFRecord|LMDB)(Reader|Dataset)(V2|V3)?|RecordInput"
    r"|(Experimental)?(DatasetToTFRecord|LMDBDataset|SqlDataset)|FileSystemSetConfiguration"
    r"|(Save|Load|Snapshot|Cache)Dataset(V2)?|(Load|Save)\w*Snapshot\w*"
    r"|CreateSummary(File|Db)Writer|Write\w*Summary|ImportEvent|ImmutableConst"
    r"|Debug(Identity|NanCount|NumericSummary)(V2|V3)?|RemoteCall|RegisterDataset(V2)?|Rpc\w*"
)


def refuse_unsafe(graph_defs: Iterable[Any], where: str, trusted: bool) -> None:
    """Refuses graphs with operations that have side effects, before any of them runs.

    Args:
        graph_defs: GraphDef protos.
        where: the model, for the message.
        trusted: whether the config trusts the model; then nothing is refused.

    Raises:
        MillraceError: there is such an operation, and the model is not trusted.
    """
    found = {} if trusted else {node.op: node.name for x in graph_defs for node in _unsafe(x)}
    if found:
        raise MillraceError(
            f"{where}: expected operations that compute, found such that touch files, run Python "
            f"or speak to other machines: {listed(found)}.",
            note="set `trust: true` beside its path if you would run a program of its author.",
        )


def nodes(graph_def: Any) -> list[Any]:
    """Returns the nodes of a graph and of its functions."""
    return [*graph_def.node, *(x for f in graph_def.library.function for x in f.node_def)]


def listed(found: Mapping[str, str]) -> str:
    """Returns operations as text; `found` maps each to the name of one of its nodes."""
    return ", ".join(f"{op} (node {name})" for op, name in sorted(found.items()))


def _unsafe(graph_def: Any) -> Iterable[Any]:
    return (
        node for node in nodes(graph_def) if UNSAFE.fullmatch(node.op) or _prints_to_a_file(node)
    )


def _prints_to_a_file(node: Any) -> bool:
    stream: bytes = node.attr["output_stream"].s if node.op == "PrintV2" else b""
    return stream.startswith(b"file:")
