"""Models of TensorFlow 1 and Keras 2 to adopt, compare with, or start from."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from millrace.config.values import (
    CheckpointPath,
    Distinct,
    Items,
    LocalPath,
    Scalar,
    Section,
    Some,
)


class Tf1Source(Section):
    """A trained model of TensorFlow 1 or Keras 2, and how to feed it."""

    saved_model: LocalPath | None = Field(
        default=None, description="The folder of a SavedModel, such as an Estimator's export."
    )
    graph_def: LocalPath | None = Field(
        default=None, description="A frozen graph (.pb), with `inputs` and `output`."
    )
    checkpoint: CheckpointPath | None = Field(
        default=None,
        description="A checkpoint with its meta graph (…/model.ckpt-1000), with `inputs` and "
        "`output`.",
    )
    h5: LocalPath | None = Field(
        default=None, description="A whole model saved by Keras 2 as HDF5."
    )
    signature: str = Field(default="serving_default", description="The SavedModel's signature.")
    inputs: Mapping[str, str | Some[str]] | None = Field(
        default=None,
        description="The raw column for each input, or a list of columns for an input that takes "
        "several. Default: the column with the input's name.",
    )
    output: str | None = Field(
        default=None,
        description="The output with the predictions. Default: the signature's probabilities, "
        "scores or predictions.",
    )
    activation: Literal["none", "sigmoid", "softmax"] = Field(
        default="none",
        description="The function that turns the output into probabilities, if it holds logits.",
    )
    classes: Items[Scalar] | None = Field(
        default=None,
        min_length=2,
        description="The label's values in the order of the output. Default: sorted.",
    )
    missing: Mapping[str, Scalar] = Field(
        default_factory=dict,
        description="The value that the old system used for a missing value, by column.",
    )
    trust: bool = Field(
        default=False,
        description="Whether its graph may hold operations that touch files or run Python.",
    )


class OldVariable(Section):
    """A variable of an old model, and the features that its rows stand for."""

    variable: str
    inputs: Annotated[Distinct[str], Field(min_length=1)] | None = None


class AdoptConfig(Section):
    """A canned Estimator to take over."""

    EXACTLY_ONE: ClassVar = ("checkpoint", "saved_model")

    checkpoint: CheckpointPath | None = Field(
        default=None,
        description="Its checkpoint, without file endings: …/model.ckpt-1000. Either this or "
        "`saved_model`.",
    )
    saved_model: LocalPath | None = Field(default=None, description="The folder of its export.")
    deep: Items[str] | None = Field(
        default=None,
        description="The features in its dnn_feature_columns. Default: all of them for dnn, "
        "numbers and embeddings for wide_deep.",
    )
    columns: Items[str] | None = Field(
        default=None,
        description="The features in its feature_columns; for wide_deep, in its "
        "linear_feature_columns. Default: all of them.",
    )
    classes: Items[Scalar] | None = Field(
        default=None,
        min_length=2,
        description="Its label_vocabulary, or the label's values in its order. Default: sorted.",
    )
    reference: Tf1Source | None = Field(
        default=None,
        description="The exported Estimator, which the certificate runs in a tf.compat.v1 session "
        "for comparison.",
    )


class WarmStartConfig(Section):
    """An old model to start the training from."""

    EXACTLY_ONE: ClassVar = ("checkpoint", "saved_model", "graph_def", "h5")
    AT_MOST_ONE: ClassVar = (("map", "columns"), ("map", "deep"))

    checkpoint: CheckpointPath | None = Field(
        default=None,
        description="A checkpoint of TensorFlow 1, without file endings: …/model.ckpt-1000. "
        "Either this or one of the next three.",
    )
    saved_model: LocalPath | None = Field(default=None, description="The folder of a SavedModel.")
    graph_def: LocalPath | None = Field(default=None, description="A frozen graph (.pb).")
    h5: LocalPath | None = Field(
        default=None, description="A Keras 2 model in HDF5, whole or only its weights."
    )
    vocabularies: Mapping[str, LocalPath | Some[Scalar]] | None = Field(
        default=None,
        description="By feature, the old vocabulary in the order of its rows: a list, or a file "
        "with one value per line. Each value takes its old row. Default: the feature's own "
        "vocabulary, if a look-up table of the old model has the same.",
    )
    map: Mapping[str, str | OldVariable] | None = Field(
        default=None,
        min_length=1,
        description="The old variable for each weight: an embedding by its feature's name, other "
        "weights as LAYER/WEIGHT, those of a linear part as LAYER/FEATURE. `hidden_0/kernel` is a "
        "map of `variable` and `inputs`, the features in the order in which the old network "
        "concatenates them. Default: by the names and shapes of a canned Estimator.",
    )
    deep: Items[str] | None = Field(
        default=None,
        description="The features in its dnn_feature_columns. Default: all of them for dnn, "
        "numbers and embeddings for wide_deep.",
    )
    columns: Items[str] | None = Field(
        default=None,
        description="The features in its feature_columns; for wide_deep, in its "
        "linear_feature_columns. Default: all of them.",
    )
    classes: Items[Scalar] | None = Field(
        default=None,
        min_length=2,
        description="Its label_vocabulary, or the label's values in its order. Default: sorted.",
    )


class MappedWarmStart(WarmStartConfig):
    """`WarmStartConfig` for kinds of model that no canned Estimator matches: `map` is required."""

    map: Mapping[str, str | OldVariable] = Field(min_length=1)
