"""Converts a BoostedTreesClassifier or BoostedTreesRegressor of TensorFlow 1 to boosted_trees.

Its checkpoint only numbers the features: sorted by the name of the column, a bucketized column is
one feature, an indicator one per id, and a number one whose buckets are quantiles. So the config
must declare all columns. If there is a meta graph beside the checkpoint, the number of features and
the boundaries of bucketized columns are compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from millrace.artifacts.training import Started
from millrace.config.built import TrainedTrees
from millrace.config.models import BoostedTreesConfig
from millrace.errors import MillraceError
from millrace.features.feature_columns import Bucketized, Vocabulary
from millrace.features.preprocessing import SMALLEST_NORMAL, EncodedSpec, Preprocessing
from millrace.models import boosted_trees
from millrace.models.boosted_trees import Fitted
from millrace.models.forest import HIGHEST, NUMBERS, SETS, Nodes, first_columns
from millrace.tf1 import tree_protos
from millrace.tf1.adoption import require_all
from millrace.tf1.old_model import OldModel, Part, indicator
from millrace.tf1.variables import Variables, name_of

TREES = "boosted_trees:0_serialized"
QUANTILES = "boosted_trees/QuantileAccumulator:0_bucket_boundaries_"
PREDICTS = ("BoostedTreesTrainingPredict", "BoostedTreesPredict")


@dataclass(frozen=True)
class Feature:
    """A feature of TensorFlow 1's trees: a bucket, from 0, for each row.

    Attributes:
        column: the column's name in TensorFlow 1.
        place: the index of the number or categorical feature in an encoded example.
        buckets: the bucket of each id, int [cardinality]; None for a number.
        quantiles: for a number, the bucket is the index of the first quantile that is not smaller,
            or the last index.
    """

    column: str
    place: int
    buckets: np.ndarray | None = None
    quantiles: np.ndarray | None = None


def adopt(settings: BoostedTreesConfig, learned: Preprocessing) -> tuple[Fitted, Started]:
    """Returns the model with a checkpoint's trees, and which variables were used.

    Raises:
        MillraceError: the checkpoint has no trees, or they use other columns than the config's.
    """
    old = OldModel.open(settings, learned)
    variables = old.variables
    ensemble = _read(variables)
    if learned.task.kind == "multiclass":
        raise MillraceError(
            f"{variables.path}: expected a label of two classes, or a number, as BoostedTrees "
            f"Estimators have it; found {len(learned.task.classes)} classes.",
            note="check data.label and data.task.",
        )
    features = _features(old)
    _check_graph(old, features)
    flattener = _Flattener(variables.path, features, learned.spec)
    nodes = flattener.flatten(ensemble, old.head, -float(old.shift))
    adopted = TrainedTrees.extending(settings, forest=nodes.shape)
    model = boosted_trees.build(adopted, learned.spec, learned.task)
    model.set_weights(nodes.arrays)
    require_all(variables, settings)
    started = Started(str(variables.path), variables.taken, variables.left)
    return Fitted(model, adopted, [], 0), started


def _read(variables: Variables) -> Any:
    """Returns the TreeEnsemble of a checkpoint."""
    found = variables.take(TREES, ())
    if found is None:
        raise MillraceError(
            f"{variables.path}: expected the trees of a BoostedTrees Estimator ({TREES}), found "
            f"{', '.join(variables.all) or 'no variables'}.",
            note="give the checkpoint of a BoostedTrees Estimator.",
        )
    try:
        return tree_protos.parse(found.item())
    except DecodeError as error:
        raise MillraceError(
            f"{variables.path}: expected a TreeEnsemble in {TREES}, found something else "
            f"({error}).",
            note="check that the checkpoint is whole.",
        ) from None


def _features(old: OldModel) -> list[Feature]:
    """Returns the features in TensorFlow 1's order."""
    variables, columns, spec = old.variables, old.columns, old.learned.spec
    wanted = old.named("columns")
    found: dict[str, list[Feature]] = {}
    numbers = []
    for place, number in enumerate(spec.numbers):
        if number.representation == "value" and number.feature in wanted:
            numbers.append((name_of(columns[number.feature], columns), place))
    for place, entry in enumerate(spec.ids):
        if entry.feature in wanted:
            column = old.categorical(entry.feature)
            part = indicator(column, place, old)
            if isinstance(column, Vocabulary):  # _check_graph compares the boundaries
                old.rows.confirm(column)
            found[part.name] = list(_of_ids(part))
    quantiles = {
        int(name.removeprefix(QUANTILES)): variables.take(name, values.shape)
        for name, values in variables.all.items()
        if name.startswith(QUANTILES)
    }
    if len(quantiles) != len(numbers):
        raise MillraceError(
            f"{variables.path}: expected {len(quantiles)} numeric features, as the trees have, "
            f"found {[name for name, _ in numbers]}.",
            note="declare the Estimator's feature columns as they were; name those of them in "
            "adopt.columns, where the job has others.",
        )
    for stream, (name, place) in enumerate(sorted(numbers)):
        found[name] = [Feature(name, place, quantiles=quantiles[stream])]
    return [feature for name in sorted(found) for feature in found[name]]


def _of_ids(part: Part) -> Iterator[Feature]:
    if part.name.endswith("_bucketized"):
        yield Feature(part.name, part.place, part.rows)
    else:
        for row in range(part.width):
            yield Feature(part.name, part.place, (part.rows == row).astype(int))


def _check_graph(old: OldModel, features: list[Feature]) -> None:
    """Compares the features with the graph, if there is one."""
    path, graph = old.variables.path, old.variables.graph
    if graph is None:
        return
    counts = {node.attr["num_bucketized_features"].i for node in graph.node if node.op in PREDICTS}
    if counts - {len(features)}:
        raise _unlike(path, features, f"trees of {max(counts)} features")
    wanted = old.named("columns")
    declared = {
        f"{column.column}_bucketized": [float(np.float32(x)) for x in column.boundaries]
        for column in old.learned.columns
        if isinstance(column, Bucketized) and column.name in wanted
    }
    for node in graph.node:
        name, boundaries = Path(node.name).parent.name, [*node.attr["boundaries"].list.f]
        if node.op == "Bucketize" and declared.get(name, boundaries) != boundaries:
            raise _unlike(path, features, f"{name} with boundaries {boundaries}")


def _unlike(checkpoint: Path, features: list[Feature], found: str) -> MillraceError:
    names = [feature.column for feature in features]
    listed = ", ".join(f"{name} {names.count(name)}" for name in dict.fromkeys(names))
    return MillraceError(
        f"{checkpoint}: expected trees of the config's columns, which make {len(features)} "
        f"features ({listed}); found {found}.",
        note="declare the Estimator's feature columns as they were; name those of them in "
        "adopt.columns, where the job has others.",
    )


class _Flattener:
    """Converts the trees' nodes, and collects the sets of ids in their splits."""

    def __init__(self, checkpoint: Path, features: list[Feature], spec: EncodedSpec) -> None:
        self.checkpoint, self.features, self.spec = checkpoint, features, spec
        self.columns: list[tuple[int, int]] = []
        self.thresholds: list[float] = []
        self.children: list[tuple[int, int]] = []
        self.values: list[float] = []
        # A set is a tuple of booleans, one per id; the dict numbers the distinct sets.
        self.sets: list[dict[tuple[bool, ...], int]] = [{} for _ in spec.ids]

    def flatten(self, ensemble: Any, head: Any, initial: float) -> Nodes:
        """Returns all trees' nodes; `head` converts the old logits [n, 1] to the new ones."""
        roots, depth = [], 0
        for tree, weight in zip(ensemble.trees, ensemble.tree_weights, strict=True):
            roots.append(len(self.values))
            depth = max(depth, _depth(tree.nodes, 0))
            for node in tree.nodes:
                self._add(node, roots[-1], weight)
        sets = tuple(
            np.array(list(found), np.float32).reshape(-1, entry.cardinality).T
            for found, entry in zip(self.sets, self.spec.ids, strict=True)
        )
        starts = np.array(first_columns(self.spec, [table.shape[1] for table in sets]))
        groups, places = np.array(self.columns).T
        return Nodes(
            columns=(starts[groups] + places).astype(np.int32),
            thresholds=np.array(self.thresholds, np.float32),
            children=np.array(self.children, np.int32).reshape(-1),
            values=head(np.array(self.values, np.float32)[:, None])[:, 0],
            roots=np.array(roots, np.int32),
            initial=np.array([initial], np.float32),
            sets=sets,
            depth=depth,
        )

    def _add(self, node: Any, root: int, weight: float) -> None:
        split = _split(node)
        if split is None:
            # A leaf may use any column, because both of its children are the leaf itself.
            number = len(self.values)
            column, threshold, children = (NUMBERS, 0), 0.0, (number, number)
        else:
            column, threshold = self._condition(split, node.HasField("categorical_split"))
            children = (root + split.left_id, root + split.right_id)
        self.columns.append(column)
        self.thresholds.append(threshold)
        self.children.append(children)
        self.values.append(weight * node.leaf.scalar)

    def _condition(self, split: Any, equality: bool) -> tuple[tuple[int, int], float]:
        """Returns the column of the row (group, place) and the threshold of a split.

        A row goes left if its bucket is at most the split's, or equal to it with `equality`.
        """
        if split.feature_id >= len(self.features):
            raise _unlike(self.checkpoint, self.features, f"a split of feature {split.feature_id}")
        feature, bucket = self.features[split.feature_id], split.threshold
        if feature.quantiles is not None:
            last = len(feature.quantiles) - 1
            # Values above the last quantile are also in its bucket.
            threshold = next_above(feature.quantiles[bucket]) if bucket < last else HIGHEST
            return (NUMBERS, feature.place), threshold
        assert feature.buckets is not None
        # TensorFlow 1 may split at the last bucket, where all rows go left.
        if bucket > feature.buckets.max():
            found = f"a split at bucket {bucket} of {feature.column}"
            raise _unlike(self.checkpoint, self.features, found)
        members = feature.buckets != bucket if equality else feature.buckets > bucket
        sets = self.sets[feature.place]
        return (SETS + feature.place, sets.setdefault(tuple(members.tolist()), len(sets))), 0.5


def next_above(x: np.float32) -> float:
    """Returns the smallest float32 above x that all runtimes distinguish from x."""
    if 0 <= x < SMALLEST_NORMAL:
        return SMALLEST_NORMAL
    return float(np.nextafter(x, np.float32(np.inf)))


def _split(node: Any) -> Any:
    """Returns the split of a node; None for a leaf."""
    for kind in ("bucketized_split", "categorical_split"):
        if node.HasField(kind):
            return getattr(node, kind)
    return None


def _depth(nodes: Any, place: int) -> int:
    split = _split(nodes[place])
    if split is None:
        return 0
    return 1 + max(_depth(nodes, split.left_id), _depth(nodes, split.right_id))
