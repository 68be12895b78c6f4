"""preprocess, run on the synthetic job."""

import gzip
import json
import shutil

import numpy as np
import pytest

from millrace.errors import MillraceError
from millrace.features import encoded
from millrace.features.preprocessing import Preprocessing
from millrace.tfrecord import framing


def test_every_example_is_encoded_in_its_order(made_job):
    job = made_job("multiclass").until("preprocess")
    learned = Preprocessing.load(job.results / "preprocessing.json")
    for split, table in job.tables.items():
        examples = encoded.read(job.results / "encoded" / f"{split}.tfrecord", learned.spec)
        assert len(examples) == len(table)
        expected = table["label"].map({"high": 0, "low": 1, "middle": 2})
        np.testing.assert_array_equal(examples.labels, expected)


def test_a_regression_is_learned_in_standard_deviations(made_job):
    job = made_job("regression").until("preprocess")
    learned = Preprocessing.load(job.results / "preprocessing.json")
    labels = encoded.read(job.results / "encoded" / "train.tfrecord", learned.spec).labels
    expected = job.tables["train"]["label"].astype(np.float64)
    z = (expected - expected.mean()) / expected.std(ddof=0)
    np.testing.assert_allclose(labels, z, atol=1e-4)


def test_a_rerun_gives_the_same_bytes(made_job, tmp_path):
    job = made_job("binary").until("preprocess")
    job.run(
        "preprocess",
        preprocessing=tmp_path / "p.json",
        features=tmp_path / "features.yaml",
        encoded=tmp_path / "encoded",
    )
    assert (tmp_path / "p.json").read_bytes() == (job.results / "preprocessing.json").read_bytes()
    for split in job.tables:
        again = tmp_path / "encoded" / f"{split}.tfrecord"
        assert again.read_bytes() == (job.results / "encoded" / again.name).read_bytes()


def test_a_class_that_training_lacks_is_refused_and_nothing_is_left(made_job, tmp_path):
    job = made_job("binary")
    statistics = json.loads((job.results / "statistics.json").read_text())
    statistics["label"]["classes"] = ["no", "maybe"]
    (tmp_path / "statistics.json").write_text(json.dumps(statistics))
    with pytest.raises(MillraceError, match=r"expected labels out of \['no', 'maybe'\]"):
        job.run(
            "preprocess",
            statistics=tmp_path / "statistics.json",
            preprocessing=tmp_path / "p.json",
            features=tmp_path / "features.yaml",
            encoded=tmp_path / "encoded",
        )
    assert {path.name for path in tmp_path.iterdir()} == {"statistics.json"}


def test_a_split_that_has_lost_a_row_is_refused_and_nothing_is_left(made_job, tmp_path):
    job = made_job("binary")
    shutil.copytree(job.results / "examples", tmp_path / "examples")
    (cut,) = (tmp_path / "examples").glob("test-*")
    (records,) = framing.read(cut)
    cut.write_bytes(records.records(records.numbers[:-1]).tobytes())
    with pytest.raises(MillraceError, match=r"expected 400 examples .* found 399"):
        job.run(
            "preprocess",
            examples=tmp_path / "examples",
            preprocessing=tmp_path / "p.json",
            features=tmp_path / "features.yaml",
            encoded=tmp_path / "encoded",
        )
    assert {path.name for path in tmp_path.iterdir()} == {"examples"}


def test_the_proposal_can_be_pasted_into_a_config(made_job, tmp_path):
    job = made_job("binary")
    paths = {"preprocessing": tmp_path / "p.json", "encoded": tmp_path / "encoded"}
    automatic = tmp_path / "auto.yaml"
    automatic.write_text("name: made\ndata: {files: made.csv, label: label}\nfeatures: auto\n")
    job.run("preprocess", config=automatic, features=tmp_path / "features.yaml", **paths)
    learned = (tmp_path / "p.json").read_bytes()
    proposal = (tmp_path / "features.yaml").read_text()
    assert "  size (mm): {kind: numeric" in proposal
    pasted = tmp_path / "pasted.yaml"
    pasted.write_text(automatic.read_text().replace("features: auto\n", proposal))
    job.run("preprocess", config=pasted, features=tmp_path / "again.yaml", **paths)
    before, after = json.loads(learned), json.loads((tmp_path / "p.json").read_bytes())
    assert after["columns"] == before["columns"]


def test_compressed_examples_are_encoded_alike(made_job, tmp_path):
    job = made_job("binary").until("preprocess")
    (tmp_path / "examples").mkdir()
    for shard in (job.results / "examples").iterdir():
        zipped = tmp_path / "examples" / f"{shard.name}.gz"
        zipped.write_bytes(gzip.compress(shard.read_bytes()))
    paths = {"preprocessing": "p.json", "features": "features.yaml", "encoded": "encoded"}
    options = {option: tmp_path / name for option, name in paths.items()}
    job.run("preprocess", examples=tmp_path / "examples", **options)
    for split in job.tables:
        again = tmp_path / "encoded" / f"{split}.tfrecord"
        assert again.read_bytes() == (job.results / "encoded" / again.name).read_bytes()
