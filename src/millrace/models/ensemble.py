"""Ensembles: join separately trained models into one that averages their predictions."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from millrace import models
from millrace.config.built import Ensemble
from millrace.features.preprocessing import EncodedSpec
from millrace.features.tasks import Task
from millrace.models.input_layers import encoded_inputs


def build(settings: Ensemble, spec: EncodedSpec, task: Task) -> keras.Model:
    """Builds the model of untrained members, see `join`."""
    return join([models.build(member, spec, task) for member in settings.members], spec)


def join(trained: Sequence[keras.Model], spec: EncodedSpec) -> keras.Model:
    """Returns a model with all the models' outputs, a list of logits."""
    inputs = encoded_inputs(spec)
    logits = []
    for place, model in enumerate(trained):
        # Models of one kind have the same name, but the layers of a model need distinct ones.
        model.name = f"member_{place}"
        logits.append(model(inputs))
    return keras.Model(inputs, logits, name="ensemble")
