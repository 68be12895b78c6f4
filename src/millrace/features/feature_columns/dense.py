"""Dense representations of features: embedding, indicator and weighted columns, or a default."""

from __future__ import annotations

from collections.abc import Mapping

from millrace.config.features import EmbeddingConfig, Feature, IndicatorConfig
from millrace.errors import MillraceError
from millrace.features.feature_columns.base import (
    Categorical,
    CategoricalInput,
    Context,
    NumberInput,
)
from millrace.features.feature_columns.sequence import Weighted

# A categorical feature with at most this many ids is one-hot by default, else an embedding.
LARGEST_INDICATOR = 64
DEFAULT_EMBEDDING_DIMENSION = 16


def number_inputs(context: Context) -> tuple[NumberInput, ...]:
    """Returns the columns of an encoded example's `numbers`."""
    return tuple(number for column in context.learned.values() for number in column.inputs)


def categorical_inputs(
    features: Mapping[str, Feature], context: Context
) -> tuple[CategoricalInput, ...]:
    """Returns how models represent each categorical feature.

    A feature that is wrapped by an embedding or indicator column is represented by it; the
    representation of any other depends on its size.

    Raises:
        MillraceError: an embedding or indicator wraps a feature without ids.
    """
    inputs: list[CategoricalInput] = []
    for name, settings in features.items():
        if isinstance(settings, IndicatorConfig):
            of = context.categorical(f"features.{name}.of", settings.of)
            inputs.append(_input(of, "indicator", of.cardinality))
        elif isinstance(settings, EmbeddingConfig):
            inputs += _embeddings(name, settings, context)
    wrapped = {entry.feature for entry in inputs}
    wrapped |= {x.of for x in context.learned.values() if isinstance(x, Weighted)}
    for column in context.learned.values():
        if isinstance(column, Categorical) and column.name not in wrapped:
            if column.cardinality <= LARGEST_INDICATOR:
                inputs.append(_input(column, "indicator", column.cardinality))
            else:
                inputs.append(_input(column, "embedding", DEFAULT_EMBEDDING_DIMENSION))
    return tuple(inputs)


def _input(of: Categorical, representation: str, dimension: int, **more: str) -> CategoricalInput:
    weight = of.name if isinstance(of, Weighted) else ""
    return CategoricalInput(
        of.name, of.cardinality, representation, dimension, of.length, weight=weight, **more
    )


def _embeddings(name: str, settings: EmbeddingConfig, context: Context) -> list[CategoricalInput]:
    """Returns the inputs of an embedding; several features share a table and need equal ids."""
    names = [settings.of] if isinstance(settings.of, str) else settings.of
    columns = [context.categorical(f"features.{name}.of", of) for of in names]
    dimension = settings.dimension
    first = columns[0]
    for column in columns[1:]:
        if column.cardinality != first.cardinality:
            raise MillraceError(
                f"features.{name}.of: expected features with the same ids, to share a table; found "
                f"{first.name!r} with {first.cardinality} and {column.name!r} with "
                f"{column.cardinality}.",
                note="give them the same vocabulary with values or file.",
            )
    combiner = settings.combiner
    return [
        _input(column, "embedding", dimension, combiner=combiner, table=name) for column in columns
    ]
