"""The first layers of every model: encoded examples as one dense tensor."""

from typing import Any

import keras
import tensorflow as tf
from keras import layers

from millrace.preprocessing import EncodedSpec


def encoded_inputs(spec: EncodedSpec) -> dict[str, keras.KerasTensor]:
    """Returns the Keras inputs of an encoded example; a part of width 0 has none."""
    inputs = {}
    if spec.numbers:
        inputs["numbers"] = keras.Input((len(spec.numbers),), name="numbers", dtype="float32")
    if spec.ids:
        inputs["ids"] = keras.Input((len(spec.ids),), name="ids", dtype="int32")
    return inputs


@keras.saving.register_keras_serializable("millrace")
class DenseFeatures(layers.Layer):
    """Joins the numbers, the indicators (one-hot) and the embeddings of an encoded example.

    Input: {`numbers`: float32 [n, …], `ids`: int32 [n, …]}. Output: float32 [n, width].
    """

    def __init__(self, spec: EncodedSpec, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec = spec

    def build(self, input_shape: Any) -> None:
        """Makes an embedding table for each id that is read by embedding."""
        self.tables = {
            place: self.add_weight(
                shape=(entry.cardinality, entry.dimension),
                # The scale of tf.feature_column.embedding_column.
                initializer=keras.initializers.TruncatedNormal(stddev=entry.dimension**-0.5),
                name=f"embedding_{place}",
            )
            for place, entry in enumerate(self.spec.ids)
            if entry.representation == "embedding"
        }
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Returns the dense tensor."""
        parts = [inputs["numbers"]] if self.spec.numbers else []
        for place, entry in enumerate(self.spec.ids):
            ids = inputs["ids"][:, place]
            if place in self.tables:
                parts.append(tf.gather(tf.convert_to_tensor(self.tables[place]), ids))
            else:
                # A comparison, not OneHot: TF.js' wasm backend computes OneHot wrongly.
                hot = tf.equal(ids[:, None], tf.range(entry.cardinality)[None, :])
                parts.append(tf.cast(hot, tf.float32))
        return tf.concat(parts, axis=1)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """Returns [n, width]."""
        return None, len(self.spec.numbers) + sum(entry.dimension for entry in self.spec.ids)
