"""Writes the report, the model card and the web page that predicts."""

import argparse
from pathlib import Path

from millrace import config, report
from millrace.errors import exit_with_status
from millrace.files import replacing
from millrace.report import page, provenance
from millrace.results import RawFolder, Results


def main() -> None:
    """Reads the artifacts in --results; writes three files."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("config", "results", "report", "model-card", "page"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()

    job = config.load(arguments.config)
    results = Results(arguments.results)
    made_by = provenance.collect(job, RawFolder(results.raw).manifest)
    texts = {
        arguments.report: report.build(job, results, made_by),
        arguments.model_card: report.build_model_card(job, results, made_by),
        arguments.page: page.build(job, results),
    }
    for path, text in texts.items():
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    print(f"{arguments.report}: {arguments.report.stat().st_size:,} bytes")


if __name__ == "__main__":
    exit_with_status(main)
