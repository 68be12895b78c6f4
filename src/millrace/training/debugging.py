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

# Around what a failed check says, to find it in TensorFlow's message.
OPEN, CLOSE = "<<", ">>"

# What TensorFlow says of an operation that XLA does not have, and of a shape that it cannot know.
NOT_FOR_XLA = (
    r"XLA_\w+_JIT: (?P<op>\w+) .*?{{node (?:while/)?(?P<node>\S+?)}}",
    r"to node `(?:while/)?(?P<node>\S+?)` with op (?P<op>\w+) must be a compile-time constant",
)


@dataclass(frozen=True)
class Debug:
    """How a training is watched.

    Attributes:
        eager: run every step in Python, where breakpoints hold; about a hundred times slower.
        check_numerics: look for NaN and infinity in each layer's output and in each weight.
        rows: use so many training and validation examples only; None for all.
    """

    eager: bool = False
    check_numerics: bool = False
    rows: int | None = None

    @property
    def stepwise(self) -> bool:
        """Whether a call has to be a single step, to tell which it was."""
        return self.eager or self.check_numerics


def watch(model: keras.Model) -> None:
    """Has every layer of the model check what it returns, from now on."""
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
        # Not tf.debugging.check_numerics: a graph leaves that out where nothing uses its result.
        finite = tf.reduce_all(tf.math.is_finite(x))
        tf.debugging.Assert(finite, [f"{OPEN}{place}{CLOSE}"])


@contextmanager
def naming_the_layer(place: str) -> Iterator[None]:
    """Turns what fails in a step into an error that names the layer and the place in the training.

    That is a check for finite numbers, or what XLA cannot compile.
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
