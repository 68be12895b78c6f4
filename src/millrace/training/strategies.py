"""Distribution strategies: the devices and machines of a training, by the config."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from millrace.config.training import TrainingConfig
from millrace.errors import MillraceError
from millrace.training import cluster, devices, parameter_server
from millrace.training.cluster import Cluster


def create(settings: TrainingConfig) -> tf.distribute.Strategy:
    """Returns the strategy set under `training`; call it before TensorFlow is initialized.

    Raises:
        MillraceError: the machine does not have what the strategy needs, or the other processes
            do not answer.
    """
    # A strategy for one device must not lock the others.
    one = settings.strategy == "default"
    devices.claim(1 if one else None if settings.replicas == "auto" else settings.replicas)
    if tf.config.list_physical_devices("GPU"):
        # On CPUs operations are deterministic anyway.
        tf.config.experimental.enable_op_determinism()
    name: str = settings.strategy
    here = cluster.find(os.environ)
    if name == "auto":
        name = _suitable(here)
    if name == "mirrored":
        return _mirrored(settings.replicas)
    if settings.replicas != "auto":
        raise MillraceError(
            f"training.replicas: expected auto with the strategy {name}, found "
            f"{settings.replicas}; only mirrored takes a number.",
            note="set replicas to auto, or strategy to mirrored.",
        )
    if name == "parameter_server":
        return parameter_server.create(parameter_server.check(here), settings.connect_seconds)
    if name == "multi_worker":
        return _multi_worker(here, settings.connect_seconds)
    if name == "tpu":
        return _tpu()
    return tf.distribute.get_strategy()


def serve(settings: TrainingConfig) -> bool:
    """Serves the chief if this process is a worker or parameter server; returns whether it was.

    With the strategy parameter_server these are all processes but the chief.

    Raises:
        MillraceError: the cluster lacks what the strategy needs, or does not answer.
    """
    here = cluster.find(os.environ)
    name = _suitable(here) if settings.strategy == "auto" else settings.strategy
    if name != "parameter_server" or parameter_server.check(here).is_chief:
        return False
    parameter_server.serve(parameter_server.check(here), settings.connect_seconds)
    return True


def _suitable(here: Cluster | None) -> str:
    if here is not None and len(here.addresses) > 1:
        return "parameter_server" if "ps" in here.jobs else "multi_worker"
    if "TPU_NAME" in os.environ:
        return "tpu"
    return "mirrored" if len(tf.config.list_physical_devices("GPU")) > 1 else "default"


def _mirrored(replicas: int | str) -> tf.distribute.Strategy:
    gpus = len(tf.config.list_physical_devices("GPU"))
    if gpus:
        wanted = gpus if replicas == "auto" else int(replicas)
        if wanted > gpus:
            raise MillraceError(
                f"training.replicas: expected at most {gpus} GPUs, found {wanted}.",
                note="lower training.replicas, or set it to auto.",
            )
        return tf.distribute.MirroredStrategy([f"GPU:{place}" for place in range(wanted)])
    if replicas == "auto":
        raise MillraceError(
            "training.strategy: expected GPUs for mirrored, found none.",
            note="`replicas: 2` uses two logical CPUs; `strategy: auto` the available devices.",
        )
    (cpu,) = tf.config.list_physical_devices("CPU")
    parts = [tf.config.LogicalDeviceConfiguration()] * int(replicas)
    tf.config.set_logical_device_configuration(cpu, parts)
    return tf.distribute.MirroredStrategy([f"CPU:{place}" for place in range(int(replicas))])


def _multi_worker(here: Cluster | None, seconds: float) -> tf.distribute.Strategy:
    if here is None:
        raise MillraceError(
            "training.strategy: expected a cluster for multi_worker, found neither TF_CONFIG nor a "
            "SLURM or Kubernetes job of several tasks.",
            note="docs/training.md has the commands.",
        )
    cluster.await_peers(here, seconds)
    os.environ["TF_CONFIG"] = here.to_tf_config()
    machine = os.environ.get("SLURMD_NODENAME", socket.gethostname())
    print(
        f"{here.job} {here.index} of {len(here.addresses)}: {machine}, {here.address}", flush=True
    )
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    # TensorFlow handles SIGTERM as a notice and trains on, but a cluster then kills the node.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return strategy


def _tpu() -> tf.distribute.Strategy:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect()
    except (ValueError, tf.errors.OpError, RuntimeError) as error:
        raise MillraceError(
            f"training.strategy: expected a TPU, found none ({str(error).splitlines()[0]}).",
            note="set TPU_NAME, or `local` on a TPU VM.",
        ) from None
    return tf.distribute.TPUStrategy(resolver)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether this process writes the artifacts; only one does."""
    return cluster_of(strategy) is None or bool(cluster_of(strategy).is_chief)


def cluster_of(strategy: tf.distribute.Strategy) -> Any:
    """Returns the cluster of a strategy with several processes, None for a single process."""
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return cluster.find(os.environ)
    return None


def any_process(strategy: tf.distribute.Strategy, flag: bool) -> bool:
    """Returns whether the flag is set in any of the processes; all must call it at once."""
    if cluster_of(strategy) is None:
        return flag

    def total(value: tf.Tensor) -> tf.Tensor:
        return tf.distribute.get_replica_context().all_reduce("SUM", value)

    summed = strategy.run(total, args=(tf.constant(float(flag)),))
    return bool(strategy.experimental_local_results(summed)[0] > 0)


@contextmanager
def naming_the_dead() -> Iterator[None]:
    """Converts TensorFlow's errors about a process that has exited to one that names it.

    TensorFlow notices a closed connection at once, and silence after ten seconds.
    """
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.InternalError) as error:
        here = cluster.find(os.environ)
        if here is None or len(here.addresses) < 2:
            raise
        found = re.findall(r"/job:(\w+)/(?:replica:0/)?task:(\d+)", str(error))
        named = {(job, int(index)) for job, index in found} - {(here.job, here.index)}
        lost = [f"{job} {index} ({here.jobs[job][index]})" for job, index in sorted(named)]
        raise cluster.lost(here, lost) from None
