"""Interrupts whole jobs at random moments and compares the bytes in which they end.

    python benchmarks/chaos.py --faults 100 [--folder FOLDER]

A round starts the same small job in a new folder, under Snakemake or under DVC, interrupts it again
and again, lets it finish, and compares every result with those of an undisturbed run. A round is a
seed: the program resumes with the next one. As root it also fills the disk under `results`. Writes
benchmarks/chaos.json and the table in docs/testing.md, and ends with status 1 as soon as bytes
differ, a process is left over, an error is unclear or a job cannot finish; the folder is kept.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

import pages

from tests.helpers.synthetic_jobs import CONFIG_FILE, edit, environment, hashes, make_repository

RESULT = Path(__file__).with_suffix(".json")
PAGE = Path(__file__).parents[1] / "docs" / "testing.md"
FAULTS = 100
SIGNALS_IN_A_ROUND = 10
# A resumed job goes on, so that ten of these reach later stages.
LONGEST_SHARE_OF_A_JOB = 0.12
FULL_DISKS_IN_A_ROUND = 3
SECONDS_UNTIL_GONE = 30.0
SECONDS_IN_A_YEAR = 365 * 86_400
DRIVERS = {
    "Snakemake": ["snakemake", "--cores", "2"],
    "DVC": ["dvc", "repro"],
}
# Each fault's signal, and whether all processes get it, as from a terminal.
SIGNALS = {
    "SIGKILL to the driver": (signal.SIGKILL, False),
    "SIGKILL to all processes": (signal.SIGKILL, True),
    "SIGINT to all processes": (signal.SIGINT, True),
    "SIGTERM to the driver": (signal.SIGTERM, False),
}
FULL_DISK = "full disk"
TWO_RUNS = "second run at the same time"
OLD_CLOCK = "clock set back a year"
NO_STAGE = "none"
# A tmpfs gives files whole pages.
PAGE_BYTES = 4096


class BrokenPromiseError(Exception):
    """A job that did not recover."""


class Reference(NamedTuple):
    """The undisturbed run: its folder before it ran, its hashes, seconds and bytes."""

    folder: Path
    hashes: dict[str, str]
    seconds: float
    size: int


@dataclass
class Counts:
    """What was done so far.

    Attributes:
        rounds: finished jobs.
        faults: how often each fault happened, by driver.
        stages: how often each stage was running when a signal came.
        full: how often each stage was the first to find the disk full.
        seconds: how long the campaign took.
    """

    rounds: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)
    full: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @classmethod
    def load(cls, path: Path) -> "Counts":
        kept = json.loads(path.read_text(encoding="utf-8"))
        counters = {name: Counter(kept.pop(name)) for name in ("faults", "stages", "full")}
        return cls(**kept, **counters)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(vars(self), indent=1, sort_keys=True) + "\n")


class Round:
    """One job in a folder of its own, interrupted and resumed."""

    def __init__(self, seed: int, reference: Reference, folder: Path, counts: Counts) -> None:
        self.chance = random.Random(seed)
        self.reference = reference
        self.folder = folder
        self.counts = counts
        self.driver = list(DRIVERS)[seed % len(DRIVERS)]
        # Every second pair of rounds has full disks, the others a second run or an old clock.
        self.special = (TWO_RUNS, FULL_DISK, OLD_CLOCK, FULL_DISK)[seed // 2 % 4]

    def run(self) -> None:
        """Interrupts the job, lets it finish and compares its results.

        Raises:
            BrokenPromiseError: it did not recover.
        """
        shutil.copytree(self.reference.folder, self.folder, symlinks=True)
        after_signals = sorted(self.chance.sample(range(SIGNALS_IN_A_ROUND), FULL_DISKS_IN_A_ROUND))
        if self.special == OLD_CLOCK:
            self._date_input_in_the_future()
        for place in range(SIGNALS_IN_A_ROUND):
            if self.special == FULL_DISK and os.geteuid() == 0 and place in after_signals:
                self._fill_the_disk()
            if not self._interrupt(self.chance.choice(list(SIGNALS))):
                break
        if self.special == TWO_RUNS:
            self._run_twice()
        self.finish()
        self._compare()

    def _start(self) -> subprocess.Popen[bytes]:
        """Starts the driver in a process group of its own; its output goes to driver.log."""
        with (self.folder / "driver.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *DRIVERS[self.driver]],
                cwd=self.folder,
                env=environment(self.folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _resume(self) -> subprocess.Popen[bytes]:
        """Starts the driver in a folder whose job may have been interrupted."""
        if self.driver == "Snakemake":
            # Not `snakemake --unlock`, which takes seconds and does only this.
            shutil.rmtree(self.folder / ".snakemake" / "locks", ignore_errors=True)
        return self._start()

    def _log(self) -> str:
        return (self.folder / "driver.log").read_text(errors="replace")

    def _interrupt(self, fault: str) -> bool:
        """Starts the driver and ends it with a signal, a random time later.

        Returns whether the job was still running.
        """
        process = self._resume()
        time.sleep(self.chance.uniform(1, self.reference.seconds * LONGEST_SHARE_OF_A_JOB))
        which, to_all = SIGNALS[fault]
        status = process.poll()
        if status:
            raise BrokenPromiseError(f"{self.driver} failed, with status {status}")
        if status is None:
            running = {stage for stage in map(stage_of, processes_in(self.folder)) if stage}
            self.counts.stages.update(running or [NO_STAGE])
            (os.killpg if to_all else os.kill)(process.pid, which)
            self._count(fault)
        process.wait()
        self._wait_until_gone()
        return status is None

    def _wait_until_gone(self) -> None:
        """Waits for the processes of the job to end, which they must do by themselves."""
        deadline = time.monotonic() + SECONDS_UNTIL_GONE
        while left := processes_in(self.folder):
            if time.monotonic() > deadline:
                raise BrokenPromiseError(f"processes are left over: {left}")
            time.sleep(0.2)

    def _fill_the_disk(self) -> None:
        """Runs the job on a disk with little room, then moves the results to one with more."""
        results = self.folder / "results"
        kept = self.folder.with_name("kept")
        before = len(self._log()) if (self.folder / "driver.log").exists() else 0
        results.mkdir(exist_ok=True)
        used = size_of(results)
        room = int((self.reference.size - used) * self.chance.uniform(0.01, 0.9))
        results.rename(kept)
        results.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={used + room}", "none", str(results)]
        subprocess.run(mount, check=True)
        try:
            shutil.copytree(kept, results, dirs_exist_ok=True, symlinks=True)
            status = self._resume().wait()
            self._wait_until_gone()
            self._judge_full_disk(status, self._log()[before:])
            shutil.rmtree(kept)
            shutil.copytree(results, kept, symlinks=True)
        finally:
            subprocess.run(["umount", "-l", str(results)], check=True)
        results.rmdir()
        kept.rename(results)

    def _judge_full_disk(self, status: int, log: str) -> None:
        """Checks what a run said whose disk was full; one that had room for all is no fault."""
        if status == 0:
            return
        if "Traceback (most recent call last)" in log:
            raise BrokenPromiseError("a full disk gave a traceback")
        if "No space left on device" not in log:
            raise BrokenPromiseError("the error does not say that the disk is full")
        self.counts.full[failed_stage(log)] += 1
        self._count(FULL_DISK)

    def _date_input_in_the_future(self) -> None:
        """Gives the table the time that a clock a year ahead of this one would have given it."""
        ahead = time.time() + SECONDS_IN_A_YEAR
        os.utime(self.folder / "table.csv", (ahead, ahead))
        self._count(OLD_CLOCK)

    def _run_twice(self) -> None:
        """Starts a second driver beside the first, which must not disturb it."""
        first = self._resume()
        time.sleep(self.chance.uniform(0, 10))
        second = self._start()
        if first.wait():
            raise BrokenPromiseError("a second run disturbed the first")
        second.wait()
        self._wait_until_gone()
        self._count(TWO_RUNS)

    def finish(self) -> None:
        if self._resume().wait():
            raise BrokenPromiseError("the job did not finish")

    def _compare(self) -> None:
        found, expected = made_by_both(self.folder), self.reference.hashes
        names = found.keys() | expected.keys()
        if differ := sorted(name for name in names if found.get(name) != expected.get(name)):
            raise BrokenPromiseError(f"other bytes: {differ}")

    def _count(self, fault: str) -> None:
        self.counts.faults[f"{self.driver}: {fault}"] += 1


def processes_in(folder: Path) -> list[str]:
    """Returns the commands of the processes that run in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if Path(os.readlink(process / "cwd")).is_relative_to(folder):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def stage_of(command: str) -> str | None:
    """Returns the stage that a command runs; None for a driver or a shell."""
    script = re.search(r"scripts/(\w+)\.py\b", command)
    return script[1] if script else None


def failed_stage(log: str) -> str:
    """Returns the stage that failed first, as the driver's output names it."""
    found = re.search(r"Error in rule (\w+):|failed to reproduce '([\w.-]+)'", log)
    return re.split(r"[-@]", found[1] or found[2])[0] if found else "the driver itself"


def made_by_both(folder: Path) -> dict[str, str]:
    """Returns the hashes of what both drivers make: the lists of a stage's code are DVC's."""
    return {name: x for name, x in hashes(folder).items() if "/code/" not in name}


def size_of(folder: Path) -> int:
    """Returns how many bytes of a tmpfs the files of a folder take."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return sum(-(-size // PAGE_BYTES) * PAGE_BYTES for size in sizes)


def make_reference(folder: Path) -> Reference:
    """Runs the job undisturbed, if it has not run there before."""
    template, undisturbed, took = (folder / x for x in ("template", "undisturbed", "seconds"))
    if not took.exists():
        make_repository(template)
        edit(template / CONFIG_FILE, "epochs: 15", "epochs: 3")
        shutil.copytree(template, undisturbed, symlinks=True)
        began = time.monotonic()
        Round(0, Reference(template, {}, 0.0, 0), undisturbed, Counts()).finish()
        took.write_text(str(time.monotonic() - began))
    size = size_of(undisturbed / "results")
    return Reference(template, made_by_both(undisturbed), float(took.read_text()), size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=FAULTS)
    parser.add_argument("--again", action="store_true", help="forget what was done before")
    parser.add_argument("--folder", type=Path, help="where jobs run; default: a new one")
    arguments = parser.parse_args()
    # In the background of a shell SIGINT is ignored, by the processes started here too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    counts = Counts() if arguments.again or not RESULT.exists() else Counts.load(RESULT)
    made = arguments.folder or Path(tempfile.mkdtemp(prefix="chaos-"))
    made.mkdir(parents=True, exist_ok=True)
    reference = make_reference(made)
    print(f"undisturbed: {reference.seconds:.0f} s, {reference.size:,} bytes", flush=True)
    while counts.faults.total() < arguments.faults:
        began = time.monotonic()
        folder = Path(tempfile.mkdtemp(prefix=f"round-{counts.rounds}-", dir=made), "job")
        try:
            Round(counts.rounds, reference, folder, counts).run()
        except BrokenPromiseError as broken:
            sys.exit(f"round {counts.rounds}, in {folder}: {broken}")
        shutil.rmtree(folder.parent)
        counts.rounds += 1
        counts.seconds += round(time.monotonic() - began)
        counts.save(RESULT)
        pages.fill(PAGE, "chaos.py", table(counts))
        print(f"{counts.rounds} rounds, {counts.faults.total()} faults", flush=True)


def table(counts: Counts) -> str:
    """Returns the figures as docs/testing.md shows them."""
    kinds = [*SIGNALS, FULL_DISK, TWO_RUNS, OLD_CLOCK]
    rows: list[Any] = [
        [kind, *(counts.faults[f"{driver}: {kind}"] for driver in DRIVERS)] for kind in kinds
    ]
    lines = [f"| {' | '.join(map(str, row))} |" for row in rows]
    hit, full = (
        ", ".join(f"{stage} {times}" for stage, times in sorted(of.items())) or "none yet"
        for of in (counts.stages, counts.full)
    )
    return "\n".join(
        [
            "",
            f"| fault | {' | '.join(DRIVERS)} |",
            f"|---|{'--:|' * len(DRIVERS)}",
            *lines,
            "",
            f"{counts.faults.total()} of the {FAULTS} faults aimed at; rounds: {counts.rounds}, "
            f"{counts.seconds / 60:.0f} minutes. Each job ended with the bytes of the undisturbed "
            "run and left no process.",
            "",
            f"Stages running when a signal came: {hit}.",
            "",
            f"Stages that found the disk full: {full}.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
