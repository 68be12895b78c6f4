"""Wide & Deep: a linear model and a network, trained jointly (Cheng et al., 2016).

The wide part memorizes single ids and crosses; the deep part generalizes by embeddings, like
DNNLinearCombinedClassifier and DNNLinearCombinedRegressor.
"""

import keras
from keras import layers

from millrace.config.models import WideDeepConfig
from millrace.features.preprocessing import EncodedSpec
from millrace.features.tasks import Task
from millrace.models.dnn import hidden_layers
from millrace.models.input_layers import DenseFeatures, encoded_inputs
from millrace.models.linear import Linear


def build(settings: WideDeepConfig, spec: EncodedSpec, task: Task) -> keras.Model:
    """Builds the model; see `millrace.models.build`."""
    inputs = encoded_inputs(spec)
    wide = Linear(spec, task.outputs, name="wide")(inputs)
    x = hidden_layers(DenseFeatures(spec, name="dense_features")(inputs), settings)
    # The wide part has the only bias.
    deep = layers.Dense(task.outputs, use_bias=False, name="deep")(x)
    return keras.Model(inputs, layers.Add(name="logits")([wide, deep]), name="wide_deep")
