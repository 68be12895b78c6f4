"""The machine that a model is trained on, which can affect the last digits of weights."""

import os
import platform
from pathlib import Path

import tensorflow as tf

from millrace.artifacts.hardware import Hardware

# TensorFlow chooses its kernels by these.
INSTRUCTIONS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "asimd", "sve")


def describe(strategy: tf.distribute.Strategy) -> Hardware:
    """Returns the machine. Of several that train together, each describes itself."""
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
    """Those that the process may use, where the system says so; a scheduler may give it few."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count()


def _cpu() -> dict[str, str]:
    """What Linux says about the first core."""
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    except FileNotFoundError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
