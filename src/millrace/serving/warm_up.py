"""Warm-up requests: synthetic rows, and a fresh process that answers them.

Run as `python -m millrace.serving.warm_up --saved-model DIR --requests FILE --output out.json`, it
loads the SavedModel with TensorFlow alone and writes the predictions for each request.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from millrace.artifacts.signature import Input, Signature
from millrace.artifacts.statistics import ColumnStatistics, NumberStatistics
from millrace.errors import MillraceError
from millrace.serving import prediction_log

ROWS = 8

Cells = dict[str, list[float | str | None]]


def rows(signature: Signature, train: Mapping[str, ColumnStatistics], min_count: int) -> Cells:
    """Returns synthetic rows as cells by column: no training row, and no rare value, is published.

    The cells of a column are quantiles of its numbers, or its most frequent values.

    Args:
        signature: the inputs of the model.
        train: the statistics of the training examples.
        min_count: the least number of training rows that have a value that may be shown.
    """
    return {each.name: _cells(train.get(each.name), each, min_count) for each in signature.inputs}


def _cells(
    column: ColumnStatistics | None, about: Input, min_count: int
) -> list[float | str | None]:
    found: list[float | str | None] = []
    if isinstance(column, NumberStatistics) and column.quantiles:
        inner = np.linspace(0.1, 0.9, ROWS) * (len(column.quantiles) - 1)
        found = [float(np.float32(column.quantiles[int(place)])) for place in inner]
        if about.column_type in ("int64", "bool"):
            found = [float(round(x)) for x in found if x is not None and not isinstance(x, str)]
    elif column is not None and not isinstance(column, NumberStatistics):
        found = [value for value, count in column.values[:ROWS] if count >= min_count]
    if not found:
        return [None] * ROWS
    return [found[place % len(found)] for place in range(ROWS)]


def write(path: Path, model: str, tensors: Mapping[str, np.ndarray]) -> None:
    """Writes a request for each row, and one for all, as TFRecord.

    Args:
        path: the file.
        model: the name under which the model is served.
        tensors: the inputs of all rows by key, [ROWS, …].
    """
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as writer:
        for rows in [*(slice(i, i + 1) for i in range(ROWS)), slice(ROWS)]:
            writer.write(prediction_log.request(model, {k: x[rows] for k, x in tensors.items()}))


def answers(saved_model: Path, requests: Path) -> list[np.ndarray]:
    """Returns a fresh process' predictions for each request, float64 [n] or [n, classes].

    Raises:
        MillraceError: the SavedModel does not load, or does not answer a request.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "answers.json"
        command = [sys.executable, "-m", __name__, "--saved-model", str(saved_model)]
        command += ["--requests", str(requests), "--output", str(output)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or ["no message"]
            raise MillraceError(
                f"{saved_model}: expected answers to {requests} in a fresh process, found: "
                f"{lines[-1]}",
                note=f"run it by itself: {' '.join(command)}",
            )
        found = json.loads(output.read_text(encoding="utf-8"))
    return [np.array(answer, np.float64) for answer in found]


def main(arguments: Sequence[str] | None = None) -> None:
    """Answers warm-up requests."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("saved-model", "requests", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args(arguments)
    import tensorflow as tf

    loaded = tf.saved_model.load(str(given.saved_model))
    serve = loaded.signatures["serving_default"]
    answered = []
    for record in tf.data.TFRecordDataset(str(given.requests)).as_numpy_iterator():
        fed = {key: tf.constant(x) for key, x in prediction_log.inputs(record).items()}
        answered.append(serve(**fed)["predictions"].numpy().tolist())
    given.output.write_text(json.dumps(answered), encoding="utf-8")


if __name__ == "__main__":
    main()
