"""Models of TensorFlow 1 and Keras 2: what is adopted, compared with, or started from."""

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
        default=None, description="The folder of a SavedModel, also of an Estimator's export."
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
        default=None, description="A whole model that Keras 2 saved as HDF5."
    )
    signature: str = Field(default="serving_default", description="The SavedModel's signature.")
    inputs: Mapping[str, str | Some[str]] | None = Field(
        default=None,
        description="The raw column that each input takes, or the list of them where it takes a "
        "table. Default: the column of the input's own name.",
    )
    output: str | None = Field(
        default=None,
        description="The output that holds the predictions. Default: the signature's "
        "probabilities, scores or predictions.",
    )
    activation: Literal["none", "sigmoid", "softmax"] = Field(
        default="none", description="What makes probabilities of the output, where it holds logits."
    )
    classes: Items[Scalar] | None = Field(
        default=None,
        min_length=2,
        description="The label's values in the order of the output. Default: sorted.",
    )
    missing: Mapping[str, Scalar] = Field(
        default_factory=dict,
        description="What the old system put in the place of a missing value, by column.",
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
        description="Its checkpoint, without its endings: …/model.ckpt-1000. Either this or "
        "`saved_model`.",
    )
    saved_model: LocalPath | None = Field(default=None, description="The folder of its export.")
    deep: Items[str] | None = Field(
        default=None,
        description="The features in its dnn_feature_columns. Default: all of them for dnn; the "
        "numbers and embeddings for wide_deep.",
    )
    columns: Items[str] | None = Field(
        default=None,
        description="The features in its feature_columns, of wide_deep in its "
        "linear_feature_columns. Default: all of them.",
    )
    classes: Items[Scalar] | None = Field(
        default=None,
        min_length=2,
        description="Its label_vocabulary, or the label's values in its order. Default: sorted.",
    )
    reference: Tf1Source | None = Field(
        default=None,
        description="The same Estimator as it was exported: the certificate compares with it, run "
        "by a tf.compat.v1 session.",
    )


class WarmStartConfig(Section):
    """An old model to start the training from."""

    EXACTLY_ONE: ClassVar = ("checkpoint", "saved_model", "graph_def", "h5")
    AT_MOST_ONE: ClassVar = (("map", "columns"), ("map", "deep"))

    checkpoint: CheckpointPath | None = Field(
        default=None,
        description="A checkpoint of TensorFlow 1, without its endings: …/model.ckpt-1000. Either "
        "this or one of the next three.",
    )
    saved_model: LocalPath | None = Field(default=None, description="The folder of a SavedModel.")
    graph_def: LocalPath | None = Field(default=None, description="A frozen graph (.pb).")
    h5: LocalPath | None = Field(
        default=None, description="A model of Keras 2 in HDF5, whole or its weights."
    )
    vocabularies: Mapping[str, LocalPath | Some[Scalar]] | None = Field(
        default=None,
        description="By feature, the old vocabulary in the order of its rows: a list, or a file "
        "with one value a line. Each value takes the row that it had. Default: the feature's own, "
        "if a look-up table of the old model has the same.",
    )
    map: Mapping[str, str | OldVariable] | None = Field(
        default=None,
        min_length=1,
        description="What takes which old variable: an embedding by its feature's name, a weight "
        "as LAYER/WEIGHT, of a linear part LAYER/FEATURE. `hidden_0/kernel` is a map of "
        "`variable` and `inputs`, the features in the order in which the old network joins them. "
        "Default: by the names and shapes of a canned Estimator.",
    )
    deep: Items[str] | None = Field(
        default=None,
        description="The features in its dnn_feature_columns. Default: all of them for dnn; the "
        "numbers and embeddings for wide_deep.",
    )
    columns: Items[str] | None = Field(
        default=None,
        description="The features in its feature_columns, of wide_deep in its "
        "linear_feature_columns. Default: all of them.",
    )
    classes: Items[Scalar] | None = Field(
        default=None,
        min_length=2,
        description="Its label_vocabulary, or the label's values in its order. Default: sorted.",
    )


class MappedWarmStart(WarmStartConfig):
    """As `WarmStartConfig`, for models that no Estimator had: the map is required."""

    map: Mapping[str, str | OldVariable] = Field(min_length=1)
