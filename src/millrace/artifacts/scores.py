"""scores.json"""

from dataclasses import dataclass
from pathlib import Path

from millrace.files import write_json


@dataclass(frozen=True)
class Scores:
    """The selection metric of each model, in the format of `dvc metrics`.

    Attributes:
        metric: the metric, which is the file's only key.
        models: its value by model, in the order of the config.
    """

    metric: str
    models: dict[str, float]

    def save(self, path: Path) -> None:
        """Writes the file atomically."""
        write_json(path, {self.metric: self.models})
