"""What the job says of its training examples and its champion, for new rows to be compared with."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

from millrace.artifacts.account import Account
from millrace.artifacts.diagnostics import Diagnostics
from millrace.artifacts.metrics import Metrics
from millrace.artifacts.signature import Signature
from millrace.artifacts.statistics import ColumnStatistics, Statistics
from millrace.results import Results
from millrace.serving import windows
from millrace.statistics.statistics import describe_columns
from millrace.statistics.tallies import Tally


class Reference(NamedTuple):
    """What new rows are compared with.

    Attributes:
        columns: the training examples, by column.
        test: the test examples; they say how many values are unseen without drift.
        prediction: the champion's predictions for the test examples.
        promised: the champion's metrics.json.
        slices: its diagnostics.json.
        account: ingest.json.
    """

    columns: dict[str, ColumnStatistics]
    test: dict[str, ColumnStatistics]
    prediction: ColumnStatistics
    promised: Metrics
    slices: Diagnostics
    account: Account


def read_reference(results: Results, signature: Signature) -> Reference:
    """Reads what a job says of its training examples and its champion."""
    statistics = Statistics.load(results.statistics)
    run = results.run(signature.model)
    table = pq.read_table(run.predictions)
    if signature.task == "multiclass":
        names = [f"prediction_{name}" for name in signature.classes]
        predictions = np.stack([table[name].to_numpy() for name in names], axis=1)
    else:
        predictions = table["prediction"].to_numpy()
    column = windows.predicted_column(signature)
    tally = Tally([column])
    tally.add([windows.as_column(signature, predictions)])
    return Reference(
        statistics.train.columns,
        statistics.splits["test"].columns,
        describe_columns("test", tally, [column], None)[column.name],
        Metrics.load(run.metrics),
        Diagnostics.load(run.diagnostics),
        Account.load(results.account),
    )
