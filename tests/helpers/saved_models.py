"""Small SavedModels that stand for downloaded ones."""

from pathlib import Path

import tensorflow as tf


class Text(tf.Module):
    """Counts the bytes and words of strings: string [n] to float32 [n, 2]."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = tf.Variable([1.0, 1.0])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        words = tf.strings.split(x).row_lengths()
        counts = tf.stack([tf.strings.length(x), tf.cast(words, tf.int32)], axis=1)
        return tf.cast(counts, tf.float32) * self.weights


class Numbers(tf.Module):
    """Returns float32 [n, 1] times 1, -2 and 3."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable([[1.0, -2.0, 3.0]])

    @tf.function(input_signature=[tf.TensorSpec([None, 1], tf.float32, name="x")])
    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return tf.matmul(x, self.kernel)


def save_text(path: Path) -> Path:
    """Saves a callable module for text."""
    tf.saved_model.save(Text(), str(path))
    return path


def save_numbers(path: Path, signature: bool = False) -> Path:
    """Saves a module for numbers, either callable or with only a signature."""
    numbers = Numbers()
    if not signature:
        tf.saved_model.save(numbers, str(path))
        return path
    module = tf.Module()
    module.kernel = numbers.kernel
    module.serve = tf.function(
        lambda x: {"outputs": tf.matmul(x, module.kernel)},
        input_signature=[tf.TensorSpec([None, 1], tf.float32, name="x")],
    )
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.serve})
    return path
