"""Training with parameter servers, which store the variables for the workers.

The chief runs the training loop and has the examples. It divides each call of the compiled steps
among the workers, which update the variables asynchronously: a single worker gives the same result
as a single process, but with several the result depends on their order.
"""

from __future__ import annotations

import os
import time

import numpy as np
import tensorflow as tf

from millrace.errors import MillraceError
from millrace.training import cluster
from millrace.training.batches import RunSteps
from millrace.training.cluster import Cluster

# The seconds without an answer after which a process counts as exited.
SILENCE_SECONDS = 10.0
SECONDS_BETWEEN_LOOKS = 0.001


def check(here: Cluster | None) -> Cluster:
    """Returns the cluster; raises MillraceError unless it has a chief, workers and servers."""
    if here is None or not {"chief", "worker", "ps"} <= set(here.jobs):
        found = "no TF_CONFIG" if here is None else f"a cluster of {sorted(here.jobs)}"
        raise MillraceError(
            "training.strategy: expected a cluster of chief, worker and ps for parameter_server, "
            f"found {found}.",
            note="docs/training.md has the commands.",
        )
    return here


def create(here: Cluster, seconds: float) -> tf.distribute.Strategy:
    """Returns the chief's strategy; raises MillraceError when a process does not answer."""
    cluster.await_peers(here, seconds)
    os.environ["TF_CONFIG"] = here.to_tf_config()
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver(rpc_layer="grpc")
    return tf.distribute.ParameterServerStrategy(resolver)


def serve(here: Cluster, seconds: float) -> None:
    """Runs as a worker or parameter server until the chief exits.

    Raises:
        MillraceError: a process of the cluster does not answer in time.
    """
    cluster.await_peers(here, seconds)
    # The server stops when nothing refers to it.
    server = tf.distribute.Server(dict(here.jobs), job_name=here.job, task_index=here.index)
    print(f"{here.job} {here.index}: serves at {server.target}", flush=True)
    heard = time.monotonic()
    while time.monotonic() - heard < SILENCE_SECONDS:
        time.sleep(1)
        if cluster.listens(here.jobs["chief"][0]):
            heard = time.monotonic()
    print(f"{here.job} {here.index}: the chief has exited", flush=True)


def scheduled(strategy: tf.distribute.Strategy, run: RunSteps) -> RunSteps:
    """Returns a function that divides a call's batches among the workers, and waits for them."""
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
    here = check(cluster.find(os.environ))

    def run_on_workers(tables: dict[str, tf.Tensor], batches: tf.Tensor) -> None:
        workers = min(len(here.jobs["worker"]), len(batches))
        for part in np.array_split(batches.numpy(), workers):
            # Only the rows of this part are sent.
            sent = {name: tf.gather(table, part.reshape(-1)) for name, table in tables.items()}
            places = np.arange(part.size, dtype=np.int32).reshape(part.shape)
            coordinator.schedule(run, args=(sent, tf.constant(places)))
        _await(coordinator, here)

    return run_on_workers


def _await(coordinator: tf.distribute.coordinator.ClusterCoordinator, here: Cluster) -> None:
    """Waits for the scheduled steps; TensorFlow alone would wait for a dead worker forever."""
    looked = time.monotonic()
    while not coordinator.done():
        time.sleep(SECONDS_BETWEEN_LOOKS)
        if time.monotonic() - looked < SILENCE_SECONDS:
            continue
        looked = time.monotonic()
        lost = [
            f"{job} {index} ({address})"
            for job, addresses in here.jobs.items()
            for index, address in enumerate(addresses)
            if not cluster.listens(address)
        ]
        if lost:
            raise cluster.lost(here, lost)
