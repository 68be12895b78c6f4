"""Runs a small job through profiles/slurm, on two nodes, and compares it with a local run.

`make test-slurm`. The network trains on two workers, which SLURM puts on two nodes, and that job is
killed midway. Needs root on Debian, where it installs SLURM; is skipped elsewhere.
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
from contextlib import contextmanager
from pathlib import Path

from made_jobs import CONFIG_FILE, ROOT, hashes, make_folder, snakemake, start

LOGS = ROOT / "logs" / "slurm"
CLUSTER = Path(__file__).with_suffix(".sh")
PACKAGES = ["slurm-wlm", "munge"]
# One network, which trains long enough to be killed in between.
CHANGES = {
    "  linear: {kind: linear}\n": "",
    "hidden_units: [16]}": "hidden_units: [16], training: {epochs: 40, patience: 40}}",
    "\ntraining: {": "\ntraining: {workers: 2, ",
}
# There is no database of accounts in this SLURM, and its jobs are short.
OPTIONS = ["--slurm-no-account", "--slurm-status-command", "squeue"]
OPTIONS += ["--slurm-init-seconds-before-status-checks", "3"]


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Prints how long something took."""
    began = time.monotonic()
    yield
    print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)


def make_job(folder: Path) -> Path:
    make_folder(folder, "binary")
    path = folder / CONFIG_FILE
    text = path.read_text(encoding="utf-8")
    for old, new in CHANGES.items():
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return folder


def run_on_slurm(folder: Path) -> str:
    """Runs the workflow, kills its training of `small` in between, and returns what it said."""
    process = start(folder, "--profile", "profiles/slurm", *OPTIONS)
    log = folder / "logs/made/train/small.log"
    while not (log.exists() and "epoch 3:" in log.read_text()):
        if process.poll() is not None:
            sys.exit(f"{process.communicate()[0]}\nerror: ended before the training of `small`.")
        time.sleep(0.1)
    (job,) = jobs_of("rule_train_wildcards_small")
    print(f"killing job {job}: {nodes_of(job)}", flush=True)
    shutil.copy(log, LOGS / "killed.log")
    subprocess.run(["scancel", job], check=True)
    output, _ = process.communicate()
    (LOGS / "snakemake.log").write_text(output)
    if process.returncode:
        sys.exit(f"{output}\nerror: the workflow failed on SLURM.")
    return output


def jobs_of(comment: str) -> list[str]:
    queue = ["squeue", "--noheader", "--states=RUNNING", "--format=%i %k"]
    done = subprocess.run(queue, capture_output=True, text=True, check=True)
    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    return [job for job, of in lines if of == comment]


def nodes_of(job: str) -> str:
    described = ["scontrol", "show", "job", job]
    done = subprocess.run(described, capture_output=True, text=True, check=True)
    return " ".join(re.findall(r"\b(?:NodeList|NumNodes|NumTasks|TRES)=\S+", done.stdout))


def check(local: Path, cluster: Path, output: str) -> None:
    """Ends the process with an error where the two runs differ or a node had no part."""
    expected, found = hashes(local), hashes(cluster)
    different = sorted(name for name in expected | found if expected.get(name) != found.get(name))
    if different:
        sys.exit(f"error: expected the same files, found others on SLURM: {', '.join(different)}.")
    if "Trying to restart job" not in output:
        sys.exit("error: expected the killed job to be started again, found it was not.")
    log = (cluster / "logs/made/train/small.log").read_text()
    (LOGS / "train.small.log").write_text(log)
    for worker, node in enumerate(("n1", "n2")):
        if not re.search(rf"^{worker}: worker {worker} of 2: {node}, ", log, re.MULTILINE):
            sys.exit(f"{log}\nerror: expected worker {worker} on {node} in the log above.")
    if "epoch 1:" in log:
        sys.exit(f"{log}\nerror: expected the training to go on from its last checkpoint.")
    print(f"{len(found)} files are the same. The job that was killed, when it went on:\n{log}")


def main() -> None:
    if os.geteuid() or not Path("/etc/debian_version").exists():
        print("skipped: needs root on Debian, to install SLURM and start its daemons.")
        return
    # So that what is begun below is ended, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("error: was told to end."))
    LOGS.mkdir(parents=True, exist_ok=True)
    if not shutil.which("slurmctld"):
        with phase("install SLURM"):
            subprocess.run(["apt-get", "update", "-qq"], check=False)
            install = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *PACKAGES]
            if subprocess.run(install, stdout=subprocess.DEVNULL, check=False).returncode:
                print(f"skipped: apt-get could not install {' and '.join(PACKAGES)}; see above.")
                return
    with tempfile.TemporaryDirectory(prefix="millrace-slurm-") as name:
        folder = Path(name)
        try:
            with phase("start two nodes"):
                subprocess.run(["sh", CLUSTER, "start", folder / "slurm"], check=True)
            with phase("local run"):
                snakemake(make_job(folder / "local"))
            with phase("run on SLURM, one job killed"):
                output = run_on_slurm(make_job(folder / "cluster"))
            check(folder / "local", folder / "cluster", output)
        finally:
            subprocess.run(["sh", CLUSTER, "stop", folder / "slurm"], check=True)


if __name__ == "__main__":
    main()
