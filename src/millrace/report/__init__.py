"""The report and the model card."""

from dataclasses import replace
from typing import Any

from markupsafe import Markup

from millrace.artifacts.account import Account
from millrace.artifacts.anomalies import Anomalies
from millrace.artifacts.champion import Champion
from millrace.artifacts.leaderboard import Leaderboard
from millrace.artifacts.parity import Parity
from millrace.artifacts.provenance import Origin
from millrace.artifacts.statistics import Statistics
from millrace.config.job import JobConfig
from millrace.config.values import plain_form
from millrace.evaluation import choice_in_words
from millrace.files import read_json
from millrace.report import contents, data_section, inline_html, licences, models_section
from millrace.report.privacy import Privacy
from millrace.results import Results

__all__ = ["build", "build_model_card"]

LIBRARIES = ["d3", "plot"]
SCRIPTS = ["charts.js", "models.js", "report.js"]
RUNTIME_NAMES = {
    "evaluation": "Evaluation",
    "saved_model": "SavedModel",
    "tflite": "TF Lite",
    "tfjs": "TF.js",
    "onnx": "ONNX Runtime",
    "tf1": "TensorFlow 1",
}

SECTIONS = {
    "question": "Task",
    "rows": "Rows",
    "data": "Data",
    "anomalies": "Assumptions and anomalies",
    "leaderboard": "Leaderboard",
    "training": "Training",
    "evaluation": "Evaluation",
    "importance": "Importance",
    "slices": "Slices",
    "parity": "Parity",
    "files": "Files",
    "provenance": "Provenance",
}


def build(config: JobConfig, results: Results, provenance: Origin) -> str:
    """Returns the report of a job as one HTML file that needs neither network nor other files.

    Args:
        config: the completed config.
        results: the results of the job, with the artifacts of all other stages.
        provenance: the result of `provenance.collect`.

    Raises:
        MillraceError: an artifact or a JavaScript library is missing.
    """
    facts = _facts(config, results) | {"provenance": provenance}
    charts = {
        "account": facts["account"],
        "columns": facts["columns"],
        "models": facts["models"],
        "champion": facts["champion"],
        "metricNames": models_section.METRIC_NAMES,
        "lowerIsBetter": facts["leaderboard"].lower_is_better,
        "parity": facts["parity"],
        "runtimeNames": RUNTIME_NAMES,
        "question": facts["question"],
    }
    return inline_html.render(
        "report",
        LIBRARIES,
        SCRIPTS,
        sections=SECTIONS,
        charts_json=Markup(inline_html.embedded_json(charts)),
        licences=Markup(licences.text(LIBRARIES)),
        **facts,
    )


def build_model_card(config: JobConfig, results: Results, provenance: Origin) -> str:
    """Returns the champion's model card as Markdown; arguments and errors as for `build`."""
    facts = _facts(config, results)
    return inline_html.template("report/model_card.md").render(provenance=provenance, **facts)


def _facts(config: JobConfig, results: Results) -> dict[str, Any]:
    """Returns the variables of the templates, most of them artifacts."""
    statistics = Statistics.load(results.statistics)
    champion = Champion.load(results.champion)
    question = data_section.question(config, statistics, results)
    privacy = Privacy(config.report.min_count, statistics.train.columns, question.left_out)
    evaluated = models_section.read(results, list(config.models), privacy)
    anomalies = Anomalies.load(results.anomalies).anomalies
    shown = [replace(found, message=privacy.message(found)) for found in anomalies]
    learned = read_json(results.preprocessing)["columns"] if results.preprocessing.exists() else ()
    metric_name = models_section.METRIC_NAMES[champion.metric]
    return {
        "config": config,
        "config_as_json": plain_form(config),
        "question": question,
        "account": data_section.account(Account.load(results.account)),
        "columns": data_section.columns(statistics, privacy),
        "anomalies": [*shown, *privacy.rare_in_model(learned)],
        "champion": champion,
        "choice_in_words": list(choice_in_words.lines(champion, metric_name)),
        "metric_name": metric_name,
        "leaderboard": models_section.leaderboard(Leaderboard.load(results.leaderboard), evaluated),
        "models": evaluated,
        "best": evaluated[champion.model],
        "parity": privacy.parity(Parity.load(results.parity)),
        "files": contents.listing(results),
        "metric_names": models_section.METRIC_NAMES,
        "runtime_names": RUNTIME_NAMES,
    }
