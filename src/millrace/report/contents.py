"""Where everything lies that a job has made."""

from pathlib import Path
from typing import Any

# Listed by name, never by looking what is there: a report must not depend on its own last run.
ARTIFACTS = {
    "web/index.html": "The champion in a web page: enter a row, see its prediction",
    "model_card.md": "The champion on one page, for people",
    "export/saved_model/1": "SavedModel: signatures serving_default and serving_examples",
    "export/tflite": "TF Lite models, with what was shipped and why",
    "export/tfjs": "TF.js graph model, or why there is none",
    "export/signature.json": "What the exported models take and give",
    "parity.json": "The parity certificate, with each runtime's worst row",
    "champion.json": "Which model won, by how much, and whether it passed the gate",
    "leaderboard.csv": "All models by rank, with 95% intervals",
    "provenance.json": "What made all this, with the checksum of each file",
    "models": "Each model's weights, history, metrics, diagnostics and test predictions",
    "preprocessing.json": "What the feature columns learned",
    "statistics.json": "Statistics of the splits, with vocabularies and exact quantiles",
    "anomalies.json": "What is odd about the data",
    "schema.json": "The columns and their types",
    "suggested_schema.json": "The same with bounds, allowed values and unique columns, to commit",
    "ingest.json": "The row account",
    "rejected.csv": "Each rejected row verbatim, with the reason",
    "examples": "The validated TFRecords, one tf.train.Example per row",
    "encoded": "The encoded examples that all models train on",
}

# The report stage writes these beside the report itself, or they come after it: no size is known.
OWN = ("web/index.html", "model_card.md", "provenance.json")


def listing(results: Path) -> list[dict[str, Any]]:
    """Returns path (relative to `results`), meaning and bytes of each artifact that is there."""
    return [
        {
            "path": path,
            "meaning": meaning,
            "bytes": None if path in OWN else _bytes(results / path),
        }
        for path, meaning in ARTIFACTS.items()
        if path in OWN or (results / path).exists()
    ]


def _bytes(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    # Snakemake and interrupted runs leave hidden files, which are no part of an artifact.
    return sum(
        file.stat().st_size
        for file in path.rglob("*")
        if file.is_file() and not file.name.startswith(".")
    )
