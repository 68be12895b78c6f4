"""Feature columns fitted with settings as written in a config."""

from typing import Any

from millrace.config.features import feature_of
from millrace.features.feature_columns.base import Context, FeatureColumn


def learn_column(
    kind: type[FeatureColumn], name: str, settings: dict[str, Any], context: Context
) -> Any:
    """Returns a feature column fitted with settings as written in a config."""
    feature = feature_of({"kind": kind.kind.removesuffix("_tf1"), **settings})
    return kind.learn(name, feature, context)
