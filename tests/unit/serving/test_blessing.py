"""The blessing of a made job's champion."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from millrace import config, models
from millrace.artifacts.parity import Parity
from millrace.artifacts.schema import Schema
from millrace.artifacts.signature import Signature
from millrace.errors import MillraceError
from millrace.export import runtimes
from millrace.files import sha256
from millrace.serving import blessing, comparison, warm_up
from millrace.serving.comparison import LabelledRows, Paired
from tests.conftest import MadeJob
from tests.helpers.scorings import certify
from tests.helpers.servings import Serving, message, outcomes


@pytest.fixture(scope="module")
def served(made_job: Callable[[str], MadeJob], tmp_path_factory: pytest.TempPathFactory) -> Serving:
    """A champion that is blessed and in use as version 1."""
    serving = Serving(made_job("binary").until("convert_tflite"), tmp_path_factory.mktemp("served"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(serving.folder)
        first = serving.bless()
        assert first.files["warm_up"] == sha256(serving.results.warm_up)
        assert outcomes(first) == {
            "parity": True,
            "files": True,
            "warm_up": True,
            "columns": None,
            "overall": None,
            "slices": None,
        }
        assert first.blessed and first.in_use is None
        assert "nothing to compare with" in message(first, "overall")
        assert serving.push().version == 1
    return serving


@pytest.fixture
def here(served: Serving, monkeypatch: pytest.MonkeyPatch) -> Serving:
    monkeypatch.chdir(served.folder)
    return served


@pytest.fixture
def quick(here: Serving, monkeypatch: pytest.MonkeyPatch) -> Serving:
    """The same, with nothing run in another process."""
    answered = [np.zeros(1)] * warm_up.ROWS + [np.zeros(warm_up.ROWS)]
    monkeypatch.setattr(warm_up, "answers", lambda *_: answered)
    return here


@pytest.mark.slow
def test_the_same_model_is_as_good_on_every_row(here: Serving) -> None:
    found = here.bless()
    assert found.blessed and found.in_use == 1
    assert set(outcomes(found).values()) == {True}
    whole, *slices = found.compared
    assert whole.rows == 400 and whole.difference
    assert (whole.difference.value, whole.difference.low, whole.difference.high) == (0, 0, 0)
    assert {x.value for x in slices} == {"Aarhus", "Zürich", "São Paulo", "東京", None}
    assert sum(x.rows for x in slices) == 400


@pytest.mark.slow
def test_the_rows_are_the_raw_files_and_answered_as_evaluated(here: Serving, made_job) -> None:
    made = made_job("binary")
    job = config.load(here.config)
    model = comparison.Model(here.results.saved_model, here.results.signature)
    rows = comparison.read_rows(
        job, here.results.examples, Schema.load(here.results.schema), [model]
    )
    # The raw file has NA, and a space before some cities.
    assert any(cell == "NA" for cell in rows.cells["city"])
    assert any(str(cell).startswith(" ") for cell in rows.cells["city"])
    predictor = models.load(
        made.results / "preprocessing.json", made.results / "models" / "dnn" / "training"
    )
    expected = predictor.predict_split(made.results / "encoded", made.results / "examples", "test")
    assert np.abs(comparison.predict(model, rows) - expected).max() < 2e-6
    assert rows.labels.tolist() == (made.tables["test"]["label"] == "yes").astype(int).tolist()


def test_a_file_that_is_not_certified_is_a_refusal(here: Serving) -> None:
    path = here.results.tflite / "float32.tflite"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    try:
        found = here.bless()
    finally:
        path.write_bytes(whole)
    assert not found.blessed
    assert outcomes(found) == {"parity": True, "files": False, "columns": True, "overall": False}
    assert "tflite/float32.tflite" in message(found, "files")


def test_a_certificate_that_failed_or_is_of_another_model_is_a_refusal(here: Serving) -> None:
    certificate = Parity.load(here.results.parity)
    try:
        for other in (replace(certificate, passed=False), replace(certificate, model="linear")):
            other.save(here.results.parity)
            found = here.bless()
            assert not found.blessed and outcomes(found)["parity"] is False
    finally:
        certificate.save(here.results.parity)


def test_a_column_that_clients_do_not_send_is_a_refusal(here: Serving) -> None:
    now = Signature.load(here.results.signature)
    first, *rest = now.inputs
    fewer = replace(now, inputs=rest)
    found = blessing.compare_columns(fewer, now, ())
    assert found.passed is False
    assert f"takes {first.name!r}, which clients do not send" in found.message
    assert blessing.compare_columns(fewer, now, (first.name,)).passed is True
    # TensorFlow Serving refuses a request with a column too many.
    assert blessing.compare_columns(now, fewer, ()).passed is False
    text = replace(first, type="string", column_type="string")
    found = blessing.compare_columns(replace(now, inputs=[text, *rest]), now, ())
    assert found.passed is False
    assert "as size__mm_ float32 float32, not as size__mm_ string string" in found.message
    assert blessing.compare_columns(now, replace(now, inputs=now.inputs[::-1]), ()).passed is True


def test_a_model_of_another_task_is_a_refusal(quick: Serving) -> None:
    before = quick.versions.version(1).signature
    signature = Signature.load(before)
    try:
        replace(signature, classes=["never", "always"]).save(before)
        found = quick.bless()
    finally:
        signature.save(before)
    assert not found.blessed
    assert "not binary of 'label' with classes ['never', 'always']" in message(found, "overall")


@pytest.mark.slow
def test_a_model_that_does_not_load_is_a_refusal(here: Serving) -> None:
    path = here.results.saved_model / "saved_model.pb"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    certify(here.results)
    try:
        found = here.bless()
    finally:
        path.write_bytes(whole)
        certify(here.results)
    assert not found.blessed and outcomes(found)["warm_up"] is False
    assert "in a fresh process" in message(found, "warm_up")


def test_a_version_that_push_did_not_write_is_not_compared_with(here: Serving) -> None:
    foreign = here.versions.folder / "7"
    foreign.mkdir()
    try:
        with pytest.raises(MillraceError, match="expected a version that `make push` wrote"):
            here.bless()
    finally:
        foreign.rmdir()


def paired(rows: int, spoil: float, where: str = "") -> tuple[Paired, np.ndarray]:
    """A model in use and one that is the same but for noise, everywhere or in a slice."""
    rng = np.random.default_rng(0)
    signal = rng.normal(size=rows)
    labels = (signal + rng.normal(size=rows) > 0).astype(np.int64)
    groups = np.where(rng.random(rows) < 0.2, "small", "large")
    noise = rng.normal(size=rows) * spoil * ((groups == where) | (where == ""))
    good, bad = (1 / (1 + np.exp(-x)) for x in (signal, signal + noise))
    job = config.complete(
        {
            "name": "a",
            "data": {"files": "a.csv", "label": "y"},
            "evaluation": {"slices": ["group"], "bootstrap": 100},
        }
    )
    signature = Signature(
        "dnn", [], "predictions", "binary", ["no", "yes"], "y", "string", 1.0, 0.5
    )
    table = LabelledRows({}, {}, labels, None, {"group": pa.array(groups.tolist())})
    return Paired(job, signature, table, bad, good, 0.5), groups


def test_a_worse_model_is_refused_by_the_interval_of_the_paired_difference() -> None:
    worse, _ = paired(3000, 1.0)
    found = worse.overall()
    expected = [roc_auc_score(worse.rows.labels, x) for x in (worse.new, worse.in_use)]
    assert (found.new, found.in_use) == pytest.approx(expected)
    assert found.difference and found.difference.value == pytest.approx(expected[0] - expected[1])
    assert found.passed is False
    # The pairs say more than two intervals: this difference is far below either one's width.
    slightly, _ = paired(3000, 0.05)
    assert slightly.overall().passed is True
    few, _ = paired(20, 0.0)
    assert few.overall().passed is False


def test_a_slice_that_got_worse_is_refused_though_the_whole_is_not() -> None:
    worse, groups = paired(4000, 1.5, "small")
    slices = {x.value: x for x in worse.slices()}
    assert slices["small"].passed is False and slices["large"].passed is True
    assert slices["small"].rows == (groups == "small").sum()
    here = groups == "small"
    expected = [roc_auc_score(worse.rows.labels[here], x[here]) for x in (worse.new, worse.in_use)]
    assert slices["small"].difference
    assert slices["small"].difference.value == pytest.approx(expected[0] - expected[1])
    few, _ = paired(40, 3.0, "small")
    assert {x.value: x.passed for x in few.slices()}["small"] is None


def test_the_margin_of_a_metric_with_a_scale_is_relative() -> None:
    rng = np.random.default_rng(0)
    labels = rng.normal(5000, 100, 2000)
    job = config.complete({"name": "a", "data": {"files": "a.csv", "label": "y"}})
    signature = Signature("dnn", [], "predictions", "regression", [], "y", "float32", 100.0, None)
    rows = LabelledRows({}, {}, labels, None, {})
    in_use = labels + rng.normal(0, 50, 2000)
    for factor, passed in ((1.002, True), (1.05, False)):
        found = Paired(job, signature, rows, labels + (in_use - labels) * factor, in_use, None)
        assert found.overall().passed is passed
        assert found.overall().margin == pytest.approx(0.01 * np.std(in_use - labels), rel=0.05)


def test_cells_are_read_as_the_new_table_writes_them(
    here: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Signature.load(here.results.signature)
    size, count, *rest = before.inputs
    older = tmp_path / "signature.json"
    replace(before, inputs=[size, replace(count, column_type="string"), *rest]).save(older)
    now = {x.name: x for x in (replace(size, decimal=",", thousands="."), count, *rest)}
    cells = {name: np.array(["1,5", "2"], object) for name in now}
    rows = LabelledRows(cells, now, np.zeros(2), None, {})
    sent = {}

    def run(path: Path, function: str, request: runtimes.Request) -> np.ndarray:
        sent["rows"] = json.loads(request.rows.read_text())
        sent["inputs"] = Signature.load(request.signature).inputs
        return np.zeros(2)

    monkeypatch.setattr(runtimes, "run_saved_model", run)
    comparison.predict(comparison.Model(tmp_path, older), rows)
    assert (sent["inputs"][0].decimal, sent["inputs"][0].thousands) == (",", ".")
    assert sent["rows"][size.name] == ["1,5", "2"]
    assert sent["rows"][count.name] == [None, None]
