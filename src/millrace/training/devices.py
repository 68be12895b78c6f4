"""GPU locks: no two trainings share a GPU, and no other stage uses one."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

# One file per GPU, locked by the process that uses it. The kernel releases the lock when the
# process exits for any reason.
LOCKS = Path(tempfile.gettempdir()) / "millrace-gpus"
_held: list[int] = []


def visible() -> list[str]:
    """Returns the UUIDs of the GPUs that this process may use, by CUDA_VISIBLE_DEVICES."""
    if shutil.which("nvidia-smi") is None:
        return []
    query = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    found = done.stdout.split() if done.returncode == 0 else []
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return found
    by_name = {str(index): uuid for index, uuid in enumerate(found)} | {
        uuid: uuid for uuid in found
    }
    return [by_name[name] for name in chosen.split(",") if name in by_name]


def claim(count: int | None) -> None:
    """Locks GPUs for this process and hides the others, before TensorFlow is initialized.

    Waits while other trainings use too many of them.

    Args:
        count: the number of GPUs, or all if there are fewer; None for all.
    """
    gpus = visible()
    wanted = len(gpus) if count is None else min(count, len(gpus))
    if not wanted:
        return
    if not (mine := _take(gpus, wanted)):
        print(f"waiting for {wanted} of {len(gpus)} GPUs, held by other trainings", flush=True)
        while not (mine := _take(gpus, wanted)):
            time.sleep(1)
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(mine)


def hide() -> None:
    """Hides all GPUs from this process, for work that is faster on the CPU."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"


def _take(gpus: Sequence[str], wanted: int) -> list[str]:
    """Locks `wanted` GPUs, or none; returns their UUIDs."""
    if not LOCKS.is_dir():
        LOCKS.mkdir(exist_ok=True)
        LOCKS.chmod(0o777)  # trainings of other users lock GPUs here too
    taken: dict[str, int] = {}
    for gpu in gpus:
        lock = os.open(LOCKS / gpu, os.O_RDONLY | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        taken[gpu] = lock
        if len(taken) == wanted:
            _held.extend(taken.values())
            return list(taken)
    for lock in taken.values():
        os.close(lock)
    return []
