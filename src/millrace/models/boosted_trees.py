"""Gradient boosted trees, trained by YDF and evaluated with plain gathers.

YDF is trained on encoded examples. Missing numbers are passed as missing, so that each condition
decides where they go; ids are categories, and a sequence of ids is a categorical set.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import ydf

from millrace.config.built import ForestShape, TrainedTrees
from millrace.config.models import BoostedTreesConfig
from millrace.errors import MillraceError
from millrace.features.encoded import Encoded
from millrace.features.preprocessing import EncodedSpec, Preprocessing
from millrace.features.tasks import Task
from millrace.models.forest import LOWEST, NUMBERS, SETS, Forest, Nodes, first_columns
from millrace.models.forest import missing_places as find_missing_places
from millrace.models.input_layers import encoded_inputs
from millrace.models.keras_predictor import KerasPredictor, heads_of

# YDF's index of out-of-vocabulary categories.
UNSEEN = 0


@dataclass(frozen=True)
class Fitted:
    """A trained model.

    Attributes:
        model: the Keras model.
        settings: the settings with which `build` rebuilds it, without weights.
        history: the losses of training and validation examples after each round of trees.
        best: the last round, from 1, whose trees were kept.
    """

    model: keras.Model
    settings: TrainedTrees
    history: list[dict[str, float]]
    best: int


def build(settings: TrainedTrees, spec: EncodedSpec, task: Task) -> keras.Model:
    """Builds the model without its trees; `settings.forest` is the shape found by `fit`."""
    inputs = encoded_inputs(spec)
    forest = Forest(spec, task.outputs, settings.forest, name="forest")
    return keras.Model(inputs, forest(inputs), name="boosted_trees")


def untrained(name: str, settings: BoostedTreesConfig, learned: Preprocessing) -> KerasPredictor:
    """Builds a forest of one node per tree, with all ops of a trained one.

    See `millrace.models.untrained`. The trees of an old model are only read when it is adopted.
    """
    spec, task = learned.spec, learned.task
    sets = (1,) * len(spec.ids)
    shape = ForestShape(nodes=1, trees=task.outputs, depth=1, sets=sets)
    empty = TrainedTrees.extending(settings, forest=shape)
    return KerasPredictor(learned, build(empty, spec, task), heads_of(settings, task))


def fit(
    settings: BoostedTreesConfig,
    spec: EncodedSpec,
    task: Task,
    data: tuple[Encoded, Encoded],
    seed: int,
    weights: np.ndarray | None = None,
) -> Fitted:
    """Trains until more trees no longer lower the validation loss.

    The same arguments give the same trees: YDF runs in one thread.

    Args:
        settings: one entry of the completed config's `models`.
        spec: the layout of encoded examples.
        task: the task.
        data: training and validation examples.
        seed: the random seed of YDF.
        weights: the weights of the training examples, including class weights, float32 [n]; None
            if all are equal. Validation examples use their own weights.
    """
    table = Table(spec, data[0])
    trained = train(settings, table, task, data, seed, weights)
    nodes = flatten(trained, table, task)
    built = TrainedTrees.extending(settings, forest=nodes.shape)
    model = build(built, spec, task)
    model.set_weights(nodes.arrays)
    history = [
        {"loss": _loss(task, x.training_evaluation), "val_loss": _loss(task, x.evaluation)}
        for x in trained.training_logs()
    ]
    return Fitted(model, built, history, trained.num_trees() // task.outputs)


def _loss(task: Task, evaluation: Any) -> float:
    """Converts YDF's loss, a deviance or root mean squared error, to that of `Task.loss`."""
    loss: float = evaluation.loss
    if task.kind == "regression":
        return loss * loss
    return loss / 2 if task.kind == "binary" else loss


class Table:
    """Encoded examples as columns for YDF: `number_<place>` and `ids_<entry>`.

    Attributes:
        spec: the layout of encoded examples.
        known: for each categorical feature, the ids in the training examples.
    """

    def __init__(self, spec: EncodedSpec, training: Encoded) -> None:
        self.spec = spec
        self.missing = find_missing_places(spec)
        self.known = [np.unique(ids) for ids in self._ids(training)]

    def columns(self, examples: Encoded) -> dict[str, np.ndarray]:
        """Returns the columns of encoded examples."""
        columns: dict[str, np.ndarray] = {}
        for place in range(len(self.spec.numbers)):
            x = examples.inputs["numbers"][:, place]
            if place in self.missing:
                x = np.where(examples.inputs["numbers"][:, self.missing[place]] > 0.5, np.nan, x)
            columns[f"number_{place}"] = x
        for place, ids in enumerate(self._ids(examples)):
            categories = self.categories(place)[ids]
            if self.spec.ids[place].length == 1:
                columns[f"ids_{place}"] = categories[:, 0]
            else:
                there = ids != self.spec.ids[place].cardinality - 1
                sets = [row[kept] for row, kept in zip(categories.astype(str), there, strict=True)]
                columns[f"ids_{place}"] = np.array([*sets, None], object)[:-1]
        return columns

    def categories(self, place: int) -> np.ndarray:
        """Returns YDF's category of each id of a categorical feature: the id + 1, or UNSEEN."""
        ids = np.arange(self.spec.ids[place].cardinality)
        return np.where(np.isin(ids, self.known[place]), ids + 1, UNSEEN)

    @property
    def features(self) -> list[ydf.Column]:
        """The column definitions for YDF."""
        numbers = [
            ydf.Column(f"number_{place}", ydf.Semantic.NUMERICAL)
            for place in range(len(self.spec.numbers))
        ]
        return [*numbers, *map(self._feature_of_ids, range(len(self.spec.ids)))]

    def _feature_of_ids(self, place: int) -> ydf.Column:
        name = f"ids_{place}"
        if self.spec.ids[place].length == 1:
            return ydf.Column(name, ydf.Semantic.CATEGORICAL, is_already_integerized=True)
        every = {"min_vocab_frequency": 1, "max_vocab_count": -1}
        return ydf.Column(name, ydf.Semantic.CATEGORICAL_SET, **every)

    def _ids(self, examples: Encoded) -> list[np.ndarray]:
        """Returns the ids of each categorical feature, int32 [n, length]."""
        if not self.spec.ids:
            return []
        ends = np.cumsum([entry.length for entry in self.spec.ids])
        return np.split(examples.inputs["ids"], ends[:-1], axis=1)


def train(
    settings: BoostedTreesConfig,
    table: Table,
    task: Task,
    data: tuple[Encoded, Encoded],
    seed: int,
    weights: np.ndarray | None,
) -> Any:
    """Returns YDF's model; the arguments are those of `fit`."""
    regression = task.kind == "regression"
    # YDF writes all its messages to standard error.
    ydf.verbose(0)
    learner = ydf.GradientBoostedTreesLearner(
        label="label",
        task=ydf.Task.REGRESSION if regression else ydf.Task.CLASSIFICATION,
        label_classes=None if regression else [str(i) for i in range(max(2, task.outputs))],
        features=table.features,
        weights=None if weights is None else "weight",
        num_trees=settings.trees,
        shrinkage=float(settings.learning_rate),
        max_depth=settings.max_depth,
        min_examples=settings.min_examples,
        num_candidate_attributes_ratio=float(settings.columns),
        # The gain of LightGBM and XGBoost; it lowered the validation error on small tables by 2 %.
        # YDF does not support it for categorical sets.
        use_hessian_gain=all(entry.length == 1 for entry in table.spec.ids),
        l2_regularization=1.0,
        random_seed=seed,
        # Several threads would make the order of floating-point sums random.
        num_threads=1,
    )
    parts = []
    for examples in data:
        labels = task.targets(tf.constant(examples.labels)).numpy()
        labels = labels if regression else labels.astype(np.int64)
        parts.append({**table.columns(examples), "label": labels})
    if weights is not None:
        parts[0]["weight"] = weights
        own = data[1].weights
        parts[1]["weight"] = np.ones(len(data[1]), np.float32) if own is None else own
    return learner.train(parts[0], valid=parts[1])


def flatten(trained: Any, table: Table, task: Task) -> Nodes:
    """Converts a forest trained by YDF to nodes.

    Raises:
        MillraceError: a condition is of a type that not every runtime can compute.
    """
    flattener = _Flattener(trained, table)
    roots = [flattener.add(tree.root, 0) for tree in trained.iter_trees()]
    sets = [np.array(list(found), np.float32).T for found in flattener.sets]
    sets = [
        x if x.size else np.zeros((entry.cardinality, 0), np.float32)
        for x, entry in zip(sets, table.spec.ids, strict=True)
    ]
    starts = np.array(first_columns(table.spec, [x.shape[1] for x in sets]))
    groups, places = np.array(flattener.columns).T
    return Nodes(
        columns=(starts[groups] + places).astype(np.int32),
        thresholds=np.array(flattener.thresholds, np.float32),
        children=np.array(flattener.children, np.int32).reshape(-1),
        values=np.array(flattener.values, np.float32),
        roots=np.array(roots, np.int32),
        initial=np.array(trained.initial_predictions(), np.float32),
        sets=tuple(sets),
        depth=flattener.depth,
    )


@dataclass
class _Flattener:
    """Collects and numbers the nodes of trees in depth-first order."""

    trained: Any
    table: Table
    columns: list[tuple[int, int]] = field(default_factory=list)
    thresholds: list[float] = field(default_factory=list)
    children: list[tuple[int, int]] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    depth: int = 0

    def __post_init__(self) -> None:
        self.names = [column.name for column in self.trained.data_spec().columns]
        # A set is a tuple of booleans, one per id; the dict numbers the distinct sets.
        self.sets: list[dict[tuple[bool, ...], int]] = [{} for _ in self.table.spec.ids]

    def add(self, node: Any, depth: int) -> int:
        """Adds a node and its descendants; returns its number."""
        number = len(self.values)
        self.depth = max(self.depth, depth)
        # A leaf may use any column, because both of its children are the leaf itself.
        column, threshold = (NUMBERS, 0), 0.0
        if not node.is_leaf:
            column, threshold = self._condition(node.condition)
        self.columns.append(column)
        self.thresholds.append(threshold)
        self.values.append(node.value.value if node.is_leaf else 0.0)
        self.children.append((number, number))
        if not node.is_leaf:
            first, second = (self.add(x, depth + 1) for x in (node.neg_child, node.pos_child))
            self.children[number] = (first, second)
        return number

    def _condition(self, condition: Any) -> tuple[tuple[int, int], float]:
        """Returns the column of the row (group, place) and the threshold of a condition."""
        match condition:
            case ydf.tree.NumericalHigherThanCondition():
                place = self._place(condition)
                if place not in self.table.missing:
                    return (NUMBERS, place), _just_below(condition.threshold)
                copy = list(self.table.missing).index(place)
                return (LOWEST + condition.missing, copy), _just_below(condition.threshold)
            case ydf.tree.CategoricalIsInCondition():
                place = self._place(condition)
                members = np.isin(self.table.categories(place), condition.mask)
            case ydf.tree.CategoricalSetContainsCondition():
                place = self._place(condition)
                members = self._members_of_sets(place, condition)
            case _:
                raise MillraceError(
                    f"boosted_trees: expected conditions on numbers, categories and sets, found a "
                    f"{type(condition).__name__}, which not every runtime can compute.",
                    note="choose other features or settings for this model.",
                )
        sets = self.sets[place]
        return (SETS + place, sets.setdefault(tuple(members.tolist()), len(sets))), 0.5

    def _place(self, condition: Any) -> int:
        return int(self.names[condition.attribute].rpartition("_")[2])

    def _members_of_sets(self, place: int, condition: Any) -> np.ndarray:
        items = self.trained.data_spec().columns[condition.attribute].categorical.items
        indices = {name: item.index for name, item in items.items()}
        names = self.table.categories(place).astype(str)
        members = np.isin([indices.get(name, UNSEEN) for name in names], condition.mask)
        # The last id is padding.
        members[-1] = False
        return members


def _just_below(threshold: float) -> float:
    """Returns a threshold slightly below, at which no value is.

    YDF's threshold is midway between two values, where a column of rounded numbers may well have
    another value. Runtimes may normalize that value to neighboring float32 numbers, which must be
    on the same side.
    """
    return threshold - max(abs(threshold), 2.0**-10) * 2.0**-20
