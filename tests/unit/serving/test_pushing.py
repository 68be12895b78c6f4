"""Push and rollback, killed at every step; nothing here needs a model that predicts."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from millrace import config
from millrace.artifacts.blessing import Blessing, BlessingCheck
from millrace.artifacts.served import Pushed, ServedManifest
from millrace.errors import MillraceError
from millrace.files import sha256, visible
from millrace.results import Results
from millrace.serving import pushing
from millrace.serving.shipped import shipped_files
from millrace.serving.versions import Versions

JOB = config.complete({"name": "a", "data": {"files": "a.csv", "label": "y"}})
NAMES = (
    "export/saved_model/1/saved_model.pb",
    "export/saved_model/1/variables/variables.index",
    "export/tflite/float32.tflite",
    "export/tfjs/model.json",
    "export/onnx/model.onnx",
    "export/signature.json",
    "parity.json",
    "warm_up.tfrecord",
)


class Job:
    """What a job exports, as files of made bytes."""

    def __init__(self, folder: Path) -> None:
        self.results, self.versions = Results(folder / "results"), Versions(folder / "serving")

    def train(self, content: str) -> None:
        """Makes another model, blessed beside the one in use."""
        for name in NAMES:
            path = self.results.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{name} {content}")
        self.bless()

    def bless(self, passed: bool = True) -> None:
        files = {name: sha256(path) for name, path in shipped_files(self.results).items()}
        checks = [BlessingCheck("overall", passed, "auc 0.7, version 1 0.8")]
        in_use = self.versions.in_use()
        blessing = Blessing(passed, "dnn", in_use, "auc", checks, [], files)
        blessing.save(self.results.blessing)

    def push(self, keep: int = 3) -> Pushed:
        job = JOB.changed(push=JOB.push.changed(keep=keep))
        return pushing.push(job, self.results, self.versions)

    def served(self) -> dict[str, str]:
        """What a server reads: the files of the largest number among the folder's names."""
        numbers = [x for x in os.listdir(self.versions.folder) if x.isdecimal()]
        version = self.versions.folder / max(numbers, key=int)
        return {str(x.relative_to(version)): x.read_text() for x in visible(version)}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    made = Job(tmp_path)
    made.train("one")
    return made


def test_a_version_has_the_layout_of_tensorflow_serving_and_hashes(job: Job) -> None:
    pushed = job.push()
    assert (pushed.version, pushed.new, pushed.removed) == (1, True, [])
    assert Path(pushed.folder) == job.versions.folder / "1"
    found = job.served()
    assert found["saved_model.pb"] == "export/saved_model/1/saved_model.pb one"
    assert found["assets.extra/tf_serving_warmup_requests"] == "warm_up.tfrecord one"
    assert found["assets.extra/millrace/tflite/float32.tflite"].endswith("one")
    assert found["assets.extra/millrace/tfjs/model.json"].endswith("one")
    assert found["assets.extra/millrace/onnx/model.onnx"].endswith("one")
    assert "assets.extra/millrace/clients/saved_model.py" in found
    manifest = ServedManifest.load(job.versions.version(1).manifest)
    version = job.versions.folder / "1"
    rest = {str(x.relative_to(version)): sha256(x) for x in visible(version)}
    del rest["assets.extra/millrace/manifest.json"]
    assert manifest.files == rest
    assert [x.name for x in job.versions.folder.iterdir()] == ["1"]


def test_the_model_in_use_is_not_pushed_again(job: Job) -> None:
    job.push()
    again = job.push()
    assert (again.version, again.new) == (1, False)
    assert job.versions.numbers == [1]


def test_what_is_not_blessed_is_refused(job: Job) -> None:
    job.bless(passed=False)
    with pytest.raises(MillraceError, match=r"the check overall: auc 0.7, version 1 0.8"):
        job.push()
    job.results.blessing.unlink()
    with pytest.raises(MillraceError, match=r"blessing.json: expected an artifact"):
        job.push()
    assert not job.versions.numbers


@pytest.mark.parametrize("name", NAMES)
def test_what_has_changed_since_the_blessing_is_refused(job: Job, name: str) -> None:
    (job.results.folder / name).write_text("another")
    with pytest.raises(MillraceError, match=r"expected the files that blessing.json judged"):
        job.push()
    assert not job.versions.numbers


def test_a_file_more_or_less_is_refused(job: Job) -> None:
    more = job.results.saved_model / "assets" / "more.txt"
    more.parent.mkdir()
    more.write_text("")
    with pytest.raises(MillraceError, match=r"found another saved_model/assets/more.txt"):
        job.push()
    more.unlink()
    (job.results.tfjs / "model.json").unlink()
    with pytest.raises(MillraceError, match=r"found another tfjs/model.json"):
        job.push()


def test_a_comparison_with_another_version_than_the_one_in_use_is_refused(job: Job) -> None:
    job.push()
    job.train("two")
    blessing = Blessing.load(job.results.blessing)
    replace(blessing, in_use=None).save(job.results.blessing)
    with pytest.raises(MillraceError, match="in use, version 1, found one with version none"):
        job.push()


def test_so_many_versions_are_kept(job: Job) -> None:
    removed = []
    for number in range(1, 6):
        job.train(str(number))
        removed += job.push(keep=2).removed
    assert (job.versions.numbers, removed) == ([4, 5], [1, 2, 3])
    assert sorted(x.name for x in job.versions.folder.iterdir()) == ["4", "5"]


def test_rollback_serves_the_version_before_and_its_number_is_not_used_again(job: Job) -> None:
    job.push()
    one = job.served()
    job.train("two")
    job.push()
    assert pushing.rollback(job.versions) == (2, 1)
    assert job.served() == one and job.versions.in_use() == 1
    with pytest.raises(MillraceError, match="expected a version before the one in use, found ver"):
        pushing.rollback(job.versions)
    # It was blessed beside version 1, and is so again.
    assert job.push().version == 3
    assert sorted(x.name for x in job.versions.folder.iterdir()) == ["1", "3"]


def test_two_pushes_at_once_are_refused(job: Job) -> None:
    with (
        pushing._alone(job.versions.folder),
        pytest.raises(MillraceError, match="no other push"),
    ):
        job.push()
    assert job.push().version == 1


def killed_at(step: int, job: Job, act: str) -> bool:
    """Forks a process that pushes or rolls back, and ends before its n-th call that touches a
    file of the versions; returns whether it came to its end before."""
    child = os.fork()
    if child == 0:
        left = step

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            is_call = event == "open" or event.startswith(("os.", "shutil."))
            if is_call and any(str(job.versions.folder) in str(x) for x in arguments):
                left -= 1
                if left < 0:
                    os._exit(9)

        sys.addaudithook(hook)
        job.push(keep=2) if act == "push" else pushing.rollback(job.versions)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.slow
@pytest.mark.parametrize(("act", "stride"), [("push", 5), ("rollback", 1)])
def test_killed_at_any_step_a_whole_version_is_served(job: Job, act: str, stride: int) -> None:
    for content in ("zero", "one"):
        job.train(content)
        job.push(keep=2)
    outcomes = []
    for step in range(0, 1000, stride):
        before = job.served()
        if act == "push":
            job.train(f"model {step}")
        elif len(job.versions.numbers) < 2:
            job.train(f"model {step}")
            job.push(keep=2)
            before = job.served()
        previous = job.versions.folder / str(job.versions.numbers[0])
        other = {str(x.relative_to(previous)): x.read_text() for x in visible(previous)}
        ended = killed_at(step, job, act)
        now = job.served()
        if act == "push":
            whole = now["saved_model.pb"].endswith(f"model {step}")
            assert whole or now == before
            if whole:
                version = job.versions.version(job.versions.numbers[-1])
                manifest = ServedManifest.load(version.manifest)
                assert manifest.blessed == Blessing.load(job.results.blessing).files
                assert manifest.files.keys() | {"assets.extra/millrace/manifest.json"} == now.keys()
        else:
            assert now in (before, other)
        outcomes.append(now != before)
        if ended:
            break
    # The last one came to its end; some were killed before the rename, and some behind it.
    assert ended and outcomes[-1] and not outcomes[0]
    assert len(outcomes) > 5
    job.train("the end")
    assert job.push(keep=2).new
    assert not list(job.versions.folder.glob(".*"))
