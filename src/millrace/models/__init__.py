"""The models: each kind is a module whose `build` returns a Keras model of encoded examples."""

from typing import Any

import keras

from millrace.features.preprocessing import EncodedSpec
from millrace.features.tasks import Task
from millrace.models import boosted_trees, custom, dcn, dnn, ensemble, linear, tabm, wide_deep

KINDS: dict[str, Any] = {
    "linear": linear,
    "dnn": dnn,
    "wide_deep": wide_deep,
    "dcn": dcn,
    "tabm": tabm,
    "boosted_trees": boosted_trees,
    "custom": custom,
}


def build(settings: dict[str, Any], spec: EncodedSpec, task: Task) -> keras.Model:
    """Builds an untrained model.

    Args:
        settings: one entry of the completed config's `models`; or of kind `ensemble`, which has
            those of each of its `members`.
        spec: what an encoded example holds.
        task: what is predicted.

    Returns:
        A model from {`numbers`: float32 [n, …], `ids`: int32 [n, …]} to logits [n, task.outputs],
        or [n, members, task.outputs] of a model with members.
    """
    if settings["kind"] == "ensemble":
        return ensemble.join([build(member, spec, task) for member in settings["members"]], spec)
    model: keras.Model = KINDS[settings["kind"]].build(settings, spec, task)
    return model


def pinned(settings: dict[str, Any]) -> dict[str, Any]:
    """Returns the settings with what says which code the model is, where that is not ours."""
    return custom.pinned(settings) if settings["kind"] == "custom" else settings


def training_defaults(settings: dict[str, Any], rows: int) -> dict[str, Any]:
    """Returns the settings of `training` that suit a model, for so many examples."""
    of_kind = getattr(KINDS[settings["kind"]], "training_defaults", None)
    return of_kind(settings, rows) if of_kind else {}
