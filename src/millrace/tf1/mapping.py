"""Initializes the weights of a new model from an old one's variables, by `warm_start.map`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from millrace.config.tf1 import OldVariable
from millrace.errors import MillraceError
from millrace.features.feature_columns import Categorical
from millrace.models.input_layers import DenseFeatures
from millrace.models.linear import Linear
from millrace.tf1.old_model import OldModel, Part, first_kernel

# The weight whose rows are the features.
FIRST = "hidden_0/kernel"
# Weights that depend on Millrace's order of the features, which old networks do not have.
IN_OUR_ORDER = {"dcn": ("cross_", "logits/kernel"), "tabm": ("hidden_0/",)}


@dataclass(frozen=True)
class Target:
    """A weight, or some rows of one, that an old variable can fill.

    Attributes:
        weight: the Keras variable.
        begin: the first row to fill.
        shape: the shape of the filled part.
        columns: the features whose ids are the rows; empty if the rows are not ids.
        logits: whether it affects the logits' scale, and so depends on the label's scale and order.
        bias: whether it is the bias of the logits.
    """

    weight: Any
    begin: int
    shape: tuple[int, ...]
    columns: tuple[Categorical, ...] = ()
    logits: bool = False
    bias: bool = False

    def assign(self, value: np.ndarray) -> None:
        """Fills the rows."""
        whole = keras.ops.convert_to_numpy(self.weight).copy()
        whole[self.begin : self.begin + self.shape[0]] = value.reshape(self.shape)
        self.weight.assign(whole)


def take(model: keras.Model, old: OldModel, wanted: Mapping[str, str | OldVariable]) -> None:
    """Fills the weights under `map`; each variable must exist and fit.

    Args:
        model: the new model.
        old: the old one.
        wanted: `warm_start.map`.

    Raises:
        MillraceError: a weight or variable does not exist or has another shape, or the order of its
            rows is unknown.
    """
    targets = dict(_targets(model, old))
    for name, entry in wanted.items():
        given = OldVariable(variable=entry) if isinstance(entry, str) else entry
        where, variable = f"warm_start.map.{name}", given.variable
        if name not in targets:
            listed = ", ".join(f"{key} {[*target.shape]}" for key, target in targets.items())
            raise MillraceError(
                f"{where}: expected a feature that an embedding reads, or a weight of the model, "
                f"out of {listed}; found {name!r}.",
                note="use one of these as the key.",
            )
        _check_inputs(where, given, name == FIRST and _first_reads_features(model))
        value = _value(targets[name], model, given, old)
        if value is None:
            misfit = old.variables.misfits.get(variable)
            raise MillraceError(
                f"{where}: {variable} of {old.variables.path}: {misfit}."
                if misfit
                else f"{where}: expected a variable of {old.variables.path}, out of "
                f"{old.variables.listed()}; found {variable!r}.",
                note="docs/from-tensorflow-1.md shows how variables are matched.",
            )
        targets[name].assign(value)


def _check_inputs(where: str, given: OldVariable, needed: bool) -> None:
    if needed and given.inputs is None:
        raise MillraceError(
            f"{where}: expected `inputs`, the features in the order in which the old network joins "
            "them, found none.",
            note=f"{FIRST}: {{variable: {given.variable}, inputs: [FEATURE, …]}}",
        )
    if given.inputs is not None and not needed:
        raise MillraceError(
            f"{where}: expected a variable alone, found `inputs` too, which only {FIRST} of a "
            "network over the features has.",
            note="remove inputs, and name the variable alone.",
        )


def _value(
    target: Target, model: keras.Model, given: OldVariable, old: OldModel
) -> np.ndarray | None:
    """Returns the value for a target, or None if there is no variable of this shape."""
    variable = given.variable
    if given.inputs is not None:
        parts = [_part(feature, model, old) for feature in given.inputs]
        return first_kernel(target.weight, variable, parts, old)
    if target.columns:
        value = old.take_rows(variable, target.columns, target.shape[1])
    else:
        value = old.variables.take(variable, target.shape)
    if value is None or not target.logits:
        return value
    return old.head(value) - (old.shift if target.bias else np.float32(0))


def _targets(model: keras.Model, old: OldModel) -> Iterator[tuple[str, Target]]:
    named: set[int] = set()
    for layer in model.layers:
        parts = (
            _of_embeddings(layer, old)
            if isinstance(layer, DenseFeatures)
            else _of_linear(layer, old)
            if isinstance(layer, Linear)
            else ()
        )
        for name, target in parts:
            named.add(id(target.weight))
            yield name, target
    ours = IN_OUR_ORDER.get(model.name, ())
    for weight in model.weights:
        # Scalars and the states of dropout are not weights.
        if weight.shape and id(weight) not in named and not weight.path.startswith(ours):
            last = weight.path.startswith("deep/" if model.name == "wide_deep" else "logits/")
            shape = tuple(weight.shape)
            yield weight.path, Target(weight, 0, shape, (), last, last and len(shape) == 1)


def _of_embeddings(layer: DenseFeatures, old: OldModel) -> Iterator[tuple[str, Target]]:
    for name, table in layer.tables.items():
        sharing = [x.feature for x in layer.spec.ids if (x.table or x.feature) == name]
        columns = tuple(old.categorical(feature) for feature in sharing)
        yield name, Target(table, 0, tuple(table.shape), columns)


def _of_linear(layer: Linear, old: OldModel) -> Iterator[tuple[str, Target]]:
    """Yields the weights of a linear model or a wide part: those of each feature, and the bias."""
    shape = (layer.outputs,)
    yield f"{layer.name}/bias", Target(layer.bias, 0, shape, logits=True, bias=True)
    for feature, place in layer.numbers.places_of_values.items():
        target = Target(layer.weights_of_numbers, place, (1, *shape), logits=True)
        yield f"{layer.name}/{feature}", target
    begin = 0
    for entry in layer.spec.ids:
        columns = (old.categorical(entry.feature),)
        rows = (entry.cardinality, *shape)
        yield (
            f"{layer.name}/{entry.feature}",
            Target(layer.weights_of_ids, begin, rows, columns, logits=True),
        )
        begin += entry.cardinality


def _first_reads_features(model: keras.Model) -> bool:
    """Returns whether hidden_0 is a dense layer over the features, with a row per column."""
    layers = {layer.name: layer for layer in model.layers}
    first, features = layers.get("hidden_0"), layers.get("dense_features")
    return (
        isinstance(first, keras.layers.Dense)
        and isinstance(features, DenseFeatures)
        and first.kernel.shape[0] == sum(features.widths)
    )


def _part(feature: str, model: keras.Model, old: OldModel) -> Part:
    """Returns the part of the network's input for a feature.

    A feature's own name refers to its indicator if the network has one, else to its embedding. An
    embedding that is not shared can also be referred to by its own name.
    """
    dense = model.get_layer("dense_features")
    if feature in dense.places_of_values:
        return Part(feature, 1, dense.places_of_values[feature], np.array([0]))
    reading = Counter(entry.table or entry.feature for entry, _ in dense.places_of_ids)
    found: dict[str, tuple[Any, int]] = {}
    for entry, place in dense.places_of_ids:
        table = entry.table or entry.feature
        if entry.representation != "embedding":
            found[entry.feature] = entry, place
        else:
            found.setdefault(entry.feature, (entry, place))
            if reading[table] == 1:
                found[table] = entry, place
    if feature not in found:
        raise MillraceError(
            f"warm_start.map.{FIRST}.inputs: expected features that the network reads, out of "
            f"{[*dense.places_of_values, *found]}; found {feature!r}.",
            note="list only features of this model.",
        )
    entry, place = found[feature]
    if entry.representation == "embedding":
        return Part(feature, entry.dimension, place, np.arange(entry.dimension))
    column = old.categorical(entry.feature)
    width, rows = old.rows.of(column)
    return Part(feature, width, place, rows, column)
