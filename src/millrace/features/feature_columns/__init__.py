"""Feature columns: convert raw columns to ids and numbers, with ops that every runtime has.

Each kind is one class: `learn` fits it to the statistics of the training examples, `encode` builds
the graph, and the dataclass fields are the learned state, saved in preprocessing.json. The kinds
and their meaning are those of `tf.feature_column`. CONTRIBUTING.md has the recipe for a new one.

The graph uses only what works in TensorFlow, TF Lite (builtin ops only) and TF.js: strings become
ids by a string -> int64 table followed by a reshape; a missing number is detected by `x != x`;
buckets are sums of comparisons; crosses and remainders are arithmetic; signs are comparisons,
because tf.sign in TF.js on WebAssembly is 0 for the smallest normal float32.
"""

from collections.abc import Mapping
from typing import Any

from millrace.config.features import CrossedConfig, Feature
from millrace.features.feature_columns.base import (
    Categorical,
    CategoricalInput,
    Context,
    FeatureColumn,
    NumberInput,
    Raw,
)
from millrace.features.feature_columns.computed import Bucketized, Crossed, Identity
from millrace.features.feature_columns.crossed_tf1 import CrossedTf1
from millrace.features.feature_columns.dates import Clock, Cyclic, DatePart, Elapsed
from millrace.features.feature_columns.dense import categorical_inputs, number_inputs
from millrace.features.feature_columns.lookup import Hashed, Lookup
from millrace.features.feature_columns.numeric import Numeric, Periodic, PiecewiseLinear
from millrace.features.feature_columns.saved_model import SavedModel
from millrace.features.feature_columns.sequence import Sequence, Weighted
from millrace.features.feature_columns.text import Text
from millrace.features.feature_columns.vocabulary import Vocabulary

__all__ = [
    "KINDS",
    "Bucketized",
    "Categorical",
    "CategoricalInput",
    "Context",
    "Crossed",
    "CrossedTf1",
    "Cyclic",
    "DatePart",
    "Elapsed",
    "FeatureColumn",
    "Hashed",
    "Identity",
    "Lookup",
    "NumberInput",
    "Numeric",
    "Periodic",
    "PiecewiseLinear",
    "Raw",
    "SavedModel",
    "Sequence",
    "Text",
    "Vocabulary",
    "Weighted",
    "categorical_inputs",
    "from_json",
    "kind_of",
    "number_inputs",
]

KINDS: dict[str, type[FeatureColumn]] = {
    kind.kind: kind
    for kind in (
        Numeric,
        PiecewiseLinear,
        Periodic,
        Vocabulary,
        Hashed,
        Identity,
        Bucketized,
        Sequence,
        Text,
        SavedModel,
        DatePart,
        Cyclic,
        Elapsed,
        Crossed,
        CrossedTf1,
        Weighted,
    )
}


def kind_of(settings: Feature) -> type[FeatureColumn] | None:
    """Returns the class for a feature's settings; None for embeddings and indicators."""
    compatible = isinstance(settings, CrossedConfig) and settings.compat
    return KINDS.get(f"{settings.kind}_tf1" if compatible else settings.kind)


def from_json(state: Mapping[str, Any]) -> FeatureColumn:
    """Rebuilds a column from the result of its `to_json`."""
    fields = {key: _frozen(value) for key, value in state.items() if key != "kind"}
    if "clock" in fields:
        clock = fields["clock"]
        fields["clock"] = Clock(**{key: _frozen(value) for key, value in clock.items()})
    return KINDS[state["kind"]](**fields)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(x) for x in value) if isinstance(value, list) else value
