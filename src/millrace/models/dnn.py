"""A feed-forward network over dense features, like DNNClassifier and DNNRegressor."""

from typing import Any

import keras
from keras import layers

from millrace.models.inputs import DenseFeatures, encoded_inputs
from millrace.preprocessing import EncodedSpec
from millrace.tasks import Task


def build(settings: dict[str, Any], spec: EncodedSpec, task: Task) -> keras.Model:
    """Builds the model; see `millrace.models.build`."""
    inputs = encoded_inputs(spec)
    x = DenseFeatures(spec, name="dense_features")(inputs)
    for layer, units in enumerate(settings["hidden_units"]):
        x = layers.Dense(units, activation="relu", name=f"hidden_{layer}")(x)
        if settings["dropout"] > 0:
            x = layers.Dropout(settings["dropout"], name=f"dropout_{layer}")(x)
    return keras.Model(inputs, layers.Dense(task.outputs, name="logits")(x), name="dnn")
