"""Strategies: the same training on several devices and in several processes."""

import json
import os
import signal
import socket
import subprocess
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from millrace.config.training import TrainingConfig
from millrace.errors import MillraceError
from millrace.models.dropout import Dropout
from millrace.training import cluster, strategies
from millrace.training.cluster import Cluster
from millrace.training.steps import SEEDS_APART, replica_share, separate_seeds
from tests.helpers import trainings
from tests.helpers.trainings import in_replica

SETTINGS: dict[str, Any] = {"strategy": "auto", "replicas": "auto", "connect_seconds": 1}

SMALL = {"rows": 501, "batch_size": 32, "epochs": 2, "schedule": "cosine"}


def program(output: Path, changes: dict[str, Any], **environment: str) -> subprocess.Popen[str]:
    """Starts a training in its own process."""
    output.mkdir(exist_ok=True)
    return subprocess.Popen(
        [*trainings.COMMAND, output, json.dumps(changes)],
        cwd=trainings.ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [door.getsockname()[1] for door in sockets]
    for door in sockets:
        door.close()
    return ports


def tf_config(addresses: list[str], index: int) -> str:
    return json.dumps(
        {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    )


def workers(output: Path, changes: dict[str, Any]) -> list[subprocess.Popen[str]]:
    """Starts a training in two processes of this machine."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    changes = {**changes, "strategy": "multi_worker"}
    return [program(output, changes, TF_CONFIG=tf_config(addresses, place)) for place in (0, 1)]


def await_batches(process: subprocess.Popen[str], count: int) -> None:
    """Waits until a training has reported this many finished batches."""
    for line in process.stdout:  # type: ignore[union-attr]
        count -= line.startswith("batch")
        if not count:
            return
    raise AssertionError(process.stderr.read())  # type: ignore[union-attr]


def finish(process: subprocess.Popen[str], seconds: float = 120) -> str:
    """Waits for a process, checks that it succeeded, and returns its standard error."""
    _, said = process.communicate(timeout=seconds)
    assert process.returncode == 0, said
    return said


def losses(output: Path) -> list[list[float]]:
    history = json.loads((output / "history.json").read_text())
    return [[logs["loss"], logs["val_loss"]] for logs in history]


@cache
def expected_losses() -> list[list[float]]:
    """Returns the result of a single replica."""
    model = trainings.make_model(trainings.PROGRAM["dropout"])
    _, outcome = trainings.run(model, moving_average=0.9, **SMALL)
    return [[logs["loss"], logs["val_loss"]] for logs in outcome.history]


@pytest.fixture(scope="module")
def by_two_workers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes of one machine have trained."""
    output = tmp_path_factory.mktemp("by_two") / "workers"
    for process in workers(output, SMALL):
        finish(process)
    return output


# Long enough to be killed before it ends.
LONGER = {"rows": 1500, "epochs": 2}


@pytest.fixture(scope="module")
def left_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process has trained that nothing disturbed."""
    output = tmp_path_factory.mktemp("alone") / "whole"
    finish(program(output, LONGER))
    return output


@pytest.mark.slow
def test_replicas_compute_what_one_does(tmp_path: Path) -> None:
    """With three replicas, neither a batch of 32 nor the last one of 21 divides evenly."""
    finish(program(tmp_path, {**SMALL, "strategy": "mirrored", "replicas": 3}))
    np.testing.assert_allclose(losses(tmp_path), expected_losses(), rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe",
    [
        {"kind": "dnn", "learning_rate": 0.001, "moving_average": 0.0},
        {"kind": "tabm", "learning_rate": 0.005, "moving_average": 0.998},
    ],
)
def test_replicas_agree_over_three_hundred_steps(tmp_path: Path, recipe: dict[str, Any]) -> None:
    """With ReLU instead of SmeLU they differ by 1e-5 after the first hundred."""
    changes = {**recipe, "rows": 26_000, "batch_size": 256, "epochs": 3, "dropout": 0.1}
    one = program(tmp_path / "one", changes)
    two = program(tmp_path / "two", {**changes, "strategy": "mirrored", "replicas": 2})
    finish(one)
    finish(two)
    np.testing.assert_allclose(
        losses(tmp_path / "two"), losses(tmp_path / "one"), rtol=0, atol=1e-6
    )


@pytest.mark.slow
def test_a_single_replica_of_another_strategy_does_without_xla(tmp_path: Path) -> None:
    """With dropout, XLA would compile single steps, within a replica that must not merge."""
    changes = {"strategy": "mirrored", "replicas": 1, "rows": 200, "epochs": 1}
    for jit in (True, False):
        finish(program(tmp_path / str(jit), {**changes, "jit": jit}))
    told = [(tmp_path / jit / "weights.npz").read_bytes() for jit in ("True", "False")]
    assert told[0] == told[1]


@pytest.mark.slow
def test_two_workers_compute_what_one_does_and_the_chief_writes(by_two_workers: Path) -> None:
    np.testing.assert_allclose(losses(by_two_workers), expected_losses(), rtol=0, atol=1e-6)
    names = {path.name for path in by_two_workers.iterdir()}
    assert names == {"checkpoints", "history.json", "weights.npz"}


@pytest.mark.slow
def test_two_replicas_give_the_same_bits_in_one_process_and_in_two(
    by_two_workers: Path, tmp_path: Path
) -> None:
    """The number of replicas belongs to the result, where they run does not."""
    finish(program(tmp_path, {**SMALL, "strategy": "mirrored", "replicas": 2}))
    for name in ("weights.npz", "history.json"):
        assert (tmp_path / name).read_bytes() == (by_two_workers / name).read_bytes()


@pytest.mark.slow
def test_the_others_name_a_worker_that_died_and_all_can_go_on(tmp_path: Path) -> None:
    for process in workers(tmp_path / "whole", LONGER):
        finish(process)
    chief, victim = workers(tmp_path / "killed", {**LONGER, "wait": 0.1})
    await_batches(chief, 8)
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    # TensorFlow waits ten seconds for a heartbeat.
    _, said = chief.communicate(timeout=30)
    assert chief.returncode == 1
    assert "lost worker 1 (127.0.0.1:" in said
    for process in workers(tmp_path / "killed", LONGER):
        finish(process)
    for name in ("weights.npz", "history.json"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.slow
def test_workers_that_are_told_to_end_leave_their_checkpoints(tmp_path: Path) -> None:
    """As a cluster does before it takes the nodes: they end at once, and do not train on."""
    told = workers(tmp_path, {**LONGER, "wait": 0.1})
    await_batches(told[0], 1)
    for process in told:
        process.send_signal(signal.SIGTERM)
    assert [process.wait(timeout=30) for process in told] == [-signal.SIGTERM] * 2
    assert not (tmp_path / "weights.npz").exists()
    assert (tmp_path / "checkpoints").is_dir()


def served(output: Path, changes: dict[str, Any]) -> list[subprocess.Popen[str]]:
    """Starts a training with a chief, a worker and a parameter server, on this machine."""
    ports = free_ports(3)
    roles = ("chief", "worker", "ps")
    jobs = {role: [f"127.0.0.1:{port}"] for role, port in zip(roles, ports, strict=True)}
    changes = {**changes, "strategy": "parameter_server"}
    return [
        program(
            output,
            changes,
            TF_CONFIG=json.dumps({"cluster": jobs, "task": {"type": role, "index": 0}}),
        )
        for role in roles
    ]


@pytest.mark.slow
def test_a_worker_computes_on_a_parameter_server_what_one_process_does(tmp_path: Path) -> None:
    for process in served(tmp_path, SMALL):
        finish(process)
    np.testing.assert_allclose(losses(tmp_path), expected_losses(), rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("role", [1, 2])
def test_a_dead_worker_or_server_is_named_and_all_can_go_on(
    left_alone: Path, tmp_path: Path, role: int
) -> None:
    processes = served(tmp_path / "killed", {**LONGER, "wait": 0.1})
    chief = processes[0]
    await_batches(chief, 8)
    processes[role].send_signal(signal.SIGKILL)
    # The others stop ten seconds after the chief is gone.
    _, said = chief.communicate(timeout=60)
    assert chief.returncode == 1
    assert f"lost {('chief', 'worker', 'ps')[role]} 0 (127.0.0.1:" in said
    for process in processes[1:]:
        process.communicate(timeout=60)
    for process in served(tmp_path / "killed", LONGER):
        finish(process)
    weights = [np.load(output / "weights.npz") for output in (tmp_path / "killed", left_alone)]
    for one, other in zip(*(x.values() for x in weights), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.slow
def test_more_replicas_than_a_batch_has_examples_are_refused(tmp_path: Path) -> None:
    changes = {"strategy": "mirrored", "replicas": 3, "batch_size": 2}
    process = program(tmp_path, changes)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "expected at least an example for each of the 3 replicas, found 2" in said


def test_the_shares_of_a_batch_weigh_as_much_as_the_batch() -> None:
    rows = tf.constant([7, 3, 9, 5, 1])
    seen: list[int] = []
    total = 0.0
    for replica in range(4):
        with in_replica(replica, 4):
            share, weights = replica_share(rows)
        assert weights is not None
        # Keras divides by the number of rows in a replica, and by the number of replicas.
        total += float(tf.reduce_sum(weights * tf.cast(share, tf.float32))) / len(share) / 4
        seen += [int(row) for row, weight in zip(share, weights, strict=True) if weight]
    assert seen == [7, 3, 9, 5, 1]
    assert total == pytest.approx(25 / 5)
    with in_replica(0, 1):
        alone, weights = replica_share(rows)
    assert alone is rows
    assert weights is None


def test_other_random_layers_have_numbers_of_their_own_on_every_replica(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layers = [keras.layers.GaussianNoise(0.1, seed=5), Dropout(0.5, seed=6), Dropout(0.0)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    strategy = mock.Mock(num_replicas_in_sync=2, run=lambda step: step())
    monkeypatch.setattr(type(model), "distribute_strategy", strategy)
    with in_replica(1, 2):
        separate_seeds(model)
    seeds = [layer.seed_generator.state.numpy().tolist() for layer in layers[:2]]
    assert seeds == [[5 + SEEDS_APART, 0], [6, 0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{worker: 0}", "expected JSON with `cluster` and `task`, found '{worker: 0}'"),
        ('{"cluster": {"worker": ["a:1"]}}', "KeyError: 'task'"),
        ("[1]", "expected JSON with `cluster` and `task`"),
        (tf_config(["a:1", "b:1"], 2), "found worker 2 beside {'worker': 2}"),
        (tf_config(["a:1", "b"], 0), "expected addresses such as host:2222, found 'b'"),
    ],
)
def test_a_tf_config_that_says_nothing_is_refused(text: str, message: str) -> None:
    with pytest.raises(MillraceError) as raised:
        cluster.find({"TF_CONFIG": text})
    assert message in str(raised.value)
    assert "Note: for the first of two workers it is {" in str(raised.value)


def test_a_cluster_is_what_tf_config_says() -> None:
    text = (
        '{"cluster": {"chief": ["a:1"], "worker": ["b:1"]}, "task": {"type": "chief", "index": 0}}'
    )
    found = cluster.find({"TF_CONFIG": text})
    assert found is not None
    assert (found.address, found.is_chief) == ("a:1", True)
    assert cluster.find({"TF_CONFIG": found.to_tf_config()}) == found
    assert not Cluster(found.jobs, "worker", 0).is_chief
    assert cluster.find({}) is None


SCONTROL = """#!/bin/sh
if [ "$2" = hostnames ]; then echo n1; echo n2; exit; fi
echo "NodeName=$3 Arch=x86_64 NodeAddr=10.0.0.${3#n} NodeHostName=$3 Version=22.05"
"""


def test_slurm_tells_the_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fake scontrol answers like that of SLURM 22.05."""
    scontrol = tmp_path / "scontrol"
    scontrol.write_text(SCONTROL)
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    environment = {
        "SLURM_STEP_NUM_TASKS": "3",
        "SLURM_STEP_NODELIST": "n[1-2]",
        "SLURM_STEP_TASKS_PER_NODE": "2,1",
        "SLURM_JOB_ID": "1004",
        "SLURM_PROCID": "2",
    }
    found = cluster.find(environment)
    addresses = ("10.0.0.1:20080", "10.0.0.1:20081", "10.0.0.2:20082")
    assert found == Cluster({"worker": addresses}, "worker", 2)
    assert cluster.find({**environment, "SLURM_STEP_NUM_TASKS": "1"}) is None


def test_kubernetes_tells_the_workers() -> None:
    environment = {"JOB_COMPLETION_INDEX": "1", "MILLRACE_WORKERS": "2"}
    found = cluster.from_kubernetes(environment, "train-1.workers.default.svc.cluster.local")
    domain = "workers.default.svc.cluster.local:2222"
    assert found == Cluster({"worker": (f"train-0.{domain}", f"train-1.{domain}")}, "worker", 1)
    with pytest.raises(MillraceError, match=r"expected <job>-1\.<service>, found 'train-1'"):
        cluster.from_kubernetes(environment, "train-1")


def test_peers_that_never_answer_are_named() -> None:
    mine, other = free_ports(2)
    both = Cluster({"worker": (f"127.0.0.1:{mine}", f"127.0.0.1:{other}")}, "worker", 0)
    with pytest.raises(MillraceError, match=rf"within 0.5 s, found none at 127.0.0.1:{other}"):
        cluster.await_peers(both, 0.5)
    with socket.create_server(("127.0.0.1", other)):
        cluster.await_peers(both, 5)


def test_an_address_that_is_taken_is_refused() -> None:
    with socket.create_server(("", 0)) as door:
        mine = Cluster({"worker": (f"127.0.0.1:{door.getsockname()[1]}", "b:1")}, "worker", 0)
        with pytest.raises(MillraceError, match="expected a free port to listen on"):
            cluster.await_peers(mine, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy": "mirrored"}, "expected GPUs for mirrored, found none"),
        ({"strategy": "multi_worker"}, "found neither TF_CONFIG nor a SLURM or Kubernetes job"),
        (
            {"strategy": "default", "replicas": 2},
            "expected auto with the strategy default, found 2",
        ),
        ({"strategy": "tpu"}, "expected a TPU, found none"),
        ({"strategy": "parameter_server"}, "chief, worker and ps for parameter_server, found no"),
    ],
)
def test_a_strategy_that_the_machine_cannot_give_is_refused(
    changes: dict[str, Any], message: str
) -> None:
    if tf.config.list_physical_devices("GPU") and changes["strategy"] == "mirrored":
        pytest.skip("there are GPUs here")
    with pytest.raises(MillraceError, match=message):
        strategies.create(TrainingConfig(**{**SETTINGS, **changes}))


def test_auto_is_one_device_where_there_is_no_more() -> None:
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there are GPUs here")
    strategy = strategies.create(TrainingConfig(**SETTINGS))
    assert strategy.num_replicas_in_sync == 1
    assert strategies.is_chief(strategy)
    assert strategies.any_process(strategy, True)
