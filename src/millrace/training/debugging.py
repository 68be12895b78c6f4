"""Debugging a training: eager execution, and locating the first NaN."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from millrace.errors import MillraceError

# Delimiters of the text of a failed check in TensorFlow's message.
OPEN, CLOSE = "<<", ">>"

# TensorFlow's messages for an operation that XLA lacks, and for a shape that it cannot infer.
NOT_FOR_XLA = (
    r"XLA_\w+_JIT: (?P<op>\w+) .*?{{node (?:while/)?(?P<node>\S+?)}}",
    r"to node `(?:while/)?(?P<node>\S+?)` with op (?P<op>\w+) must be a compile-time constant",
)


@dataclass(frozen=True)
class Debug:
    """Debugging options of a training.

    Attributes:
        eager: run every step in Python, so that breakpoints work; about a hundred times slower.
        check_numerics: check each layer's output and each weight for NaN and infinity.
        rows: use only this many training and validation examples; None for all.
    """

    eager: bool = False
    check_numerics: bool = False
    rows: int | None = None

    @property
    def stepwise(self) -> bool:
        """Whether each call must be a single step, so that a failure can be located."""
        return self.eager or self.check_numerics


def watch(model: keras.Model) -> None:
    """Makes every layer of the model check its outputs."""
    for layer in _layers(model):
        layer.call = _checked(layer.call, f"output of layer {layer.name}")


def _layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        else:
            yield layer


def _checked(call: Callable[..., Any], place: str) -> Callable[..., Any]:
    @functools.wraps(call)
    def checked(*arguments: Any, **keywords: Any) -> Any:
        outputs = call(*arguments, **keywords)
        return keras.tree.map_structure(lambda output: _checked_both_ways(output, place), outputs)

    return checked


def _checked_both_ways(output: tf.Tensor, place: str) -> tf.Tensor:
    @tf.custom_gradient
    def check(x: tf.Tensor) -> Any:
        _check(x, f"the {place}")

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            _check(upstream, f"the gradient at the {place}, so made by what comes after it")
            return upstream

        return tf.identity(x), gradient

    return check(output) if output.dtype.is_floating else output


def watched_step(model: keras.Model, step: Callable[[Any], Any]) -> Callable[[Any], None]:
    """Returns a training step that checks its examples before, and the weights afterwards."""

    def run(data: Any) -> None:
        inputs, labels = data[:2]
        for name, part in {**inputs, "labels": labels}.items():
            _check(part, f"the {name} of the examples")
        step(data)
        for weight in model.trainable_weights:
            _check(weight.value, f"the weight {weight.path} after the step")

    return run


def _check(x: Any, place: str) -> None:
    x = tf.convert_to_tensor(x)
    if x.dtype.is_floating:
        # Not tf.debugging.check_numerics, which a graph prunes if its result is unused.
        finite = tf.reduce_all(tf.math.is_finite(x))
        tf.debugging.Assert(finite, [f"{OPEN}{place}{CLOSE}"])


@contextmanager
def naming_the_layer(place: str) -> Iterator[None]:
    """Converts a failure of a step to an error with the layer and the position in the training.

    Handles failed checks for finite numbers, and operations that XLA cannot compile.
    """
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        said = str(error)
        if found := re.search(f"{OPEN}(.*?){CLOSE}", said):
            raise MillraceError(
                f"{place}: expected finite numbers, found NaN or infinity in {found.group(1)}.",
                note="what comes before it was finite. training.debug: {eager: true} lets you step "
                "into it.",
            ) from None
        for pattern in NOT_FOR_XLA:
            if found := re.search(pattern, said):
                raise MillraceError(
                    f"{place}: expected operations and shapes that XLA can compile, found "
                    f"{found['op']} in {found['node']}.",
                    note="set training.jit: false.",
                ) from None
        raise
