"""The machine that a model is trained on, which can affect the last digits of weights."""

import os
import platform
from pathlib import Path

import tensorflow as tf

from millrace.artifacts.hardware import Hardware

# The instructions by which TensorFlow chooses its kernels.
INSTRUCTIONS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "asimd", "sve")


def describe(strategy: tf.distribute.Strategy) -> Hardware:
    """Returns the machine of this process; with several workers it is the chief's."""
    cpu = _cpu()
    flags = cpu.get("flags", cpu.get("Features", "")).split()
    return Hardware(
        cpu=cpu.get("model name") or platform.processor() or platform.machine(),
        cores=_cores(),
        instructions=[name for name in INSTRUCTIONS if name in flags],
        gpus=[
            tf.config.experimental.get_device_details(device).get("device_name", device.name)
            for device in tf.config.list_physical_devices("GPU")
        ],
        replicas=strategy.num_replicas_in_sync,
    )


def _cores() -> int | None:
    """Returns the number of cores that the process may use, or None if unknown."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count()


def _cpu() -> dict[str, str]:
    """Returns the entry of the first core in /proc/cpuinfo."""
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    except FileNotFoundError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
