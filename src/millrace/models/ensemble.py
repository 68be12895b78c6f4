"""Ensembles: join separately trained models into one that averages their predictions."""

import keras
from keras import layers

from millrace import models
from millrace.config.built import Ensemble
from millrace.features.preprocessing import EncodedSpec
from millrace.features.tasks import Task
from millrace.models.input_layers import encoded_inputs


def build(settings: Ensemble, spec: EncodedSpec, task: Task) -> keras.Model:
    """Builds the model of untrained members; see `millrace.models.build`."""
    return join([models.build(member, spec, task) for member in settings.members], spec)


def join(trained: list[keras.Model], spec: EncodedSpec) -> keras.Model:
    """Returns a model with the logits of all models, [n, members, outputs].

    The task averages the predictions of a model's members. All models must be of one kind, so that
    they have the same number of members and count equally.
    """
    inputs = encoded_inputs(spec)
    members = []
    for place, model in enumerate(trained):
        # Models of one kind have the same name, but the layers of a model need distinct ones.
        model.name = f"member_{place}"
        logits = model(inputs)
        if len(logits.shape) == 2:
            logits = layers.Reshape((1, logits.shape[1]), name=f"logits_{place}")(logits)
        members.append(logits)
    return keras.Model(inputs, layers.Concatenate(axis=1, name="members")(members), name="ensemble")
