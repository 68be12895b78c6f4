"""The blessing: whether the champion of a job may replace the model in use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from millrace.artifacts.blessing import Blessing, BlessingCheck, ComparedRows
from millrace.artifacts.parity import Parity
from millrace.artifacts.schema import Schema
from millrace.artifacts.signature import Input, Signature
from millrace.artifacts.statistics import Statistics
from millrace.config.job import JobConfig
from millrace.errors import MillraceError
from millrace.evaluation import metrics
from millrace.export.runtimes import cells as client_cells
from millrace.files import replacing, sha256
from millrace.results import Results
from millrace.serving import comparison, warm_up
from millrace.serving.comparison import Model, Paired
from millrace.serving.shipped import shipped_files
from millrace.serving.versions import Versions

# How many slices or files a message names.
SHOWN = 3

# Key, type in the signature, type in schema.json.
_Sent = tuple[str, str, str]


def bless(job: JobConfig, results: Results, versions: Versions) -> Blessing:
    """Returns whether the champion may replace the model in use; writes its warm-up requests.

    Args:
        job: the completed config.
        results: of the job.
        versions: of the model in use.

    Raises:
        MillraceError: the job has not been run to its end, or the model in use cannot predict.
    """
    signature, in_use = Signature.load(results.signature), versions.in_use()
    certificate = Parity.load(results.parity)
    metric = metrics.selection_metric(job.selection.metric, signature.task)
    _write_requests(job, results, signature)
    files = {name: sha256(path) for name, path in shipped_files(results).items()}
    checks = [_parity(certificate, signature), _files(results, certificate, files)]
    # Models that do not load or are not the certified files cannot predict.
    if can_predict := all(check.passed for check in checks):
        checks.append(_loads(job, results, signature))
        can_predict = checks[-1].passed is True
    compared: list[ComparedRows] = []
    if in_use is None:
        none = f"no model in use under {versions.folder}: nothing to compare with"
        checks += [BlessingCheck(name, None, none) for name in ("columns", "overall", "slices")]
    else:
        served = versions.version(in_use)
        before = Signature.load(served.signature)
        checks.append(compare_columns(before, signature, job.bless.changed_columns))
        if can_predict and _is_comparable(before, signature):
            pair = [
                Model(results.saved_model, results.signature),
                Model(served.saved_model, served.signature),
            ]
            compared = list(_compared(job, results, signature, before, pair))
            checks += [_overall(compared[0], metric, in_use), _slices(compared[1:], job)]
        else:
            checks.append(_not_comparable(before, signature))
    return Blessing(
        blessed=all(check.passed is not False for check in checks),
        model=signature.model,
        in_use=in_use,
        metric=metric,
        checks=checks,
        compared=compared,
        files=files,
    )


def _parity(certificate: Parity, signature: Signature) -> BlessingCheck:
    if certificate.model != signature.model:
        message = f"the certificate is of {certificate.model}, the export of {signature.model}"
        return BlessingCheck("parity", False, message)
    runtimes = certificate.runtimes
    worst = max((x.difference for x in runtimes if not x.reduced), default=0.0)
    return BlessingCheck(
        "parity",
        certificate.passed,
        f"{len(runtimes)} runtimes on {certificate.rows:,} rows, largest difference {worst:.2g}",
    )


def _files(results: Results, certificate: Parity, found: dict[str, str]) -> BlessingCheck:
    models = {name: digest for name, digest in found.items() if "/" in name}
    names = sorted(models.keys() | certificate.files.keys())
    other = [name for name in names if models.get(name) != certificate.files.get(name)]
    if not other:
        message = f"{len(models)} files are those that parity.json certifies"
        return BlessingCheck("files", True, message)
    shown = ", ".join(other[:SHOWN]) + (", …" if len(other) > SHOWN else "")
    message = f"{len(other)} files are not those that {results.parity} certifies: {shown}"
    return BlessingCheck("files", False, message)


def _write_requests(job: JobConfig, results: Results, signature: Signature) -> None:
    train = Statistics.load(results.statistics).train.columns
    cells = warm_up.rows(signature, train, job.report.min_count)
    # The statistics have numbers, and times in ISO 8601, whatever the table's formats.
    inputs = [asdict(replace(each, format=None)) for each in signature.inputs]
    fed = client_cells.tensors(dict(cells), inputs)
    tensors = {each.key: _as_array(fed[each.key], each) for each in signature.inputs}
    with replacing(results.warm_up) as temporary:
        warm_up.write(temporary, job.name, tensors)


def _loads(job: JobConfig, results: Results, signature: Signature) -> BlessingCheck:
    """Answers the warm-up requests in a new process."""
    try:
        answered = warm_up.answers(results.saved_model, results.warm_up)
    except MillraceError as error:
        return BlessingCheck("warm_up", False, str(error))
    *single, together = answered
    classes = (len(signature.classes),) if signature.task == "multiclass" else ()
    is_whole = together.shape == (warm_up.ROWS, *classes) and all(
        x.shape == (1, *classes) for x in single
    )
    if not is_whole or not np.isfinite(together).all() or not np.isfinite(single).all():
        message = "the answers of a fresh process to the warm-up requests are not finite numbers"
        return BlessingCheck("warm_up", False, message)
    apart = float(np.abs(together - np.concatenate(single)).max())
    if apart > job.parity.tolerance * max(1.0, signature.label_std):
        message = f"a row alone and in a batch get answers that differ by {apart:.2g}"
        return BlessingCheck("warm_up", False, message)
    message = f"a fresh process loaded the SavedModel and answered {len(answered)} requests"
    return BlessingCheck("warm_up", True, message)


def _as_array(values: Sequence[object], about: Input) -> np.ndarray:
    if about.type == "float32":
        return np.array(values, np.float32)
    encoded: np.ndarray = np.vectorize(str.encode, otypes=[object])(np.array(values, object))
    return encoded


def compare_columns(before: Signature, now: Signature, changed: Sequence[str]) -> BlessingCheck:
    """Compares what clients send with what the new model takes."""
    sent, taken = ({x.name: _sent(x) for x in each.inputs} for each in (before, now))
    faults = {name: _difference(name, sent.get(name), taken.get(name)) for name in [*taken, *sent]}
    found = {name: fault for name, fault in faults.items() if fault}
    if unknown := [fault for name, fault in found.items() if name not in changed]:
        message = (
            f"the new model {'; '.join(unknown)}: change the clients and list the columns under "
            "bless.changed_columns"
        )
        return BlessingCheck("columns", False, message)
    message = f"the new model takes the {len(taken)} columns that clients send"
    if found:
        message = (
            f"by bless.changed_columns, clients know: the new model {'; '.join(found.values())}"
        )
    return BlessingCheck("columns", True, message)


def _difference(name: str, sent: _Sent | None, taken: _Sent | None) -> str | None:
    """Returns a description of the differences in how a column is sent and taken."""
    if sent == taken:
        return None
    if sent is None:
        return f"takes {name!r}, which clients do not send"
    if taken is None:
        return f"no longer takes {name!r}, which clients send and TensorFlow Serving would refuse"
    return f"takes {name!r} as {' '.join(taken)}, not as {' '.join(sent)}"


def _sent(each: Input) -> _Sent:
    """Returns the properties of a column that matter to a client."""
    length = f"[{each.max_length}]" if each.max_length else ""
    return each.key, f"{each.type}{length}", each.column_type


def _is_comparable(before: Signature, now: Signature) -> bool:
    return (before.task, before.classes, before.label) == (now.task, now.classes, now.label)


def _not_comparable(before: Signature, now: Signature) -> BlessingCheck:
    if _is_comparable(before, now):
        return BlessingCheck("overall", False, "not compared: an earlier check failed")
    found = [f"{x.task} of {x.label!r} with classes {x.classes}" for x in (now, before)]
    return BlessingCheck("overall", False, f"the new model predicts {found[0]}, not {found[1]}")


def _compared(
    job: JobConfig, results: Results, now: Signature, before: Signature, pair: Sequence[Model]
) -> Iterator[ComparedRows]:
    schema = Schema.load(results.schema)
    rows = comparison.read_rows(job, results.examples, schema, pair)
    new, in_use = (comparison.predict(model, rows) for model in pair)
    paired = Paired(job, now, rows, new, in_use, before.threshold)
    yield paired.overall()
    yield from paired.slices()


def _overall(found: ComparedRows, metric: str, in_use: int) -> BlessingCheck:
    difference = found.difference
    if difference is None or difference.low is None or difference.high is None:
        message = f"{found.rows:,} test rows are too few for an interval of the difference"
        return BlessingCheck("overall", False, message)
    message = (
        f"{metric} {found.new:.4f}, version {in_use} {found.in_use:.4f} on the same {found.rows:,} "
        f"test rows: better by {difference.value:+.4f}, 95 %: {difference.low:+.4f} to "
        f"{difference.high:+.4f}, margin {found.margin:.4g}"
    )
    return BlessingCheck("overall", found.passed, message)


def _slices(found: Sequence[ComparedRows], job: JobConfig) -> BlessingCheck:
    judged = [x for x in found if x.passed is not None]
    skipped = len(found) - len(judged)
    left_out = f", {skipped} with too few rows left out" if skipped else ""
    if not job.evaluation.slices:
        message = "no slices: evaluation.slices names no column"
        return BlessingCheck("slices", True, message)
    worse = [x for x in judged if not x.passed]
    if not worse:
        message = f"{len(judged)} slices are within the margin{left_out}"
        return BlessingCheck("slices", True, message)
    shown = "; ".join(
        f"{x.column} = {x.value!r} ({x.rows:,} rows) by {x.difference.value:+.4f}"
        for x in worse[:SHOWN]
        if x.difference
    )
    message = f"{len(worse)} of {len(judged)} slices are worse by more than the margin: {shown}"
    return BlessingCheck("slices", False, message + left_out)


def summary(blessing: Blessing, path: Path) -> str:
    """Returns the text for a person: each check, and the outcome."""
    words = {True: "yes", False: "NO", None: "–"}
    lines = [f"{words[x.passed]:4}{x.check}: {x.message}" for x in blessing.checks]
    outcome = "blessed" if blessing.blessed else "NOT blessed: it cannot be pushed"
    return "\n".join([*lines, f"{blessing.model}: {outcome} ({path})"])
