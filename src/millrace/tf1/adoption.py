"""Adopts a canned Estimator: its variables in linear, dnn and wide_deep, found by name.

Values without an id in tf.feature_column (out-of-vocabulary or missing) contribute nothing there;
here they have separate ids, whose weights become zero.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from millrace.artifacts.training import Started
from millrace.config.models import ModelConfig, adopted
from millrace.config.tf1 import WarmStartConfig
from millrace.errors import MillraceError
from millrace.features.feature_columns import Categorical, CategoricalInput
from millrace.features.preprocessing import Preprocessing
from millrace.tf1 import mapping
from millrace.tf1.old_model import OldModel, Part, first_kernel, indicator, initial
from millrace.tf1.variables import INPUT_LAYER, LINEAR, Variables, name_of


def start(model: keras.Model, settings: ModelConfig, learned: Preprocessing) -> Started:
    """Initializes a model with the variables that its settings name; returns which were used.

    `adopt` requires that all variables fit; `warm_start` uses those that do, or those under `map`.

    Raises:
        MillraceError: the old model cannot be read; for `adopt`, its variables do not all fit; for
            `warm_start`, none fits.
    """
    old = OldModel.open(settings, learned)
    variables = old.variables
    if isinstance(old.source, WarmStartConfig) and old.source.map:
        mapping.take(model, old, old.source.map)
    else:
        _take_by_names_of_estimators(model, settings.kind, old)
    if old.strict:
        require_all(variables, settings)
        return Started(str(variables.path), variables.taken, variables.left)
    return Started(
        str(variables.path),
        variables.taken,
        variables.left,
        misfits=variables.misfits,
        vocabularies=old.rows.matched,
    )


def _take_by_names_of_estimators(model: keras.Model, kind: str, old: OldModel) -> None:
    if old.source.deep is not None and kind != "wide_deep":
        raise MillraceError(
            f"deep of {old.variables.path}: expected a wide_deep model, found kind: {kind}.",
            note="`columns` names the features of a model with one part.",
        )
    if kind in ("linear", "wide_deep"):
        _linear(model, old)
    if kind in ("dnn", "wide_deep"):
        _network(model, old)
    if not old.strict and not old.variables.taken:
        raise MillraceError(
            f"{old.variables.path}: expected variables that a canned Estimator's names and the "
            f"features' shapes fit, found {old.variables.listed()}.",
            note="say which of them become what: warm_start.map: {WEIGHT: VARIABLE}.",
        )


def require_all(variables: Variables, settings: ModelConfig) -> None:
    """Raises MillraceError unless the variables of a checkpoint are exactly those of the model."""
    kind, adopt = settings.kind, adopted(settings)
    # Columns of a wide & deep model need not be in both parts; without a weight they add nothing.
    optional = LINEAR if kind == "wide_deep" and adopt and adopt.columns is None else None
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


def _linear(model: keras.Model, old: OldModel) -> None:
    variables, columns, spec = old.variables, old.columns, old.learned.spec
    layer = model.get_layer("linear" if model.name == "linear" else "wide")
    units = layer.outputs
    wanted = old.named("columns")
    bias = variables.take(f"{LINEAR}/bias_weights", (units,))
    if bias is not None:
        layer.bias.assign(old.head(bias) - old.shift)
    if spec.numbers:
        weights = initial(layer.weights_of_numbers, old.strict)
        for number, place in layer.numbers.places_of_values.items():
            if number in wanted:
                name = f"{LINEAR}/{name_of(columns[number], columns)}/weights"
                if (found := variables.take(name, (1, units))) is not None:
                    weights[place] = old.head(found)[0]
        layer.weights_of_numbers.assign(weights)
    if spec.ids:
        weights, begin = initial(layer.weights_of_ids, old.strict), 0
        done: set[str] = set()
        for entry in spec.ids:
            end = begin + entry.cardinality
            if entry.feature in wanted - done:
                column = old.categorical(entry.feature)
                name = f"{LINEAR}/{name_of(column, columns)}/weights"
                if (found := old.take_rows(name, [column], units)) is not None:
                    weights[begin:end] = old.head(found)
            done.add(entry.feature)
            begin = end
        layer.weights_of_ids.assign(weights)


def _network(model: keras.Model, old: OldModel) -> None:
    variables = old.variables
    parts = _parts(model, old)
    hidden = [layer for layer in model.layers if layer.name.startswith("hidden_")]
    for place, layer in enumerate(hidden):
        scope = f"dnn/hiddenlayer_{place}"
        if place == 0:
            kernel = first_kernel(layer.kernel, f"{scope}/kernel", parts, old)
        else:
            kernel = variables.take(f"{scope}/kernel", tuple(layer.kernel.shape))
        if kernel is None and not old.strict:
            continue  # a bias without its kernel is useless
        bias = variables.take(f"{scope}/bias", tuple(layer.bias.shape))
        if kernel is not None and bias is not None:
            layer.kernel.assign(kernel)
            layer.bias.assign(bias)
    last = model.get_layer("deep" if model.name == "wide_deep" else "logits")
    rows, units = last.kernel.shape
    kernel = variables.take("dnn/logits/kernel", (rows, units))
    if kernel is None and not old.strict:
        return
    bias = variables.take("dnn/logits/bias", (units,))
    if kernel is None or bias is None:
        return
    last.kernel.assign(old.head(kernel))
    if model.name == "wide_deep":
        # The wide part has the only bias.
        wide = model.get_layer("wide")
        shifted = f"{LINEAR}/bias_weights" in variables.taken
        wide.bias.assign_add(old.head(bias) - (np.float32(0) if shifted else old.shift))
    else:
        last.bias.assign(old.head(bias) - old.shift)


def _parts(model: keras.Model, old: OldModel) -> list[Part]:
    """Returns the columns of the network's input in TensorFlow 1's order; sets the embeddings."""
    dense, columns = model.get_layer("dense_features"), old.columns
    named = old.named("deep" if model.name == "wide_deep" else "columns")
    # The variables do not show which indicators were in the network of a wide & deep model.
    guessed = model.name == "wide_deep" and old.source.deep is None
    parts = [
        Part(name_of(columns[number], columns), 1, place, np.array([0]))
        for number, place in dense.places_of_values.items()
        if number in named
    ]
    for entry, place in dense.places_of_ids:
        column = old.categorical(entry.feature)
        wanted = entry.feature in named or entry.table in named
        wanted = wanted and not (guessed and entry.representation == "indicator")
        if wanted and entry.representation == "embedding":
            parts += _embedding(dense, entry, column, place, old)
        elif wanted:
            parts.append(indicator(column, place, old))
    return sorted(parts, key=lambda part: part.name)


def _embedding(
    dense: Any, entry: CategoricalInput, column: Categorical, place: int, old: OldModel
) -> list[Part]:
    columns = old.columns
    name, scope, sharing = f"{name_of(column, columns)}_embedding", "", [column]
    others = [x.feature for x in dense.spec.ids if entry.table and x.table == entry.table]
    if len(others) > 1:
        sharing = [old.categorical(feature) for feature in others]
        names = sorted(name_of(other, columns) for other in sharing)
        name = f"{name_of(column, columns)}_shared_embedding"
        scope = f"{'_'.join(names)}_shared_embedding"
    found = old.take_rows(
        f"{INPUT_LAYER}/{scope or name}/embedding_weights", sharing, entry.dimension
    )
    if found is None:
        return []
    dense.tables[entry.table or entry.feature].assign(found)
    return [Part(name, entry.dimension, place, np.arange(entry.dimension))]
