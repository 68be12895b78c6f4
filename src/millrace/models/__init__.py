"""The models: each kind is a module whose `build` returns a Keras model of encoded examples."""

from typing import Any

import keras

from millrace.models import dcn, dnn, linear, tabm, wide_deep
from millrace.preprocessing import EncodedSpec
from millrace.tasks import Task

BUILDERS = {
    "linear": linear.build,
    "dnn": dnn.build,
    "wide_deep": wide_deep.build,
    "dcn": dcn.build,
    "tabm": tabm.build,
}


def build(settings: dict[str, Any], spec: EncodedSpec, task: Task) -> keras.Model:
    """Builds an untrained model.

    Args:
        settings: one entry of the completed config's `models`.
        spec: what an encoded example holds.
        task: what is predicted.

    Returns:
        A model from {`numbers`: float32 [n, …], `ids`: int32 [n, …]} to logits [n, task.outputs],
        or [n, members, task.outputs] of a model with members.
    """
    return BUILDERS[settings["kind"]](settings, spec, task)
