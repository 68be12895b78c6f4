"""New rows of the made job beside its training examples; rows without drift give no alarm."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import stats

from millrace import config
from millrace.artifacts.monitoring import Monitoring
from millrace.artifacts.schema import Schema
from millrace.artifacts.signature import Signature
from millrace.errors import MillraceError
from millrace.results import Results
from millrace.serving import monitor_page, monitoring, windows
from millrace.serving.monitoring import Judge
from millrace.serving.new_rows import Contract
from millrace.serving.reference import read_reference
from millrace.serving.windows import Window
from millrace.statistics import anomalies
from millrace.statistics.statistics import describe_columns
from millrace.statistics.tallies import Tally
from tests.conftest import MadeJob, make_table
from tests.helpers.monitored import Monitored


@pytest.fixture(scope="module")
def monitored(
    made_job: Callable[[str], MadeJob], tmp_path_factory: pytest.TempPathFactory
) -> Monitored:
    return Monitored(made_job("binary").until("convert_tflite"), tmp_path_factory.mktemp("watch"))


def kinds(found: Monitoring) -> set[tuple[str, str]]:
    return {(x.kind, x.column) for window in found.windows for x in window.findings}


def test_rows_like_those_of_the_training_give_no_alarm(monitored: Monitored) -> None:
    table = make_table("binary", 400, 2)
    found = monitored.run(table)
    assert not found.alarm and not kinds(found)
    (window,) = found.windows
    assert (window.name, window.rows, window.labelled) == ("from row 1", 400, 400)
    prediction, *columns = window.columns
    assert prediction.column is None and prediction.distance == 0
    assert {x.column for x in columns} == {"size (mm)", "count", "city"}
    by_name = {x.column: x for x in columns}
    assert by_name["city"].missing == table["city"].isna().mean()
    train = make_table("binary", 1200, 0)["count"].value_counts(normalize=True)
    now = table["count"].value_counts(normalize=True)
    assert by_name["count"].measure == "Jensen-Shannon divergence"
    assert by_name["count"].distance < 0.1 and (train - now).abs().max() < 0.1
    # The test rows themselves: their metric is the promised one.
    auc = window.metrics["auc"]
    assert auc and auc.value == pytest.approx(monitored.promised.value)
    (by_city,) = found.slices
    assert (by_city.value, by_city.rows) == ("Zürich", (table["city"] == "Zürich").sum())


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda x: x.assign(**{"size (mm)": x["size (mm)"] * 25.4}), ("drift", "size (mm)")),
        (lambda x: x.assign(**{"size (mm)": x["size (mm)"] * 25.4}), ("drift", "")),
        (lambda x: x.assign(city=x["city"].mask(x.index % 4 == 0)), ("missing", "city")),
        (
            lambda x: x.assign(city=x["city"].mask(x.index % 20 == 0, "Oslo")),
            ("new_categories", "city"),
        ),
        (
            lambda x: x.assign(label=x["label"].map({"yes": "no", "no": "yes"})),
            ("metric", ""),
        ),
    ],
    ids=["a unit changed", "and with it the prediction", "missing", "unseen", "labels swapped"],
)
def test_what_is_broken_on_purpose_is_an_alarm(monitored: Monitored, change, expected) -> None:
    found = monitored.run(change(make_table("binary", 400, 2)))
    assert found.alarm
    assert expected in kinds(found)


def test_a_slice_that_got_worse_is_an_alarm(monitored: Monitored) -> None:
    table = make_table("binary", 4000, 5)
    swapped = table["label"].map({"yes": "no", "no": "yes"})
    found = monitored.run(
        table.assign(label=table["label"].mask(table["city"] == "Zürich", swapped))
    )
    assert [(x.kind, x.column) for x in found.findings] == [("metric", "city")]
    assert "Zürich" not in found.findings[0].message


def test_rejected_rows_are_counted_and_an_alarm_when_they_are_many(monitored: Monitored) -> None:
    table = make_table("binary", 400, 2).astype({"count": object})
    table.loc[table.index % 10 == 0, "count"] = "many"
    found = monitored.run(table)
    assert (found.rows_read, found.scored, found.rejected) == (400, 360, 40)
    assert [x.kind for x in found.findings] == ["rejects"]


def test_labels_may_come_later(monitored: Monitored) -> None:
    table = make_table("binary", 400, 2)
    without = monitored.run(table.drop(columns="label"))
    assert without.windows[0].labelled == 0 and not without.windows[0].metrics
    some = monitored.run(table.assign(label=table["label"].mask(table.index >= 100)))
    assert some.windows[0].labelled == 100


def test_windows_are_of_rows_or_of_time(monitored: Monitored) -> None:
    table = make_table("binary", 400, 2)
    found = monitored.run(table, rows=150)
    assert [x.rows for x in found.windows] == [150, 150, 100]
    assert [x.name for x in found.windows][1] == "from row 151"
    days = pd.Timestamp("2013-01-01") + pd.to_timedelta(np.arange(400) // 30, unit="D")
    cells = pa.RecordBatch.from_pydict({"day": pa.array(days.date)})
    for every, rule in (("day", "D"), ("week", "W-MON"), ("month", "MS")):
        setting = config.complete(
            {
                "name": "a",
                "data": {"files": "a.csv", "label": "y"},
                "monitor": {"time": "day", "every": every},
            }
        ).monitor
        names = windows._window_names(cells, np.arange(400), setting)
        expected = pd.Series(days).dt.to_period(rule[0]).dt.start_time.dt.date.astype(str)
        assert names == expected.tolist()


def test_severities_of_the_config_hold(monitored: Monitored) -> None:
    table = make_table("binary", 400, 2)
    table["size (mm)"] *= 25.4
    text = monitored.config.read_text()
    monitored.config.write_text(
        text.replace("label: label}", "label: label, anomalies: {drift: ignore}}")
    )
    try:
        assert not {kind for kind, _ in kinds(monitored.run(table))} & {"drift"}
    finally:
        monitored.config.write_text(text)


def of_table(judge: Judge, contract: Contract, rng: np.random.Generator, rows: int) -> Window:
    """A window of rows like those of training, as a model of random predictions answers them."""
    table = make_table("binary", rows, int(rng.integers(2**31)))
    window = Window(Tally(contract.inputs), Tally([windows.predicted_column(contract.signature)]))
    job = judge._job
    cells = pa.RecordBatch.from_pandas(table, preserve_index=False)
    predictions = predicted(rng, table["label"])
    windows._count(window, contract, job, cells, predictions)
    return window


def predicted(rng: np.random.Generator, labels: pd.Series) -> np.ndarray:
    score = rng.normal((labels == "yes").to_numpy() * 1.5, 1)
    return (1 / (1 + np.exp(-score))).astype(np.float32)


def test_without_drift_alarms_are_as_rare_as_the_config_says(
    monitored: Monitored, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = config.load(monitored.config)
    job = job.changed(monitor=job.monitor.changed(false_alarm_rate=0.2))
    job = job.changed(evaluation=job.evaluation.changed(bootstrap=50))
    signature = Signature.load(monitored.results.signature)
    contract = Contract(job.data, Schema.load(monitored.results.schema), signature, ["label"])
    reference = read_reference(monitored.results, signature)
    rng = np.random.default_rng(0)
    plain = Judge(job, contract, reference)
    test = of_table(plain, contract, rng, 5000)
    column = windows.predicted_column(signature)
    reference = reference._replace(
        prediction=describe_columns("test", test.predictions, [column], None)[column.name],
        promised=replace(reference.promised, metrics=plain._measure([test])),
    )
    judge = Judge(job, contract, reference)
    count = 200
    most = stats.binom.ppf(0.9999, count, 0.2)
    every = [of_table(judge, contract, rng, 400) for _ in range(count)]
    alarms = sum(bool(judge.window("w", window).findings) for window in every)
    assert alarms <= most
    # Also where nothing but chance decides: any difference is above thresholds of 0.
    for name in ("JENSEN_SHANNON", "L_INFINITY"):
        monkeypatch.setattr(anomalies, name, -1.0)
    monkeypatch.setattr(monitoring, "NEW_CATEGORIES", -1.0)
    by_chance = sum(bool(judge.window("w", window).findings) for window in every)
    assert alarms <= by_chance
    # 0.2 is shared among tests of which some cannot fail: `count` is never missing.
    assert stats.binom.ppf(0.0001, count, 0.1) <= by_chance <= most


def test_the_output_is_a_new_file_or_one_that_monitor_wrote(tmp_path: Path) -> None:
    results = Results(tmp_path / "results")
    with pytest.raises(MillraceError, match=r"expected a name that ends with .json"):
        monitor_page.check_output(tmp_path / "a.html", results)
    with pytest.raises(MillraceError, match="expected a path outside"):
        monitor_page.check_output(results.folder / "a.json", results)
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(MillraceError, match="or one that monitor wrote"):
        monitor_page.check_output(tmp_path / "a.json", results)
