"""The web page: an HTML file with a TF.js model that predicts a row as it is typed."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from millrace.artifacts.champion import Champion
from millrace.artifacts.conversion import Conversion
from millrace.artifacts.parity import Parity
from millrace.artifacts.signature import Signature
from millrace.artifacts.statistics import Statistics
from millrace.config.job import JobConfig
from millrace.errors import MillraceError
from millrace.files import read_json, sha256
from millrace.report import form_fields, inline_html, licences, sample_rows
from millrace.report.privacy import Privacy
from millrace.results import ConvertedFolder, Results

LIBRARIES = ["tfjs-core", "tfjs-converter", "tfjs-backend-cpu"]
SCRIPTS = ["../cells.cjs", "form.js", "answer.js", "page.js"]

QUESTIONS = {
    "binary": "How likely is {label} = {positive}?",
    "multiclass": "Which {label} is it?",
    "regression": "How much is {label}?",
}


def build(config: JobConfig, results: Results) -> str:
    """Returns the page of a job as HTML that needs neither network nor other files.

    If there is no TF.js model, the page says why.

    Args:
        config: the completed config.
        results: the job's results, with schema, statistics, champion and export.

    Raises:
        MillraceError: an artifact or a JavaScript library is missing, or the TF.js model is not the
            one that verify compared.
    """
    signature = Signature.load(results.signature)
    statistics = Statistics.load(results.statistics)
    champion = Champion.load(results.champion)
    left_out = Conversion.load(ConvertedFolder(results.tfjs).description).left_out
    splits = [split.columns for split in statistics.splits.values()]
    privacy = Privacy(config.report.min_count, statistics.train.columns, left_out=())
    fields = [
        form_fields.of_input(item, [columns[item.name] for columns in splits], privacy)
        for item in signature.inputs
    ]
    if config.report.samples:
        samples = sample_rows.from_test(results, signature, champion.model)
    else:
        samples = sample_rows.synthetic(fields, statistics.train.columns, config.seed)
    job = {
        "name": config.name,
        "label": signature.label,
        "task": signature.task,
        "classes": signature.classes,
        "threshold": signature.threshold,
        "question": _question(signature),
        "champion": champion.model,
        "training_rows": statistics.train.rows,
        "columns": [field.as_json() for field in fields],
        "samples": samples,
        "model": None if left_out else _model(results.tfjs, Parity.load(results.parity)),
    }
    return inline_html.render(
        "page",
        [] if left_out else LIBRARIES,
        [] if left_out else SCRIPTS,
        job=job,
        samples_are_synthetic=not config.report.samples,
        job_json=Markup(inline_html.embedded_json(job)),
        left_out=left_out,
        licences="" if left_out else Markup(licences.text(LIBRARIES)),
    )


def _question(signature: Signature) -> str:
    positive = signature.classes[1] if signature.task == "binary" else None
    return QUESTIONS[signature.task].format(label=signature.label, positive=positive)


@dataclass(frozen=True)
class EmbeddedModel:
    """The TF.js model as embedded in the page.

    Attributes:
        topology: the content of model.json.
        weights: the bytes of the weights, in base64.
    """

    topology: Any
    weights: str


def _model(directory: Path, parity: Parity) -> EmbeddedModel:
    topology = read_json(directory / "model.json")
    paths = [path for group in topology["weightsManifest"] for path in group["paths"]]
    for name in ("model.json", *paths):
        _require_verified(directory / name, parity.files.get(f"tfjs/{name}"))
    weights = b"".join((directory / path).read_bytes() for path in paths)
    return EmbeddedModel(topology, base64.b64encode(weights).decode())


def _require_verified(path: Path, expected: str | None) -> None:
    found = sha256(path) if path.exists() else "no file"
    if found != expected:
        raise MillraceError(
            f"{path}: expected the file that verify compared with Keras, SHA-256"
            f" {expected or 'unknown'}, found {found}.",
            note="the file was changed or cut off since: run convert_tfjs and verify again.",
        )
