import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from millrace import config, report
from millrace.artifacts.anomalies import Anomalies, Anomaly
from millrace.artifacts.leaderboard import Leaderboard
from millrace.artifacts.manifest import RawFile
from millrace.artifacts.metrics import Interval
from millrace.artifacts.provenance import Origin
from millrace.artifacts.signature import Signature
from millrace.artifacts.statistics import Statistics
from millrace.artifacts.training import Calibration, Member, Training, Weighing
from millrace.config.job import JobConfig
from millrace.errors import MillraceError
from millrace.files import write_json
from millrace.report import contents, data_section, inline_html, models_section
from millrace.report.privacy import Privacy
from millrace.results import Results, TrainingFolder

pytestmark = pytest.mark.skipif(
    not (inline_html.WEB / "node_modules").is_dir(), reason="needs `npm ci --prefix web`"
)

TASKS = ["binary", "multiclass", "regression"]
VOID = {"meta", "link", "input", "br", "hr", "img"}


def job(**changes: Any) -> JobConfig:
    data_section = {"files": "x.csv", "label": "late"} | changes
    return config.complete({"name": "made", "data": data_section, "models": ["linear", "dnn"]})


MADE_BY = Origin(
    commit="c0ffee",
    modified=True,
    config_sha256="ab" * 32,
    seed=0,
    python="3.11.7",
    platform="Linux x86_64",
    packages={"keras": "3.15.1"},
    libraries={"d3": "7.9.0"},
    data=[RawFile("x.csv", None, "cd" * 32, 4096, "x.csv")],
)


class Document(HTMLParser):
    """Returns the text of each section by id; also checks that tags are properly nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.charts: list[str] = []
        self.sections: dict[str, str] = {}
        self.section = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if identifier := attributes.get("id"):
            self.ids.append(identifier)
        if tag == "section":
            self.section = attributes["id"] or ""
        if tag == "a":
            self.links.append(attributes["href"] or "")
        if chart := attributes.get("data-chart"):
            self.charts.append(chart)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, text: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.sections[self.section] = f"{self.sections.get(self.section, '')} {text}"


@pytest.mark.parametrize("task", TASKS)
def test_report_is_sound_html_with_every_section(
    make_results: Callable[[str], Results], task: str
) -> None:
    text = report.build(job(), make_results(task), MADE_BY)
    document = Document(text)
    assert len(document.ids) == len(set(document.ids))
    inside = {link.removeprefix("#") for link in document.links if link.startswith("#")}
    assert inside == set(report.SECTIONS)
    assert inside <= set(document.ids)
    assert not re.search(r'(src|href)="(https?:)?//', text)
    assert len(text) < 4_000_000
    assert re.search(r"Copyright [\d-]+ Mike Bostock", text)


CHARTS = {
    "binary": {"roc", "pr", "calibration", "confusion"},
    "multiclass": {"confusion"},
    "regression": {"residuals", "predicted"},
}
EVERYWHERE = {
    "account", "distribution", "leaderboard", "history", "importance", "slices", "parity",
}  # fmt: skip


@pytest.mark.parametrize("task", TASKS)
def test_each_task_has_its_charts(make_results: Callable[[str], Results], task: str) -> None:
    text = report.build(job(), make_results(task), MADE_BY)
    assert set(Document(text).charts) == EVERYWHERE | CHARTS[task]
    script = "".join((inline_html.WEB / "report" / file).read_text() for file in report.SCRIPTS)
    for chart in EVERYWHERE | CHARTS[task]:
        assert f"function {chart}(" in script


def test_report_tells_what_the_stages_found(make_results: Callable[[str], Results]) -> None:
    sections = Document(report.build(job(), make_results("binary"), MADE_BY)).sections
    words = {name: " ".join(text.split()) for name, text in sections.items()}
    assert "dnn predicts late : AUC 0.7100" in words[""]
    assert "late Task binary classification" in words["question"]
    assert "counts add up" in words["rows"]
    assert "5 × expected a number" in words["rows"]
    assert "in test differs from train: <b>0.3</b>" in words["anomalies"]
    assert "passed better than the baseline: expected 0.5, found 0.71" in words["leaderboard"]
    assert "Chosen by AUC on 150 validation rows" in words["question"]
    assert (
        "Chosen by the AUC on 150 validation rows: dnn has 0.71 (95 %: 0.69 to 0.73) and is the "
        "best." in words["leaderboard"]
    )
    assert "the same rows also ended the training" in words["leaderboard"]
    assert "dnn and linear cannot be told apart: they differ by 0 AUC" in words["leaderboard"]
    assert "TF.js wasm 1,100 1.2e-07 1e-08 5e-05 0 yes passed" in words["parity"]
    assert "int8.tflite : differs by 0.3, more than 0.02" in words["parity"]
    assert "c0ffee with uncommitted changes" in words["provenance"]
    assert "cd" * 32 in words["provenance"]


def test_account_that_does_not_close_is_told(make_results: Callable[[str], Results]) -> None:
    results = make_results("binary")
    ingest = json.loads(results.account.read_text())
    ingest["rows_read"] += 1
    results.account.write_text(json.dumps(ingest))
    document = Document(report.build(job(), results, MADE_BY))
    assert "counts do not add up" in document.sections["rows"]


def test_same_results_give_the_same_bytes(make_results: Callable[[str], Results]) -> None:
    results = make_results("multiclass")
    first = report.build(job(), results, MADE_BY)
    results.report.write_text(first)
    results.page.parent.mkdir()
    results.page.write_text("the page of an earlier run")
    assert report.build(job(), results, MADE_BY) == first


def test_a_test_that_is_too_small_is_a_warning_without_intervals(
    make_results: Callable[[str], Results],
) -> None:
    results = make_results("binary")
    path = results.run("dnn").metrics
    metrics = json.loads(path.read_text()) | {"too_small": "2 rows, fewer than 30"}
    for metric in metrics["metrics"].values():
        metric["low"] = metric["high"] = None
    path.write_text(json.dumps(metrics))
    champion = json.loads(results.champion.read_text()) | {"low": None, "high": None}
    results.champion.write_text(json.dumps(champion))
    text = report.build(job(), results, MADE_BY)
    assert "The test has 2 rows, fewer than 30: too few to trust a metric" in text
    assert "the 95% interval is" not in text
    card = report.build_model_card(job(), results, MADE_BY)
    assert "Warning: the test has 2 rows, fewer than 30" in card
    assert "None" not in card


def told_of_choice(
    results: Results, choice: dict[str, Any], **champion: Any
) -> tuple[dict[str, str], str]:
    """Returns the texts of the report's sections, and the model card, for another choice."""
    found = json.loads(results.champion.read_text())
    changed = found | champion | {"choice": found["choice"] | choice}
    results.champion.write_text(json.dumps(changed))
    sections = Document(report.build(job(), results, MADE_BY)).sections
    words = {name: " ".join(text.split()) for name, text in sections.items()}
    return words, report.build_model_card(job(), results, MADE_BY)


def test_a_choice_by_folds_and_its_warning(make_results: Callable[[str], Results]) -> None:
    choice = {"compared_on": "folds", "rows": 700, "over": "folds", "warning": "9 rows, too few"}
    words, card = told_of_choice(make_results("binary"), choice)
    assert "dnn was chosen on folds of the training rows" in words[""]
    assert "where it cannot be told apart from linear" in words[""]
    for section in ("", "leaderboard"):
        assert "warning Few rows to choose by: 9 rows, too few." in words[section]
    assert "Chosen by AUC on 700 training rows, by folds" in words["question"]
    assert "Folds decides" in words["leaderboard"]
    assert "Warning: few rows to choose by: 9 rows, too few." in card


def test_a_smaller_model_than_the_best_says_why(make_results: Callable[[str], Results]) -> None:
    choice = {"best": "linear", "rule": "the smallest within 0.02 of the best"}
    words, card = told_of_choice(make_results("regression"), choice)
    assert (
        "chosen on the validation rows as the smallest within 0.02 of the best, linear" in words[""]
    )
    assert "is the smallest within 0.02 of the best, linear." in card


def test_a_single_model_has_no_ranking(make_results: Callable[[str], Results]) -> None:
    nothing = dict.fromkeys(["runner_up", "margin", "margin_low", "margin_high"])
    words, card = told_of_choice(make_results("binary"), {"not_separable": []}, **nothing)
    assert "chosen" not in words[""]
    assert "dnn is the only model, so nothing was chosen." in words["leaderboard"]
    assert "decides" not in words["leaderboard"]
    assert "dnn is the only model" in card and "None" not in card


def test_optional_parts_that_are_absent_have_a_clear_line(
    make_results: Callable[[str], Results],
) -> None:
    results = make_results("binary")
    for model in ("linear", "dnn"):
        path = results.run(model).diagnostics
        diagnostics = json.loads(path.read_text()) | {"slices": [], "importance": []}
        path.write_text(json.dumps(diagnostics))
    results.anomalies.write_text('{"anomalies": []}')
    nothing_known = replace(MADE_BY, commit=None, modified=None, data=[])
    sections = Document(report.build(job(), results, nothing_known)).sections
    assert "None configured" in sections["slices"]
    assert "Not computed" in sections["importance"]
    assert "None: no drift" in sections["anomalies"]
    assert "not in a git repository" in sections["provenance"]
    assert "manifest of the raw data is missing" in sections["provenance"]


def test_a_model_that_was_trained_elsewhere_has_no_losses(
    make_results: Callable[[str], Results],
) -> None:
    results = make_results("binary")
    TrainingFolder(results.run("linear").training).history.write_text("epoch,loss,val_loss\n")
    document = Document(report.build(job(), results, MADE_BY))
    assert "linear0" in re.sub(r"\s", "", document.sections["training"])
    assert "history" in document.charts


def test_the_members_of_an_ensemble_and_what_their_weights_are_worth(
    make_results: Callable[[str], Results],
) -> None:
    results = make_results("binary")
    path = TrainingFolder(results.run("linear").training).description
    members = [Member("tabm", 0.64, 0.31), Member("trees/seeds/1", 0.36, 0.32)]
    weighing = Weighing(rows=1234, val_loss=0.3, members=[*members, Member("dnn", 0, 0.5)])
    replace(Training.load(path), weighing=weighing).save(path)
    found = Document(report.build(job(), results, MADE_BY)).sections["training"]
    words = " ".join(found.split())
    assert "found on the 1,234 validation rows, so the loss of the ensemble there is opt" in words
    assert "Members of linear" in words and "Members of dnn" not in words
    assert re.sub(r"\s", "", found).endswith(
        "tabm0.640.31trees/seeds/10.360.32dnnleftout0.5linear0.3"
    )


def test_calibration_is_told_before_and_after(make_results: Callable[[str], Results]) -> None:
    results = make_results("binary")
    found = {
        "dnn": Calibration(temperature=1.31, rows=1234, before=0.42, after=0.41),
        "linear": Calibration(temperature=1.0, rows=1234, before=0.52, after=0.53),
    }
    for model, calibration in found.items():
        path = TrainingFolder(results.run(model).training).description
        replace(Training.load(path), calibration=calibration).save(path)
    section = Document(report.build(job(), results, MADE_BY)).sections["training"]
    assert "log losses are those of 1,234 validation rows" in " ".join(section.split())
    words = re.sub(r"\s", "", section)
    assert "dnn1.310.420.41" in words and "linearnotused0.520.53" in words


def test_stored_rows_are_in_the_certificate_but_not_among_the_runtimes(
    make_results: Callable[[str], Results],
) -> None:
    results = make_results("binary")
    document = Document(report.build(job(), results, MADE_BY))
    assert "2 runtimes, 1,100 rows" in " ".join(document.sections[""].split())
    assert "Evaluation stored rows" in " ".join(document.sections["parity"].split())


def test_an_old_model_in_the_certificate_is_told(make_results: Callable[[str], Results]) -> None:
    results = make_results("binary")
    path = results.parity
    parity = json.loads(path.read_text())
    old = {**parity["runtimes"][0], "runtime": "tf1"}
    parity |= {"reference": "tf.compat.v1 session", "runtimes": [*parity["runtimes"], old]}
    parity["rows_with_unseen_text"] = 33
    path.write_text(json.dumps(parity))
    text = " ".join(Document(report.build(job(), results, MADE_BY)).sections["parity"].split())
    assert "33 of 1,000 test rows (3.3%) contain text that was not seen in training" in text
    assert "were predicted by tf.compat.v1 session and by every exported model" in text


def test_a_runtime_that_the_model_does_not_reach_is_told(
    make_results: Callable[[str], Results],
) -> None:
    results = make_results("binary")
    path = results.parity
    reason = "TF.js lacks Bucketize (node b)"
    not_reached = {"not_reached": [{"runtime": "tfjs", "reason": reason}]}
    path.write_text(json.dumps(json.loads(path.read_text()) | not_reached))
    text = report.build(job(), results, MADE_BY)
    told = Document(text).sections["parity"]
    assert f"The model does not run in TF.js: {reason}." in told
    assert "Try the model in your browser" not in text
    assert f"- not available for TF.js: {reason}" in report.build_model_card(
        job(), results, MADE_BY
    )


def test_missing_artifact_is_named(make_results: Callable[[str], Results]) -> None:
    results = make_results("binary")
    TrainingFolder(results.run("linear").training).history.unlink()
    with pytest.raises(MillraceError, match=r"linear/training/history\.csv: expected an artifact"):
        report.build(job(), results, MADE_BY)


@pytest.mark.parametrize("task", TASKS)
def test_model_card_holds_the_figures(make_results: Callable[[str], Results], task: str) -> None:
    results = make_results(task)
    card = report.build_model_card(job(), results, MADE_BY)
    metrics = json.loads(results.run("dnn").metrics.read_text())["metrics"]
    rows = [line for line in card.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + len(metrics)
    for name, metric in metrics.items():
        label = models_section.METRIC_NAMES[name]
        assert any(row.startswith(f"| {label} | {metric['value']:.4f} |") for row in rows)
    assert "{{" not in card
    assert "{%" not in card


def test_listing_sums_directories_without_hidden_files(tmp_path: Path) -> None:
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "train").write_bytes(b"12345")
    (tmp_path / "examples" / ".snakemake_timestamp").write_bytes(b"123")
    listed = {entry.path: entry.bytes for entry in contents.listing(Results(tmp_path))}
    own = dict.fromkeys(["provenance.json", "web/index.html", "model_card.md"])
    assert listed == {**own, "examples": 5}


def test_leaderboard_knows_which_way_is_better(make_results: Callable[[str], Results]) -> None:
    results = make_results("regression")
    evaluated = models_section.read(results, ["linear", "dnn"], Privacy(1, {}, ()))
    path = results.leaderboard
    path.write_text(
        "rank,model,kind,rmse,rmse_low,rmse_high,r2,r2_low,r2_high,ranked_by,ranked_on,"
        "ranking,ranking_low,ranking_high,behind,behind_low,behind_high,"
        "over,runs,parameters,bytes,epochs\n"
        "1,dnn,dnn,2.5,2.2,2.8,0.5,0.4,0.6,rmse,validation,2,1,3,,,,seeds,3,10,40,2\n"
        "2,linear,linear,3.5,,,0.7,0.6,0.8,rmse,validation,3,2,4,1,0.5,1.5,rows,1,10,40,2\n"
    )
    board = models_section.leaderboard(Leaderboard.load(path), evaluated)
    assert board.metrics == ["rmse", "r2"]
    assert board.best == {"rmse": 2.5, "r2": 0.7}
    assert board.baseline == {"rmse": 3.5, "r2": 0.0}
    first, second = board.entries
    assert (first.ranking, first.behind) == (Interval(2.0, 1.0, 3.0), None)
    assert second.behind == Interval(1.0, 0.5, 1.5)
    assert second.metrics["rmse"] == Interval(3.5, None, None)


def test_drift_and_missing_shares_are_those_of_the_statistics(
    make_results: Callable[[str], Results],
) -> None:
    statistics = Statistics.load(make_results("binary").statistics)
    age, carrier, late = data_section.columns(statistics, Privacy(1, statistics.train.columns, ()))
    assert age.missing == pytest.approx(0.1)
    # Train: 350, 175, 87, 43 of 700 and 45 missing; test: 2, 1 of 5 and 2 missing.
    assert carrier.drift.value == pytest.approx(2 / 5 - 45 / 700)
    assert carrier.splits["test"].values[:2] == [("UA", 0.4), ("AA", 0.2)]
    assert late.is_label


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ({}, "Each row at random, with equal shares of each class (validation: 0.15, test: 0.15)."),
        (
            {"folds": 5, "fold": 2},
            "Each row at random, with equal shares of each class "
            "(validation: fold 2 of 5, test: 0.15).",
        ),
        (
            {"copies": "together"},
            "By a hash of the features: rows with equal ones stay together "
            "(validation: 0.15, test: 0.15).",
        ),
        (
            {"by": "group", "column": "customer"},
            "By customer: rows with equal values are never in two splits "
            "(validation: 0.15, test: 0.15).",
        ),
        (
            {"by": "stratum"},
            "Each row at random, with equal shares of each late (validation: 0.15, test: 0.15).",
        ),
        (
            {"by": "time", "column": "day", "gap": 7, "validation": 0.1},
            "By time, in the order of day: the test rows are the latest "
            "(validation: 0.1, test: 0.15, gap: 7).",
        ),
    ],
)
def test_the_split_in_words(split: dict[str, Any], expected: str) -> None:
    assert data_section.split_in_words(job(split=split)) == expected
    files = {"train": "a.csv", "test": "b.csv"}
    assert (
        data_section.split_in_words(job(split=split, files=files)) == "The files name the splits."
    )


def test_a_name_is_text_in_the_model_card(make_results: Callable[[str], Results]) -> None:
    results = make_results("binary")
    hostile = "a`b\n# <img src=x> [x](javascript:1) __b__ snake_case |"
    signature = Signature.load(results.signature)
    inputs = [replace(item, name=hostile) for item in signature.inputs]
    replace(signature, inputs=inputs).save(results.signature)
    anomaly = Anomaly("warning", "drift", "carrier", "test", f"{hostile!s} drifts", 0.3)
    Anomalies([anomaly]).save(results.anomalies)
    card = report.build_model_card(job(), results, MADE_BY)
    one_line = " ".join(hostile.split())
    assert f"`` {one_line} ``" in card
    told = r"a\`b \# \<img src=x\> \[x\](javascript:1) \_\_b\_\_ snake_case \| drifts"
    assert f"- warning: {told}\n" in card


def test_a_column_left_out_is_told_after_the_warnings(
    make_results: Callable[[str], Results],
) -> None:
    results = make_results("binary")
    write_json(results.preprocessing, {"left_out": {"patient": "an id"}, "columns": []})
    sections = Document(report.build(job(), results, MADE_BY)).sections
    told = " ".join(sections["anomalies"].split())
    assert told.index("warning the distribution of 'carrier'") < told.index(
        "left out patient is not a feature: an id."
    )
