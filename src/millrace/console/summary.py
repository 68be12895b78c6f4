"""The summary of a job: the champion, its metrics, parity, warnings and the files to open.

Run as `python -m millrace.console.summary --config FILE`.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from millrace import config
from millrace.artifacts.anomalies import Anomalies
from millrace.artifacts.champion import Champion
from millrace.artifacts.metrics import Metrics
from millrace.artifacts.parity import Parity
from millrace.console import costs
from millrace.errors import exit_with_status
from millrace.evaluation import choice_in_words
from millrace.files import read_json
from millrace.results import Logs, Results

# Kinds of anomalies about the interpretation of cells.
OF_CELLS = ("number_format", "time_format", "lines")

# The most lines about the data; the report has all of them.
MOST_TAKEN = 20


def summary(results: Results) -> str:
    """Returns the summary of the results of a job, in lines of about 100 characters.

    Raises MillraceError when an artifact is missing.
    """
    champion = Champion.load(results.champion)
    metrics = Metrics.load(results.run(champion.model).metrics)
    parity = Parity.load(results.parity)
    not_reached = {runtime.runtime for runtime in parity.not_reached}
    lines = [
        *_champion(champion, metrics),
        *_parity(parity),
        *_taken(results),
        *_files(results, not_reached),
    ]
    return "\n".join(lines)


def _champion(champion: Champion, metrics: Metrics) -> Iterator[str]:
    intervals = "" if metrics.too_small else " (95 % interval)"
    yield f"Champion: {champion.model}, on {metrics.rows:,} test rows{intervals}"
    if metrics.too_small:
        yield f"  warning: the test has {metrics.too_small}: too few to trust a metric"
    for name, metric in metrics.metrics.items():
        if metric is None:
            continue  # not defined on these rows
        interval = f"({metric.low:.4g} to {metric.high:.4g})" if intervals else ""
        baseline = metrics.baseline.get(name)
        beside = "" if baseline is None else f"  a constant prediction: {baseline:.4g}"
        yield f"  {name:<19}{metric.value:<10.4g}{interval:<22}{beside}".rstrip()
    if next_ := champion.runner_up:
        yield f"  next: {next_.model}, {champion.metric} {next_.value:.4g}"
    yield from (f"  {line}" for line in choice_in_words.lines(champion, champion.metric))
    if champion.choice.warning:
        yield f"  warning: few rows to choose by: {champion.choice.warning}"


def _parity(parity: Parity) -> Iterator[str]:
    runtimes = parity.runtimes
    widest = max(runtimes, key=lambda runtime: runtime.difference / runtime.bound)
    flips = sum(runtime.class_flips for runtime in runtimes)
    yield (
        f"Parity: {'passed' if parity.passed else 'FAILED'}, {parity.rows:,} rows through "
        f"{len(runtimes)} runtimes; nearest to its bound: {widest.runtime} {widest.variant}, "
        f"{widest.difference:.1e} of {widest.bound:.0e}; class flips: {flips}"
    )
    for runtime in parity.not_reached:
        yield f"  not on {runtime.runtime}: {runtime.reason}"
    for artifact in parity.not_shipped:
        yield f"  not shipped: {artifact.artifact}, {artifact.reason}"


def _taken(results: Results) -> Iterator[str]:
    """Yields warnings, and how cells were interpreted, for a person to check."""
    anomalies = Anomalies.load(results.anomalies).anomalies
    of_cells = [anomaly for anomaly in anomalies if anomaly.kind in OF_CELLS]
    warnings = [anomaly for anomaly in anomalies if anomaly.severity == "warning"]
    found = [f"warning: {anomaly.message}" for anomaly in warnings]
    found += [anomaly.message for anomaly in of_cells if anomaly.severity == "info"]
    if results.preprocessing.exists():
        left_out = read_json(results.preprocessing)["left_out"]
        found += [f"{column!r} is not a feature: {reason}" for column, reason in left_out.items()]
    if found:
        yield "Assumptions and anomalies:"
        yield from (f"  {line}" for line in found[:MOST_TAKEN])
    if len(found) > MOST_TAKEN:
        yield f"  … and {len(found) - MOST_TAKEN:,} more, in {results.report}"


def _files(results: Results, not_reached: set[str]) -> Iterator[str]:
    yield "Open:"
    yield f"  {results.report}  the report"
    if "tfjs" not in not_reached:
        yield f"  {results.page}  a page that predicts"
    yield "Use:"
    for form, folder in results.exported.items():
        if form not in not_reached:
            yield f"  {folder}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    job = config.load(parser.parse_args().config)
    print(summary(Results.of(job.name)))
    if took := costs.told(Logs.of(job.name), job):
        print(f"{took}; `make costs` shows what each model costs.")


if __name__ == "__main__":
    exit_with_status(main)
