"""The table of paths is complete and without duplicates."""

from pathlib import Path

from millrace.results import Logs, RawFolder, Results

RESULTS = Results.of("a")


def test_the_paths_are_those_that_the_docs_and_dvc_know() -> None:
    assert RESULTS.statistics == Path("results/a/statistics.json")
    assert RESULTS.saved_model == Path("results/a/export/saved_model/1")
    assert RESULTS.run("tabm/seeds/1").metrics == Path("results/a/models/tabm/seeds/1/metrics.json")
    assert RESULTS.hardware_of("tabm/seeds/1") == Path("results/a/hardware/tabm/seeds/1.json")
    assert RESULTS.part(3) == Path("results/a/parts/3")
    assert RawFolder.of("a").manifest == Path("results/a/raw/manifest.json")
    assert Logs.of("a").log("train/tabm") == Path("logs/a/train/tabm.log")


def test_no_path_stands_for_two_things() -> None:
    paths = [entry.path for entry in Results.entries()]
    assert len(set(paths)) == len(paths)


def test_a_trial_is_not_evaluated() -> None:
    run = RESULTS.run("tabm/rungs/0/1")
    assert run.made(evaluated=False) == [run.training]
    assert run.made(evaluated=True) == [
        run.training,
        run.metrics,
        run.diagnostics,
        run.predictions,
    ]


def test_checksums_cover_all_artifacts_but_the_list_itself_and_the_runs() -> None:
    listed = {RESULTS.folder / entry.path for entry in Results.artifacts()}
    apart = {RESULTS.models, RESULTS.hardware, RESULTS.provenance}
    assert set(RESULTS.recorded()) == listed - apart
