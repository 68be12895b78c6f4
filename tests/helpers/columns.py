"""Feature columns that learn by settings as a config has them."""

from typing import Any

from millrace.config.features import feature_of
from millrace.features.feature_columns.base import Context, FeatureColumn


def learn_column(
    kind: type[FeatureColumn], name: str, settings: dict[str, Any], context: Context
) -> Any:
    """Returns what a kind of feature column learns by settings as a config has them."""
    feature = feature_of({"kind": kind.kind.removesuffix("_tf1"), **settings})
    return kind.learn(name, feature, context)
