"""A feed-forward network over dense features, like DNNClassifier and DNNRegressor."""

import keras
from keras import layers

from millrace.config.models import DnnConfig, HiddenLayers
from millrace.features.preprocessing import EncodedSpec
from millrace.features.tasks import Task
from millrace.models.activations import activated
from millrace.models.input_layers import DenseFeatures, encoded_inputs


def build(settings: DnnConfig, spec: EncodedSpec, task: Task) -> keras.Model:
    """Builds the model; see `millrace.models.build`."""
    inputs = encoded_inputs(spec)
    x = hidden_layers(DenseFeatures(spec, name="dense_features")(inputs), settings)
    return keras.Model(inputs, layers.Dense(task.outputs, name="logits")(x), name="dnn")


def hidden_layers(x: keras.KerasTensor, settings: HiddenLayers) -> keras.KerasTensor:
    """Returns [n, last units]: `hidden_units` layers over x [n, width], with `dropout`."""
    for layer, units in enumerate(settings.hidden_units):
        x = activated(layers.Dense(units, name=f"hidden_{layer}")(x), settings, layer)
    return x
