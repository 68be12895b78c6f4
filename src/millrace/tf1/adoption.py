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
from millrace.feature_columns import Bucketized, Categorical, CategoricalInput, FeatureColumn
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
    if "deep" in source and settings["kind"] != "wide_deep":
        raise MillraceError(
            f"deep of {source['checkpoint']}: expected a wide_deep model, found kind: "
            f"{settings['kind']}.",
            note="`columns` names the features of a model with one part.",
        )
    variables = Variables(Path(source["checkpoint"]))
    if settings["kind"] in ("linear", "wide_deep"):
        _linear(model, variables, learned, source, strict)
    if settings["kind"] in ("dnn", "wide_deep"):
        _network(model, variables, learned, source, strict)
    if strict:
        require_all(variables, settings)
    return {"from": str(variables.path), "taken": variables.taken, "left": variables.left}


def require_all(variables: Variables, settings: Mapping[str, Any]) -> None:
    """Raises MillraceError when a checkpoint and a model of a kind do not fit in all variables."""
    kind = settings["kind"]
    # A wide & deep model's columns are not all in both parts: what has no weight adds nothing.
    optional = LINEAR if kind == "wide_deep" and "columns" not in settings["adopt"] else None
    missing = [name for name in variables.missing if not (optional and name.startswith(optional))]
    extra = [name for name in variables.left if name not in variables.misfits]
    if missing or extra or variables.misfits:
        misfits = (f"{name}: {text}; " for name, text in variables.misfits.items())
        raise MillraceError(
            f"{variables.path}: expected the variables of a {kind} model with the config's "
            f"features; {''.join(misfits)}missing: {', '.join(missing) or 'none'}; extra: "
            f"{', '.join(extra) or 'none'}.",
            note="declare the Estimator's feature columns, and its hidden_units, as they were; a "
            "vocabulary may lack its num_oov_buckets, or adopt.deep a dnn_feature_column.",
        )


def head_of(task: Task, source: Mapping[str, Any]) -> Any:
    """Returns what turns the old outputs' weights [..., outputs] into ours."""
    order = list(range(len(task.classes)))
    if "classes" in source:
        old = [*map(str, source["classes"])]
        if sorted(old) != sorted(map(str, task.classes)):
            raise MillraceError(
                f"classes of {source['checkpoint']}: expected the label's values "
                f"{list(task.classes)}, found {source['classes']}."
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
    model: keras.Model,
    variables: Variables,
    learned: Preprocessing,
    source: Mapping[str, Any],
    strict: bool,
) -> None:
    head = head_of(learned.task, source)
    layer = model.get_layer("linear" if model.name == "linear" else "wide")
    columns: dict[str, FeatureColumn] = {column.name: column for column in learned.columns}
    units = layer.outputs
    wanted = named_features("columns", source, learned.features)
    bias = variables.take(f"{LINEAR}/bias_weights", (units,))
    if bias is not None:
        layer.bias.assign(head(bias) - shift_of(learned.task))
    if learned.spec.numbers:
        weights = _initial(layer.weights_of_numbers, strict)
        for place, number in enumerate(learned.spec.numbers):
            if number.representation == "value" and number.feature in wanted:
                name = f"{LINEAR}/{name_of(columns[number.feature], columns)}/weights"
                if (found := variables.take(name, (1, units))) is not None:
                    weights[place] = head(found)[0]
        layer.weights_of_numbers.assign(weights)
    if learned.spec.ids:
        weights, begin = _initial(layer.weights_of_ids, strict), 0
        done: set[str] = set()
        for entry in learned.spec.ids:
            end = begin + entry.cardinality
            if entry.feature in wanted - done:
                name = f"{LINEAR}/{name_of(columns[entry.feature], columns)}/weights"
                found = _take_rows(variables, name, columns[entry.feature], units)
                if found is not None:
                    weights[begin:end] = head(found)
            done.add(entry.feature)
            begin = end
        layer.weights_of_ids.assign(weights)


def shift_of(task: Task) -> np.float32:
    """Returns what the old outputs exceed ours by, in our units."""
    return np.float32(task.mean / task.std if task.kind == "regression" else 0.0)


def _initial(variable: Any, strict: bool) -> np.ndarray:
    values: np.ndarray = keras.ops.convert_to_numpy(variable)
    return np.zeros_like(values) if strict else values


def _take_rows(
    variables: Variables, name: str, column: FeatureColumn, width: int
) -> np.ndarray | None:
    """Returns an id's row of a variable for each of our ids, zeros where it has none."""
    assert isinstance(column, Categorical)
    rows = rows_of(column)
    value = variables.take(name, (int(rows.max()) + 1, width))
    return None if value is None else _spread(value, rows)


def _spread(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.where(rows[:, None] >= 0, values[rows], np.float32(0))


def _network(
    model: keras.Model,
    variables: Variables,
    learned: Preprocessing,
    source: Mapping[str, Any],
    strict: bool,
) -> None:
    head = head_of(learned.task, source)
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
        if kernel is None and not strict:
            continue  # A bias alone is no start.
        bias = variables.take(f"{scope}/bias", (units,))
        if kernel is not None and bias is not None:
            layer.kernel.assign(kernel)
            layer.bias.assign(bias)
    last = model.get_layer("deep" if model.name == "wide_deep" else "logits")
    rows, units = last.kernel.shape
    kernel = variables.take("dnn/logits/kernel", (rows, units))
    if kernel is None and not strict:
        return
    bias = variables.take("dnn/logits/bias", (units,))
    if kernel is None or bias is None:
        return
    last.kernel.assign(head(kernel))
    if model.name == "wide_deep":
        # The wide part has the bias of both.
        wide = model.get_layer("wide")
        wide.bias.assign_add(head(bias))
    else:
        last.bias.assign(head(bias) - shift_of(learned.task))


def _parts(
    dense: Any,
    variables: Variables,
    learned: Preprocessing,
    columns: Mapping[str, FeatureColumn],
    source: Mapping[str, Any],
    model: str,
) -> list[Part]:
    """Returns the columns of the network's input in TensorFlow 1's order; fills the embeddings."""
    named = named_features("deep" if model == "wide_deep" else "columns", source, learned.features)
    # Which indicators were in a wide & deep network no variable tells.
    guessed = model == "wide_deep" and "deep" not in source
    parts, place = [], 0
    for number in learned.spec.numbers:
        if number.representation == "value" and number.feature in named:
            name = name_of(columns[number.feature], columns)
            parts.append(Part(name, 1, place, np.array([0])))
        place += number.dimension
    for entry in learned.spec.ids:
        column = columns[entry.feature]
        assert isinstance(column, Categorical)
        wanted = entry.feature in named or entry.table in named
        wanted = wanted and not (guessed and entry.representation == "indicator")
        if wanted and entry.representation == "embedding":
            parts += _embedding(dense, variables, entry, column, columns, place)
        elif wanted:
            name, rows = indicator(column, columns)
            parts.append(Part(name, int(rows.max()) + 1, place, rows))
        place += entry.dimension
    return sorted(parts, key=lambda part: part.name)


def named_features(
    key: str, source: Mapping[str, Any], features: Mapping[str, Mapping[str, Any]]
) -> set[str]:
    """Returns the features that a list of an old Estimator names, or all without such a list.

    With an indicator comes its own feature. Raises MillraceError when a feature does not exist.
    """
    names = source.get(key, list(features))
    if unknown := sorted(set(names) - set(features)):
        raise MillraceError(
            f"{key} of {source['checkpoint']}: expected features of the config, found {unknown}."
        )
    wrapped = (features[name] for name in names if features[name]["kind"] == "indicator")
    return {*names, *(settings["of"] for settings in wrapped)}


def _embedding(
    dense: Any,
    variables: Variables,
    entry: CategoricalInput,
    column: Categorical,
    columns: Mapping[str, FeatureColumn],
    place: int,
) -> list[Part]:
    name, scope = f"{name_of(column, columns)}_embedding", ""
    sharing = [x.feature for x in dense.spec.ids if entry.table and x.table == entry.table]
    if len(sharing) > 1:
        names = sorted(name_of(columns[feature], columns) for feature in sharing)
        name = f"{name_of(column, columns)}_shared_embedding"
        scope = f"{'_'.join(names)}_shared_embedding"
    found = _take_rows(
        variables, f"{INPUT_LAYER}/{scope or name}/embedding_weights", column, entry.dimension
    )
    if found is None:
        return []
    dense.tables[entry.table or entry.feature].assign(found)
    return [Part(name, entry.dimension, place, np.arange(entry.dimension))]


def indicator(column: Categorical, columns: Mapping[str, FeatureColumn]) -> tuple[str, np.ndarray]:
    """Returns what tf.feature_column calls a column's indicator, and the place of each of our ids.

    A bucketized column is one by itself.
    """
    name = name_of(column, columns)
    rows = rows_of(column)
    return name if isinstance(column, Bucketized) else f"{name}_indicator", rows


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
