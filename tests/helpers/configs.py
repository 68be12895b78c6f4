"""Parts of a config, validated and with defaults."""

from typing import Any

from millrace.config import complete
from millrace.config.data import DataConfig
from millrace.config.models import Model


def data_config(**data: Any) -> DataConfig:
    """Returns `data` with the keys given, a file and a label."""
    return complete({"name": "made", "data": {"files": "t.csv", "label": "y"} | data}).data


def model_settings(kind: str, **settings: Any) -> Model:
    """Returns the settings of a model with their defaults."""
    model = {"kind": kind, **settings}
    data = {"files": "t.csv", "label": "y"}
    return complete({"name": "made", "data": data, "models": {"m": model}}).models["m"]
