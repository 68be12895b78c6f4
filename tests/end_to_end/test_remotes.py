"""Pushing to a DVC remote and pulling from it, with a local S3 server."""

import contextlib
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

from tests.helpers.synthetic_jobs import call, commit, edit, git, hashes, run

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

BUCKET = "models"


class S3:
    """An S3 server on loopback, with one bucket."""

    def __init__(self) -> None:
        self.start(port=0)
        host, self.port = self.server.get_host_and_port()
        self.url = f"http://{host}:{self.port}"
        self.client: Any = boto3.client("s3", endpoint_url=self.url)
        self.client.create_bucket(Bucket=BUCKET)

    def start(self, port: int) -> None:
        """Restarts the server; the bucket's contents survive."""
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=port)
        self.server.start()

    def md5s(self) -> dict[str, str]:
        """The key of each object, by its MD5."""
        objects = self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return {"".join(o["Key"].split("/")[-2:]): o["Key"] for o in objects}

    def clear(self) -> None:
        """The next server in this process would otherwise still hold the bucket's contents."""
        for key in self.md5s().values():
            self.client.delete_object(Bucket=BUCKET, Key=key)

    @contextlib.contextmanager
    def damaged(self, key: str) -> Iterator[None]:
        """Changes one bit for a while."""
        body = self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        changed = bytearray(body)
        changed[len(body) // 2] ^= 1
        self.client.put_object(Bucket=BUCKET, Key=key, Body=bytes(changed))
        yield
        self.client.put_object(Bucket=BUCKET, Key=key, Body=body)


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            patch.setenv(name, value)
        server = S3()
        yield server
        server.clear()
        server.server.stop()


# Beside what stages make; logs are in no results.
LEFT = {
    "results/made/config.yaml",
    "results/made/models/small/checkpoints/last/weights",
    "results/made/models/small/tensorboard/events",
}


@pytest.fixture(scope="module")
def pushed(finished_repository: Path, s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with its results in S3, as docs/drivers.md says, and the remote committed.

    The last test changes it.
    """
    repository = tmp_path_factory.mktemp("remotes") / "job"
    shutil.copytree(finished_repository, repository, symlinks=True)
    for name in (*LEFT, "logs/made/train.small.log"):
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(f"not to be pushed: {name}")
    run(repository, "dvc", "remote", "add", "--default", "store", f"s3://{BUCKET}/millrace")
    run(repository, "dvc", "remote", "modify", "store", "verify", "true")
    run(repository, "dvc", "remote", "modify", "store", "endpointurl", s3.url)
    run(repository, "millrace.workflow.drivers", "to-dvc")
    run(repository, "dvc", "push")
    commit(repository, "remote")
    return repository


def clone_of(repository: Path, folder: Path) -> Path:
    git(repository, "clone", "--quiet", str(repository), str(folder))
    (folder / "web" / "node_modules").symlink_to(repository / "web" / "node_modules")
    return folder


def declared(repository: Path) -> set[Path]:
    """Returns the files that dvc.lock and table.csv.dvc name."""
    stages = yaml.safe_load((repository / "dvc.lock").read_text())["stages"].values()
    outs = [repository / out["path"] for stage in stages for out in stage["outs"]]
    inside = {file for out in outs if out.is_dir() for file in out.rglob("*") if file.is_file()}
    files = inside | {out for out in outs if out.is_file()} | {repository / "table.csv"}
    return {file for file in files if file.name != ".snakemake_timestamp"}


def test_a_push_holds_what_stages_make_and_the_raw_table_and_nothing_else(
    pushed: Path, s3: S3
) -> None:
    files = declared(pushed)
    made = {path for path in (pushed / "results").rglob("*") if path.is_file()}
    left = {str(path.relative_to(pushed)) for path in made - files}
    assert {name for name in left if not name.endswith(".snakemake_timestamp")} == LEFT
    held = s3.md5s()
    folders = {md5 for md5 in held if md5.endswith(".dir")}
    expected = {hashlib.md5(path.read_bytes()).hexdigest() for path in files}
    assert held.keys() - folders == expected
    lock = yaml.safe_load((pushed / "dvc.lock").read_text())["stages"].values()
    assert folders == {o["md5"] for s in lock for o in s["outs"] if o["md5"].endswith(".dir")}


def test_what_was_pushed_comes_back(pushed: Path, s3: S3, tmp_path: Path) -> None:
    clone = clone_of(pushed, tmp_path / "clone")
    run(clone, "dvc", "pull")
    assert "Data and pipelines are up to date" in run(clone, "dvc", "status")
    assert hashes(clone) == {name: x for name, x in hashes(pushed).items() if name not in LEFT}
    assert (clone / "table.csv").read_bytes() == (pushed / "table.csv").read_bytes()


def test_a_damaged_object_is_refused(pushed: Path, s3: S3, tmp_path: Path) -> None:
    weights = "results/made/models/small/training/model.weights.h5"
    key = s3.md5s()[hashlib.md5((pushed / weights).read_bytes()).hexdigest()]
    clone = clone_of(pushed, tmp_path / "clone")
    with s3.damaged(key):
        done = call(clone, "dvc", "pull")
    assert done.returncode != 0
    assert "results/made/models/small/training" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (clone / weights).exists()
    refused = call(clone, "millrace.workflow.drivers", "to-snakemake")
    assert refused.returncode == 1
    assert "train-small" in refused.stderr


def test_while_a_remote_is_down_nothing_changes_and_the_next_call_goes_on(
    pushed: Path, s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = clone_of(pushed, tmp_path / "clone")
    edit(pushed / "table.csv", "Aarhus", "Odense")
    run(pushed, "dvc", "commit", "--force", "table.csv.dvc")
    before = hashes(pushed)
    s3.server.stop()
    # Only DVC's file system retries; botocore's retries would multiply that to four minutes.
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for folder, command in ((pushed, "push"), (clone, "pull")):
        done = call(folder, "dvc", command)
        assert done.returncode != 0
        assert "Could not connect to the endpoint URL" in done.stderr
        assert "Traceback" not in done.stderr
    assert hashes(pushed) == before
    assert not (clone / "results").exists()
    assert not (clone / "table.csv").exists()
    refused = call(clone, "millrace.workflow.drivers", "to-snakemake")
    assert refused.returncode == 1
    assert "error: dvc: expected every stage up to date, found changed: " in refused.stderr
    assert "Traceback" not in refused.stderr

    s3.start(s3.port)
    run(pushed, "dvc", "push")
    run(clone, "dvc", "pull")
    run(clone, "millrace.workflow.drivers", "to-snakemake")
    new = hashlib.md5((pushed / "table.csv").read_bytes()).hexdigest()
    assert new in s3.md5s()
