"""Sends the same raw rows through every runtime and fails where a prediction differs."""

import argparse
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from millrace import config, models
from millrace.config.job import JobConfig
from millrace.config.values import plain_form
from millrace.errors import MillraceError, run
from millrace.export import parity, runtimes
from millrace.features.raw_row import read_raw
from millrace.files import read_json, write_json
from millrace.tfrecord.examples import shard_paths
from millrace.training import devices

CONVERTED = ("tflite", "tfjs")


def main() -> None:
    """Reads the champion in all its forms and test rows; writes parity.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("config", "champion", "models", "preprocessing", "examples"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("saved-model", "signature", "tflite", "tfjs", "parity"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    devices.hide()

    job = config.load(arguments.config)
    threshold = read_json(arguments.signature)["threshold"]
    champion = read_json(arguments.champion)["model"]
    predictor = models.load(arguments.preprocessing, arguments.models / champion / "training")
    columns, task = predictor.preprocessing.raw, predictor.preprocessing.task
    shards = shard_paths(arguments.examples, "test")
    real = read_raw(shards, columns, job.parity.rows, job.seed)
    made = parity.made_rows(real, columns)
    raw = parity.join(real, parity.answered(made, predictor.predict))
    real_rows, all_made = (len(next(iter(rows.values()))) for rows in (real, made))
    reference = predictor.predict(raw)
    made_rows = len(reference) - real_rows

    with tempfile.TemporaryDirectory() as directory:
        rows = Path(directory) / "rows.json"
        runtimes.write_rows(rows, raw, columns)
        results = []
        for planned in runs(arguments, job):
            predictions = planned.predict(rows)
            result = parity.judge(planned, predictions, reference, raw, real_rows, task, threshold)
            results.append(result)
            tell(result)
    settings, said = plain_form(job.models[champion]), reference[:real_rows]
    unseen, proofs = models.prove(settings, predictor.preprocessing, real, said, threshold)
    for result in proofs:
        results.append(result)
        tell(result)

    failed = [result for result in results if not result["passed"]]
    if failed:
        raise MillraceError(*explain(failed[0]))
    conversions = {
        name: read_json(getattr(arguments, name) / "conversion.json") for name in CONVERTED
    }
    write_json(
        arguments.parity,
        {
            "passed": True,
            "reference": predictor.reference,
            "model": champion,
            "rows": len(reference),
            "real_rows": real_rows,
            "made_rows": made_rows,
            "refused_rows": all_made - made_rows,
            "rows_with_unseen_text": unseen,
            "tolerance": job.parity.tolerance,
            "runtimes": results,
            "not_reached": [
                {"runtime": name, "reason": conversion["left_out"]}
                for name, conversion in conversions.items()
                if conversion["left_out"]
            ],
            "not_shipped": [x for x in conversions["tflite"]["artifacts"] if not x["shipped"]],
        },
    )


def runs(arguments: argparse.Namespace, job: JobConfig) -> Iterator[parity.Run]:
    """Yields every artifact in every runtime that it is for."""
    exact = job.parity.tolerance
    saved_model, tfjs = arguments.saved_model, arguments.tfjs
    for signature in ("serving_default", "serving_examples"):
        predict = partial(runtimes.run_saved_model, saved_model, signature)
        yield parity.Run("saved_model", signature, str(saved_model), exact, False, predict)
    for model in sorted(arguments.tflite.glob("*.tflite")):
        reduced = model.stem != "float32"
        bound = job.export.max_difference if reduced else exact
        predict = partial(runtimes.run_tflite, model)
        yield parity.Run("tflite", model.stem, str(model), bound, reduced, predict)
    for backend in ("cpu", "wasm") if (tfjs / "model.json").exists() else ():
        predict = partial(runtimes.run_tfjs, tfjs, backend)
        yield parity.Run("tfjs", backend, str(tfjs), exact, False, predict)


def tell(result: dict[str, Any]) -> None:
    """Prints how far a runtime lies from the reference."""
    print(
        f"{result['runtime']} {result['variant']}: largest difference "
        f"{result['max_difference']}, {'passed' if result['passed'] else 'FAILED'}"
    )


def explain(result: dict[str, Any]) -> tuple[str, str]:
    """Returns an error's message and note for a runtime that failed."""
    worst = result["worst_row"]
    return (
        f"{result['artifact']} ({result['runtime']}, {result['variant']}): expected predictions "
        f"within {result['bound']} of the reference's and no flipped decision, found a difference "
        f"of {result['max_difference']}, {result['class_flips']} flips, all finite: "
        f"{result['finite']}. Worst row: {worst['raw']}; reference {worst['reference']}, "
        f"{result['runtime']} {worst['prediction']}.",
        "run convert_tflite and convert_tfjs again; if it stays, an op computes differently there.",
    )


if __name__ == "__main__":
    run(main)
