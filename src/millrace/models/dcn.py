"""Deep & Cross Network v2: a network with learned feature crosses (Wang et al., 2021).

A cross layer computes x0 ⊙ (U Vᵀ x + b) + x, so that l layers compute products of up to l + 1
features; the low rank of U and V keeps it small.
"""

import keras
from keras import layers

from millrace.config.models import DcnConfig
from millrace.features.preprocessing import EncodedSpec
from millrace.features.tasks import Task
from millrace.models.dnn import hidden_layers
from millrace.models.input_layers import DenseFeatures, encoded_inputs


def build(settings: DcnConfig, spec: EncodedSpec, task: Task) -> keras.Model:
    """Builds the model; see `millrace.models.build`."""
    inputs = encoded_inputs(spec)
    x0 = DenseFeatures(spec, name="dense_features")(inputs)
    crossed = x0
    for layer in range(settings.cross_layers):
        crossed = cross(x0, crossed, settings.rank, f"cross_{layer}")
    deep = hidden_layers(x0, settings)
    both = layers.Concatenate(name="cross_and_deep")([crossed, deep])
    return keras.Model(inputs, layers.Dense(task.outputs, name="logits")(both), name="dcn")


def cross(x0: keras.KerasTensor, x: keras.KerasTensor, rank: int, name: str) -> keras.KerasTensor:
    """Returns x0 ⊙ (U Vᵀ x + b) + x, of the shape of x0 and x, [n, width]."""
    width = x0.shape[-1]
    # A rank above the width would only add redundant weights.
    low = layers.Dense(min(rank, width), use_bias=False, name=f"{name}_v")(x)
    return x0 * layers.Dense(width, name=f"{name}_u")(low) + x
