"""Starts the processes that train one model together."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys

from millrace import models
from millrace.config.job import JobConfig
from millrace.config.models import ModelConfig
from millrace.errors import MillraceError
from millrace.training import devices

# The environment variable with the process ID that started a worker on this machine.
STARTER = "MILLRACE_STARTER"
PR_SET_PDEATHSIG = 1  # of Linux' prctl


def needed(job: JobConfig, settings: ModelConfig) -> int:
    """Returns the number of processes that train a model of these settings."""
    return job.training.workers if models.is_trained_by_batches(settings) else 1


def start(count: int) -> None:
    """Runs this process' command once for each worker, and waits for them.

    In a SLURM job each is on its own node; elsewhere all are on this machine.

    Raises:
        MillraceError: one of them failed; its output is on the screen.
    """
    command = [sys.executable, *sys.argv]
    failed = _on_nodes(count, command) if "SLURM_JOB_ID" in os.environ else _here(count, command)
    if failed:
        raise MillraceError(
            f"training.workers: expected all {count} to finish, found {failed}.",
            note="its output is above. The next run resumes from the last checkpoint.",
        )


def end_with_starter() -> None:
    """Makes the kernel kill this process when the process that started it exits for any reason.

    Otherwise workers would train on beside those of the next run. Does nothing for other processes.
    """
    starter = os.environ.get(STARTER)
    if starter is None:
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(starter):
        os.kill(os.getpid(), signal.SIGKILL)


def _on_nodes(count: int, command: list[str]) -> str | None:
    step = ["srun", f"--nodes={count}", f"--ntasks={count}", "--whole", "--label"]
    done = subprocess.run([*step, "--kill-on-bad-exit=1", *command], check=False)
    return f"that srun ended with status {done.returncode}" if done.returncode else None


def _here(count: int, command: list[str]) -> str | None:
    workers = [f"127.0.0.1:{port}" for port in _free_ports(count)]
    gpus = devices.visible()
    if gpus and len(gpus) < count:
        raise MillraceError(
            f"training.workers: expected a GPU for each of {count}, found {len(gpus)}.",
            note="lower training.workers, or ask SLURM for more GPUs.",
        )
    processes = []
    for index in range(count):
        task = {"type": "worker", "index": index}
        told = {"TF_CONFIG": json.dumps({"cluster": {"worker": workers}, "task": task})}
        told[STARTER] = str(os.getpid())
        if gpus:
            told["CUDA_VISIBLE_DEVICES"] = ",".join(gpus[index::count])
        processes.append(subprocess.Popen(command, env=os.environ | told))
    # When one exits, the others exit by themselves.
    ended = [process.wait() for process in processes]
    failed = [
        f"worker {index} with status {status}" for index, status in enumerate(ended) if status
    ]
    return ", ".join(failed) or None


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in sockets]
    for server in sockets:
        server.close()
    return ports
