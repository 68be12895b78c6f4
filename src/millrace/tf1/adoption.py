"""A canned Estimator's variables in Millrace's own linear, dnn and wide_deep, found by name.

Where tf.feature_column has no id (a value out of the vocabulary, a missing one), it adds nothing;
here such values have ids of their own, whose weights become zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from millrace.errors import MillraceError
from millrace.feature_columns import Categorical, CategoricalInput, FeatureColumn
from millrace.preprocessing import Preprocessing
from millrace.tasks import Task
from millrace.tf1.variables import INPUT_LAYER, LINEAR, Variables, name_of, rows_of


@dataclass(frozen=True)
class Part:
    """A column's place in the network's input.

    Attributes:
        name: what tf.feature_column calls it; TensorFlow 1 joins the columns in this order.
        width: how wide it is there.
        place: where it begins here.
        rows: which of its places there each of its places here is, -1 for none.
    """

    name: str
    width: int
    place: int
    rows: np.ndarray


def start(
    model: keras.Model, settings: Mapping[str, Any], learned: Preprocessing
) -> dict[str, Any]:
    """Gives a new model the variables that its settings name, and says which.

    `adopt` needs all of them to fit; `warm_start` takes those that do.

    Raises:
        MillraceError: the checkpoint cannot be read, or for `adopt` has too many variables, too
            few, or some of another shape.
    """
    source = settings.get("adopt") or settings.get("warm_start")
    if source is None:
        return {}
    strict = "adopt" in settings
    variables = Variables(Path(source["checkpoint"]))
    head = _head(learned.task, source)
    if settings["kind"] in ("linear", "wide_deep"):
        _linear(model, variables, learned, head, strict)
    if settings["kind"] in ("dnn", "wide_deep"):
        _network(model, variables, learned, head, source, strict)
    if strict:
        _require_all(variables, settings["kind"])
    return {"from": str(variables.path), "taken": variables.taken, "left": variables.left}


def _require_all(variables: Variables, kind: str) -> None:
    # A wide & deep model's columns are not all in both parts: what has no weight adds nothing.
    optional = LINEAR if kind == "wide_deep" else None
    missing = [name for name in variables.missing if not (optional and name.startswith(optional))]
    if variables.misfits:
        listed = "; ".join(f"{name}: {text}" for name, text in variables.misfits.items())
        raise MillraceError(
            f"{variables.path}: {listed}.",
            note="the config's features are not the columns that the Estimator was trained with; "
            "name its dnn_feature_columns in adopt.deep, those with num_oov_buckets in adopt.oov.",
        )
    if missing or variables.left:
        raise MillraceError(
            f"{variables.path}: expected the variables of a {kind} model with the config's "
            f"features; missing: {', '.join(missing) or 'none'}; extra: "
            f"{', '.join(variables.left) or 'none'}.",
            note="declare the Estimator's feature columns, and its hidden_units, as they were.",
        )


def _head(task: Task, source: Mapping[str, Any]) -> Any:
    """Returns what turns the old outputs' weights [..., outputs] into ours."""
    order = list(range(len(task.classes)))
    if "classes" in source:
        old = [*map(str, source["classes"])]
        if sorted(old) != sorted(map(str, task.classes)):
            raise MillraceError(
                f"adopt.classes: expected the label's values {list(task.classes)}, found "
                f"{source['classes']}."
            )
        order = [old.index(str(value)) for value in task.classes]

    def change(weights: np.ndarray) -> np.ndarray:
        if task.kind == "regression":
            # Here a model predicts (y - mean) / std.
            return weights / np.float32(task.std)
        if task.kind == "binary":
            return -weights if order == [1, 0] else weights
        return weights[..., order]

    return change


def _linear(
    model: keras.Model, variables: Variables, learned: Preprocessing, head: Any, strict: bool
) -> None:
    layer = model.get_layer("linear" if model.name == "linear" else "wide")
    columns: dict[str, FeatureColumn] = {column.name: column for column in learned.columns}
    units = layer.outputs
    bias = variables.take(f"{LINEAR}/bias_weights", (units,))
    if bias is not None:
        layer.bias.assign(head(bias) - _shift(learned.task))
    if learned.spec.numbers:
        weights = _initial(layer.weights_of_numbers, strict)
        for place, number in enumerate(learned.spec.numbers):
            if number.representation == "value":
                name = f"{LINEAR}/{name_of(columns[number.feature], columns)}/weights"
                if (found := variables.take(name, (1, units))) is not None:
                    weights[place] = head(found)[0]
        layer.weights_of_numbers.assign(weights)
    if learned.spec.ids:
        weights, begin, done = _initial(layer.weights_of_ids, strict), 0, set()
        for entry in learned.spec.ids:
            end = begin + entry.cardinality
            if entry.feature not in done:
                name = f"{LINEAR}/{name_of(columns[entry.feature], columns)}/weights"
                found = _take_rows(variables, name, columns[entry.feature], units)
                if found is not None:
                    weights[begin:end] = head(found)
            done.add(entry.feature)
            begin = end
        layer.weights_of_ids.assign(weights)


def _shift(task: Task) -> np.float32:
    return np.float32(task.mean / task.std if task.kind == "regression" else 0.0)


def _initial(variable: Any, strict: bool) -> np.ndarray:
    values: np.ndarray = keras.ops.convert_to_numpy(variable)
    return np.zeros_like(values) if strict else values


def _take_rows(
    variables: Variables, name: str, column: FeatureColumn, width: int
) -> np.ndarray | None:
    """Returns an id's row of a variable for each of our ids, zeros where it has none."""
    assert isinstance(column, Categorical)
    old = variables.all.get(name)
    rows = rows_of(column, 0 if old is None else len(old))
    value = variables.take(name, (int(rows.max()) + 1, width))
    return None if value is None else _spread(value, rows)


def _spread(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.where(rows[:, None] >= 0, values[rows], np.float32(0))


def _network(
    model: keras.Model,
    variables: Variables,
    learned: Preprocessing,
    head: Any,
    source: Mapping[str, Any],
    strict: bool,
) -> None:
    dense = model.get_layer("dense_features")
    columns: dict[str, FeatureColumn] = {column.name: column for column in learned.columns}
    parts = _parts(dense, variables, learned, columns, source, model.name)
    hidden = [layer for layer in model.layers if layer.name.startswith("hidden_")]
    for place, layer in enumerate(hidden):
        scope = f"dnn/hiddenlayer_{place}"
        rows, units = layer.kernel.shape
        if place == 0:
            kernel = _first_kernel(layer.kernel, variables, f"{scope}/kernel", parts, strict)
        else:
            kernel = variables.take(f"{scope}/kernel", (rows, units))
        bias = variables.take(f"{scope}/bias", (units,))
        if kernel is not None and bias is not None:
            layer.kernel.assign(kernel)
            layer.bias.assign(bias)
    last = model.get_layer("deep" if model.name == "wide_deep" else "logits")
    rows, units = last.kernel.shape
    kernel = variables.take("dnn/logits/kernel", (rows, units))
    bias = variables.take("dnn/logits/bias", (units,))
    if kernel is None or bias is None:
        return
    last.kernel.assign(head(kernel))
    if model.name == "wide_deep":
        # The wide part has the bias of both.
        wide = model.get_layer("wide")
        wide.bias.assign_add(head(bias))
    else:
        last.bias.assign(head(bias) - _shift(learned.task))


def _parts(
    dense: Any,
    variables: Variables,
    learned: Preprocessing,
    columns: Mapping[str, FeatureColumn],
    source: Mapping[str, Any],
    model: str,
) -> list[Part]:
    """Returns the columns of the network's input in TensorFlow 1's order; fills the embeddings."""
    named = _named(source.get("deep"), learned.features)
    parts, place = [], 0
    for number in learned.spec.numbers:
        if number.representation == "value" and (named is None or number.feature in named):
            name = name_of(columns[number.feature], columns)
            parts.append(Part(name, 1, place, np.array([0])))
        place += number.dimension
    for entry in learned.spec.ids:
        column = columns[entry.feature]
        assert isinstance(column, Categorical)
        if named is None:
            # Which indicators were in the network no variable tells.
            wanted = model == "dnn" or entry.representation == "embedding"
        else:
            wanted = entry.feature in named or entry.table in named
        if wanted and entry.representation == "embedding":
            parts += _embedding(dense, variables, entry, column, columns, place)
        elif wanted:
            parts.append(_indicator(column, columns, source.get("oov", []), place))
        place += entry.dimension
    return sorted(parts, key=lambda part: part.name)


def _named(deep: list[str] | None, features: Mapping[str, Mapping[str, Any]]) -> set[str] | None:
    """Returns the features in the network, an indicator's own feature among them; None for all."""
    if deep is None:
        return None
    if unknown := sorted(set(deep) - set(features)):
        raise MillraceError(f"adopt.deep: expected features of the config, found {unknown}.")
    wrapped = (features[name] for name in deep if features[name]["kind"] == "indicator")
    return {*deep, *(settings["of"] for settings in wrapped)}


def _embedding(
    dense: Any,
    variables: Variables,
    entry: CategoricalInput,
    column: Categorical,
    columns: Mapping[str, FeatureColumn],
    place: int,
) -> list[Part]:
    name = f"{name_of(column, columns)}_embedding"
    found = _take_rows(
        variables, f"{INPUT_LAYER}/{name}/embedding_weights", column, entry.dimension
    )
    if found is None:
        return []
    dense.tables[entry.table or entry.feature].assign(found)
    return [Part(name, entry.dimension, place, np.arange(entry.dimension))]


def _indicator(
    column: Categorical, columns: Mapping[str, FeatureColumn], oov: list[str], place: int
) -> Part:
    name = name_of(column, columns)
    # A bucketized column enters the network by itself.
    name = name if name.endswith("_bucketized") else f"{name}_indicator"
    rows = rows_of(column, column.cardinality - 1 if column.name in oov else 0)
    return Part(name, int(rows.max()) + 1, place, rows)


def _first_kernel(
    kernel: Any, variables: Variables, name: str, parts: list[Part], strict: bool
) -> np.ndarray | None:
    """Returns the first layer's kernel with the rows in our order of the columns."""
    rows = sum(part.width for part in parts)
    found = variables.take(name, (rows, kernel.shape[1]))
    if found is None:
        if name in variables.misfits:
            listed = ", ".join(f"{part.name} {part.width}" for part in parts)
            variables.misfits[name] += f"; the columns and their widths: {listed}"
        return None
    ours, begin = _initial(kernel, strict), 0
    for part in parts:
        old = found[begin : begin + part.width]
        ours[part.place : part.place + len(part.rows)] = _spread(old, part.rows)
        begin += part.width
    return ours
