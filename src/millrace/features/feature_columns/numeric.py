"""Normalized numbers, with a default for missing values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import tensorflow as tf

from millrace.artifacts.statistics import NumberStatistics
from millrace.config.feature_bases import NumberConfig
from millrace.config.features import NumericConfig
from millrace.features.feature_columns.base import Context, FeatureColumn, NumberInput, Raw

# Normalized values are clipped here, so that an extreme input cannot overflow in a model.
LARGEST_NORMALIZED = 10.0
LARGEST_UNNORMALIZED = 1e18

LARGEST_LOGARITHM_OF = 1e38

# The number of quantiles that the quantile normalizer interpolates.
QUANTILE_KNOTS = 65


@dataclass(frozen=True)
class Numeric(FeatureColumn):
    """A number, normalized; a missing value becomes `default`.

    normalized = transform((x - center) * scale), clipped to ±10, where transform is
    x / sqrt(1 + x²/9) for the robust normalizer (the robust scaling and smooth clipping of
    Holzmüller et al., 2024) and the identity otherwise. The log normalizer first applies
    sign(x) log(1 + |x|). The quantile normalizer instead returns the share of training examples
    below the value, from 0 to 1, interpolated between `knots`.
    """

    column: str
    normalizer: str
    default: float
    center: float
    scale: float
    missing_indicator: bool
    knots: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()
    edges: tuple[float, ...] = ()

    kind: ClassVar[str] = "numeric"

    @classmethod
    def learn(cls, name: str, settings: Any, context: Context) -> Self:
        column, statistics = context.number(name, settings.column)
        return cls._from_statistics(name, settings, column, statistics)

    @classmethod
    def _from_statistics(
        cls,
        name: str,
        settings: NumberConfig,
        column: str,
        statistics: NumberStatistics,
        **own: Any,
    ) -> Self:
        """Fits the column to statistics; `own` are the fields of a subclass."""
        normalizer = settings.normalizer
        center, scale = _center_and_scale(normalizer, statistics)
        if isinstance(settings, NumericConfig):
            center = center if settings.center is None else settings.center
            scale = scale if settings.scale is None else settings.scale
        missing = settings.missing_indicator
        if missing is None:
            missing = statistics.missing > 0
        knots, shares = _knots(statistics) if normalizer == "quantile" else ((), ())
        learned = cls(
            name=name,
            column=column,
            normalizer=normalizer,
            default=float(
                statistics.figures.median if settings.default is None else settings.default
            ),
            center=center,
            scale=scale,
            missing_indicator=missing,
            knots=knots,
            shares=shares,
            **own,
        )
        edges = learned._normalize(tf.constant(bin_edges(statistics, settings.bins)))
        return replace(learned, edges=tuple(np.unique(edges).tolist()))

    @property
    def raw_columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def inputs(self) -> tuple[NumberInput, ...]:
        value = self._value_input()
        return (value, NumberInput(self.name, "missing")) if self.missing_indicator else (value,)

    def _value_input(self) -> NumberInput:
        return NumberInput(self.name, "value", self.edges)

    def _number(self, raw: Raw) -> tf.Tensor:
        return tf.reshape(raw[self.column], [-1, 1])

    def encode_numbers(self, raw: Raw) -> tf.Tensor:
        """Returns float32 [n, 1], or [n, 2] with the missing indicator in the second column."""
        x = self._number(raw)
        missing = tf.not_equal(x, x)
        encoded = self._normalize(tf.where(missing, tf.constant(self.default, tf.float32), x))
        if self.missing_indicator:
            return tf.concat([encoded, tf.cast(missing, tf.float32)], axis=1)
        return encoded

    def _normalize(self, x: tf.Tensor) -> tf.Tensor:
        if self.normalizer == "none":
            x = x if (self.center, self.scale) == (0.0, 1.0) else (x - self.center) * self.scale
            # Its square must not overflow: runtimes disagree about infinity minus infinity.
            return tf.minimum(tf.maximum(x, -LARGEST_UNNORMALIZED), LARGEST_UNNORMALIZED)
        if self.normalizer == "quantile":
            return self._share_below(x)
        if self.normalizer == "log":
            # The logarithm of TF Lite is infinite from about 2.4e38 on.
            x = tf.sign(x) * tf.math.log(1.0 + tf.minimum(tf.abs(x), LARGEST_LOGARITHM_OF))
        x = (x - self.center) * self.scale
        x = tf.minimum(tf.maximum(x, -LARGEST_NORMALIZED), LARGEST_NORMALIZED)
        return x * tf.math.rsqrt(1.0 + x * x * (1.0 / 9.0)) if self.normalizer == "robust" else x

    def _share_below(self, x: tf.Tensor) -> tf.Tensor:
        knots = np.array(self.knots, np.float32)
        widths, weights = np.diff(knots), np.diff(np.array(self.shares, np.float32))
        # Clipped before the division: an infinite x would give infinity / infinity.
        inside = tf.minimum(tf.maximum(x[..., None], knots[:-1]), knots[1:])
        filled = (inside - knots[:-1]) * (1.0 / widths)
        return self.shares[0] + tf.reduce_sum(filled * weights, axis=-1)


@dataclass(frozen=True)
class PiecewiseLinear(Numeric):
    """A number in a piecewise-linear encoding (Gorishniy et al., 2022, "On Embeddings for
    Numerical Features").

    The edges of the bins are quantiles of the training examples; a value that at least 1/bins of
    them have is also an edge.
    """

    dimension: int = 16

    kind: ClassVar[str] = "piecewise_linear"

    @classmethod
    def learn(cls, name: str, settings: Any, context: Context) -> Self:
        learned = super().learn(name, settings, context)
        return replace(learned, dimension=settings.dimension)

    def _value_input(self) -> NumberInput:
        return NumberInput(self.name, self.kind, self.edges, self.dimension)


@dataclass(frozen=True)
class Periodic(Numeric):
    """A number encoded as sines and cosines of trained frequencies (the same source)."""

    dimension: int = 16
    frequencies: int = 32
    sigma: float = 0.1

    kind: ClassVar[str] = "periodic"

    @classmethod
    def learn(cls, name: str, settings: Any, context: Context) -> Self:
        return replace(
            super().learn(name, settings, context),
            dimension=settings.dimension,
            frequencies=settings.frequencies,
            sigma=settings.sigma,
        )

    def _value_input(self) -> NumberInput:
        return NumberInput(
            self.name, self.kind, self.edges, self.dimension, self.frequencies, self.sigma
        )


def bin_edges(statistics: NumberStatistics, bins: int) -> np.ndarray:
    """Returns rising bin edges of a column's values, float32 [at most about bins + 1].

    With at most `bins` distinct values each is an edge. Otherwise values with at least 1/bins of
    the rows are edges, and the other edges are quantiles of the other rows.
    """
    values = [value for value, _ in statistics.values]
    if len(values) == statistics.distinct <= bins:
        edges = np.array(values, np.float64)
    else:
        seen = statistics.rows - statistics.missing
        atoms = [value for value, count in statistics.values if count >= seen / bins]
        quantiles = np.array(statistics.quantiles)
        rest = quantiles[~np.isin(quantiles, atoms)]
        levels = np.linspace(0, 1, max(bins + 1 - len(atoms), 4))
        inner = np.quantile(rest, levels) if len(rest) else rest
        edges = np.concatenate([atoms, inner, [statistics.figures.min, statistics.figures.max]])
    edges = np.unique(edges.astype(np.float32))
    return edges if len(edges) > 1 else edges[0] + np.array([-0.5, 0.5], np.float32)


def _knots(statistics: NumberStatistics) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns the distinct quantiles, and the share of examples below each.

    A value that is the quantile of several shares (many rows have it) gets their mean, as in
    scikit-learn's QuantileTransformer.
    """
    table = np.array(statistics.quantiles, np.float64).astype(np.float32)
    levels = np.linspace(0, 1, len(table))
    places = np.linspace(0, len(table) - 1, QUANTILE_KNOTS).round().astype(int)
    knots = np.unique(table[places])
    if len(knots) == 1:
        knots = knots[0] + np.array([-0.5, 0.5], np.float32)
    first = np.searchsorted(table, knots, side="left").clip(max=len(table) - 1)
    last = (np.searchsorted(table, knots, side="right") - 1).clip(min=0)
    shares = (levels[first] + levels[last]) / 2
    return tuple(knots.tolist()), tuple(shares.tolist())


def _center_and_scale(normalizer: str, statistics: NumberStatistics) -> tuple[float, float]:
    figures = statistics.figures
    low, high = figures.min, figures.max
    match normalizer:
        case "log":
            return figures.log_mean, _inverse(figures.log_std)
        case "standard":
            return figures.mean, _inverse(figures.std)
        case "min_max":
            return low, _inverse(high - low)
        case "robust":
            quantiles = statistics.quantiles
            last = len(quantiles) - 1
            interquartile_range = quantiles[last * 3 // 4] - quantiles[last // 4]
            # A column that is mostly one value has no interquartile range: use its whole range.
            return figures.median, _inverse(interquartile_range or (high - low) / 2)
        case _:
            return 0.0, 1.0


def _inverse(spread: float) -> float:
    return 1.0 / spread if spread > 0 else 1.0
