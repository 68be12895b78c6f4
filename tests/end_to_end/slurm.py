"""Runs a small job through profiles/slurm, on two nodes, and compares it with a local run.

`make test-slurm`. The network trains on two workers, on one node each, and that job is
killed midway. If SLURM cannot be installed or does not start, it says why and counts as skipped;
a workflow that fails, or does not end, is an error.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

from tests.helpers.synthetic_jobs import CONFIG_FILE, ROOT, hashes, make_folder, start

LOGS = ROOT / "logs" / "slurm"
CLUSTER = Path(__file__).with_suffix(".sh")
PROGRAMS = ("munged", "slurmctld", "slurmd", "srun", "sbatch")
PACKAGES = ("slurm-wlm", "munge")
# Seconds to wait for an unresponsive mirror or another apt-get.
APT = ("apt-get", "-qq", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20")
APT += ("-o", "DPkg::Lock::Timeout=60")
# Four times what it takes on 2 cores.
SECONDS = 1200
# How much of a log is shown.
LINES = 20
# One network that trains long enough to be killed midway.
CHANGES = {
    "  linear: {kind: linear}\n": "",
    "hidden_units: [16]}": "hidden_units: [16], training: {epochs: 40, patience: 40}}",
    "\ntraining: {": "\ntraining: {workers: 2, ",
}
# This SLURM has no accounting database, and its jobs are short.
OPTIONS = ("--profile", "profiles/slurm", "--slurm-no-account", "--slurm-status-command", "squeue")
OPTIONS += ("--slurm-init-seconds-before-status-checks", "1")


class Unable(Exception):
    """SLURM cannot run on this machine."""


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Prints how long something took."""
    began = time.monotonic()
    yield
    print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)


def fail(message: str) -> NoReturn:
    """Ends the process with the ends of both logs and an error."""
    for log in sorted(LOGS.glob("*.log")):
        print(f"--- {log}\n{''.join(log.read_text().splitlines(keepends=True)[-4 * LINES :])}")
    subprocess.run(["squeue"], check=False)
    sys.exit(f"error: {message}")


def install() -> None:
    """Installs SLURM. Raises Unable if that fails."""
    if os.geteuid() or not Path("/etc/debian_version").exists():
        raise Unable("needs root on Debian, to install SLURM and start its daemons.")
    if all(map(shutil.which, PROGRAMS)):
        return
    with phase("install SLURM"):
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run([*APT, "update"], env=quiet, check=False)
        packages = ["install", "-y", "--no-install-recommends", *PACKAGES]
        subprocess.run([*APT, *packages], env=quiet, stdout=subprocess.DEVNULL, check=False)
    # Ignores apt-get's status: it does not matter if a daemon was not started.
    if not all(map(shutil.which, PROGRAMS)):
        raise Unable(f"apt-get could not install {' and '.join(PACKAGES)}; see above.")


@contextmanager
def two_nodes(folder: Path) -> Iterator[None]:
    """Runs SLURM within the block. Raises Unable if it does not start."""
    try:
        with phase("start two nodes"):
            if subprocess.run(["sh", CLUSTER, "start", folder], check=False).returncode:
                raise Unable("SLURM does not start here; see above.")
        yield
    finally:
        subprocess.run(["sh", CLUSTER, "stop", folder], check=False)


def make_job(folder: Path) -> Path:
    make_folder(folder, "binary")
    path = folder / CONFIG_FILE
    text = path.read_text(encoding="utf-8")
    for old, new in CHANGES.items():
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return folder


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Runs Snakemake in a folder; the processes it started end with the block."""
    with (LOGS / f"snakemake.{folder.name}.log").open("w") as log:
        process = start(folder, *arguments, stdout=log)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def kill_training(folder: Path, workflow: subprocess.Popen[str]) -> None:
    """Waits until `small` trains, and kills its job."""
    log = folder / "logs/made/train/small.log"
    while not (log.exists() and "epoch 3:" in log.read_text()):
        if workflow.poll() is not None:
            fail("expected a training of `small`, found that the workflow ended before it.")
        time.sleep(0.1)
    job = answer("squeue", "--noheader", "--states=RUNNING", "--format=%i").strip()
    described = answer("scontrol", "show", "job", job)
    print(f"killing job {job}:", *re.findall(r"\b(?:NodeList|NumNodes|TRES)=\S+", described))
    shutil.copy(log, LOGS / "killed.log")
    subprocess.run(["scancel", job], check=True)


def answer(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def check(local: Path, cluster: Path) -> None:
    """Ends the process with an error if the two runs differ or a node was not used."""
    expected, found = hashes(local), hashes(cluster)
    different = sorted(name for name in expected | found if expected.get(name) != found.get(name))
    if different:
        fail(f"expected the same files, found others on SLURM: {', '.join(different)}.")
    if "Trying to restart job" not in (LOGS / "snakemake.cluster.log").read_text():
        fail("expected the killed job to be started again, found it was not.")
    log = (cluster / "logs/made/train/small.log").read_text()
    (LOGS / "train.small.log").write_text(log)
    for worker, node in enumerate(("n1", "n2")):
        if not re.search(rf"^{worker}: worker {worker} of 2: {node}, ", log, re.MULTILINE):
            fail(f"expected worker {worker} on {node} in the log of `small`.")
    if "epoch 1:" in log:
        fail("expected the training to go on from its last checkpoint, found its first epoch.")
    print(f"{len(found)} files are the same. The job that was killed, when it went on:")
    said = [line for line in log.splitlines(keepends=True) if "WARNING" not in line]
    print("".join(said[:LINES]).rstrip())


def compare(folder: Path) -> None:
    """Runs the job on SLURM and, meanwhile, locally."""
    local, cluster = make_job(folder / "local"), make_job(folder / "cluster")
    signal.signal(signal.SIGALRM, lambda *_: fail(f"expected an end within {SECONDS} s."))
    signal.alarm(SECONDS)
    with phase("run on SLURM, one job killed, and run here"), ExitStack() as stack:
        workflow = stack.enter_context(running(cluster, *OPTIONS))
        here = stack.enter_context(running(local))
        kill_training(cluster, workflow)
        if here.wait() or workflow.wait():
            fail("expected both workflows to succeed, found that one failed.")
    signal.alarm(0)
    check(local, cluster)


def main() -> None:
    # So that the processes started below are ended, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("error: was told to end."))
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True)
    try:
        install()
        with (
            tempfile.TemporaryDirectory(prefix="millrace-slurm-") as name,
            two_nodes(Path(name) / "slurm"),
        ):
            compare(Path(name))
    except Unable as error:
        print(f"skipped: {error}")


if __name__ == "__main__":
    main()
