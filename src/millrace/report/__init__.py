"""The report and the model card: what was asked, what was found, and what made it."""

from pathlib import Path
from typing import Any

from markupsafe import Markup

from millrace import html
from millrace.files import read_json
from millrace.report import data, files, models

__all__ = ["build", "build_model_card"]

LIBRARIES = ["d3", "plot"]
SCRIPTS = ["charts.js", "models.js", "report.js"]
RUNTIME_NAMES = {
    "saved_model": "SavedModel",
    "tflite": "TF Lite",
    "tfjs": "TF.js",
    "tf1": "TensorFlow 1",
}

SECTIONS = {
    "question": "The question",
    "rows": "Rows",
    "data": "Data",
    "anomalies": "Anomalies",
    "leaderboard": "Leaderboard",
    "training": "Training",
    "evaluation": "Evaluation",
    "importance": "Importance",
    "slices": "Slices",
    "parity": "Parity",
    "files": "Files",
    "provenance": "Provenance",
}


def build(config: dict[str, Any], results: Path, provenance: dict[str, Any]) -> str:
    """Returns the report of a job as one HTML file that needs neither network nor other files.

    Args:
        config: the completed config.
        results: the job's folder, with what the other stages wrote.
        provenance: what `provenance.collect` returns.

    Raises:
        MillraceError: an artifact or a JavaScript library is missing.
    """
    facts = _facts(config, results) | {"provenance": provenance}
    charts = {
        "account": facts["account"],
        "columns": facts["columns"],
        "models": facts["models"],
        "champion": facts["champion"],
        "metricNames": models.METRIC_NAMES,
        "lowerIsBetter": facts["leaderboard"]["lower_is_better"],
        "parity": facts["parity"],
        "runtimeNames": RUNTIME_NAMES,
        "question": facts["question"],
    }
    return html.render(
        "report",
        LIBRARIES,
        SCRIPTS,
        sections=SECTIONS,
        charts_json=Markup(html.embedded_json(charts)),
        **facts,
    )


def build_model_card(config: dict[str, Any], results: Path, provenance: dict[str, Any]) -> str:
    """Returns the champion's model card as Markdown; arguments and errors as for `build`."""
    facts = _facts(config, results)
    return html.template("report/model_card.md").render(provenance=provenance, **facts)


def _facts(config: dict[str, Any], results: Path) -> dict[str, Any]:
    """Returns everything that the templates tell, most of it as the stages wrote it."""
    statistics = read_json(results / "statistics.json")
    champion = read_json(results / "champion.json")
    evaluated = models.read(results, list(config["models"]))
    return {
        "config": config,
        "question": data.question(config, statistics, results),
        "account": data.account(read_json(results / "ingest.json")),
        "columns": data.columns(statistics),
        "anomalies": read_json(results / "anomalies.json")["anomalies"],
        "champion": champion | {"metric_name": models.METRIC_NAMES[champion["metric"]]},
        "leaderboard": models.leaderboard(results / "leaderboard.csv", evaluated),
        "models": evaluated,
        "best": evaluated[champion["model"]],
        "parity": read_json(results / "parity.json"),
        "files": files.listing(results),
        "metric_names": models.METRIC_NAMES,
        "runtime_names": RUNTIME_NAMES,
    }
