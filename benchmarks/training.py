"""Compares the training loop with Keras' fit, disk with memory, and two workers with one.

    python benchmarks/training.py [--parts fit disk workers replicas] [--rounds 3] [--rows 30000]

The part `replicas` measures no time, but how far the losses of two replicas are from one's.

The two sides of a comparison alternate, if possible in one process, so that a busy machine slows
both; ratios are of medians, `load` is the machine's. Writes benchmarks/training.json, keeping the
parts that were not run, and the tables in docs/training.md.
"""

import argparse
import json
import math
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pages
from millrace import config, models
from millrace.artifacts.training import Recipe
from millrace.config.models import ModelConfig
from millrace.config.training import TrainingConfig, TrainingOverrides
from millrace.features import encoded
from millrace.features.encoded import Blocks, Encoded
from millrace.features.feature_columns import CategoricalInput, NumberInput
from millrace.features.preprocessing import EncodedSpec
from millrace.features.tasks import Task
from millrace.training import loop, recipe, strategies
from millrace.training.batches import ExampleSource, InMemory, OnDisk, permutation

import keras
import numpy as np
import tensorflow as tf

RESULT = Path(__file__).with_suffix(".json")
PAGE = Path(__file__).parents[1] / "docs" / "training.md"
TASK = Task("binary", (0, 1))
CARDINALITIES = (4, 10, 30, 100)
SPEC = EncodedSpec(
    tuple(NumberInput(f"x{i}", edges=tuple(np.linspace(-2, 2, 49))) for i in range(8)),
    tuple(CategoricalInput(f"c{i}", n, "indicator", n) for i, n in enumerate(CARDINALITIES)),
)
JOB = config.complete(
    {"name": "made", "data": {"files": "none", "label": "y"}, "models": ["linear", "dnn", "tabm"]}
)
SETTINGS: dict[str, ModelConfig] = dict(JOB.models)
BUFFER_ROWS, BLOCK_ROWS = 50_000, 4096


def main() -> None:
    """Runs the requested parts and writes their results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=30_000, help="but of the disk")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(CHILDREN[arguments.child[0]](arguments.child[1], arguments)))
        return
    results = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    for part in arguments.parts:
        results[part] = {"load": round(os.getloadavg()[0], 1), "rows": PARTS[part](arguments)}
        RESULT.write_text(json.dumps(results, indent=1) + "\n")
        print(json.dumps(results[part]), flush=True)
    pages.fill(PAGE, "training.py: speed", table(results))
    pages.fill(PAGE, "training.py: replicas", replicas_table(results))


def made(rows: int, seed: int = 0) -> Encoded:
    """Returns synthetic examples of eight numbers and four categories."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(rows, 8)).astype(np.float32)
    ids = np.stack([rng.integers(0, n, rows) for n in CARDINALITIES], axis=1).astype(np.int32)
    score = numbers[:, :3].sum(axis=1) + ids[:, 1] / 5 - 1 + rng.normal(size=rows)
    return Encoded({"numbers": numbers, "ids": ids}, (score > 0).astype(np.float32))


class Clock(keras.callbacks.Callback):
    """Measures the time of each epoch, up to the end of its last batch."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._started = time.perf_counter()

    def on_test_begin(self, logs: Any = None) -> None:
        self.seconds.append(time.perf_counter() - self._started)


def settings_of(kind: str, rows: int, **changes: Any) -> Recipe:
    """Returns a model's settings: its defaults, with the config's changes."""
    defaults = models.training_defaults(SETTINGS[kind], rows)
    return recipe.settle(TrainingConfig(**changes), TrainingOverrides(), defaults, rows)


def ours(
    kind: str, data: ExampleSource, strategy: Any = None, **changes: Any
) -> tuple[list[float], list[dict[str, float]]]:
    """Trains with the loop; returns examples per second and the logs, by epoch."""
    keras.utils.set_random_seed(0)
    with (strategy or tf.distribute.get_strategy()).scope():
        model = models.build(SETTINGS[kind], SPEC, TASK)
    clock = Clock()
    settings = settings_of(kind, data.rows, **changes)
    validation = InMemory(made(1000, seed=1))
    outcome = loop.train(model, TASK, settings, (data, validation), 0, [clock])
    return [data.rows / s for s in clock.seconds], outcome.history


def compiled(kind: str, rows: int, averaged: bool, **changes: Any) -> tuple[keras.Model, Recipe]:
    """Returns a model for Keras' fit with Keras' AdamW, at the loop's settings.

    Its moving average of the weights, if the settings have one, costs the same as ours; but it
    replaces the weights whenever fit ends.
    """
    keras.utils.set_random_seed(0)
    model = models.build(SETTINGS[kind], SPEC, TASK)
    settings = settings_of(kind, rows, **changes)
    adamw = keras.optimizers.AdamW(
        settings.learning_rate,
        settings.weight_decay,
        global_clipnorm=settings.clip_norm,
        use_ema=averaged and settings.moving_average > 0,
        ema_momentum=settings.moving_average,
    )
    adamw.exclude_from_weight_decay(var_names=recipe.NOT_DECAYED)
    model.compile(adamw, TASK.loss())
    return model, settings


def fit(kind: str, examples: Encoded, **changes: Any) -> list[float]:
    """Trains with Keras' fit as its users call it; returns examples per second by epoch."""
    model, settings = compiled(kind, len(examples), averaged=True, **changes)
    clock = Clock()
    # The validation ends an epoch's time, as in the loop, and is not included.
    model.fit(
        *(examples.inputs, examples.labels),
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        validation_data=(made(1000, seed=1).inputs, made(1000, seed=1).labels),
        verbose=0,
        callbacks=[clock],
    )
    return [len(examples) / seconds for seconds in clock.seconds]


def losses_of_fit(kind: str, examples: Encoded, **changes: Any) -> list[float]:
    """Trains with Keras' fit on the loop's batches, prepared in advance; returns the losses."""
    model, settings = compiled(kind, len(examples), averaged=False, **changes)
    losses = []
    for epoch in range(settings.epochs):
        order = permutation(len(examples), 0, epoch)
        inputs = {name: part[order] for name, part in examples.inputs.items()}
        labels = examples.labels[order]
        history = model.fit(inputs, labels, settings.batch_size, shuffle=False, verbose=0)
        losses.append(history.history["loss"][0])
    return losses


def beside_fit(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Compares the loop with fit: the first epoch compiles, the others count."""
    examples, results = made(arguments.rows), []
    for kind in ("dnn", "tabm"):
        for batch in (256, 4096):
            speeds: dict[str, list[float]] = {"fit": [], "plain": [], "jit": []}
            changes = {"batch_size": batch, "epochs": 4}
            auto = settings_of(kind, len(examples), **changes).jit
            for _ in range(arguments.rounds):
                speeds["fit"] += fit(kind, examples, **changes)[1:]
                for name in ("plain", "jit"):
                    data, jit = InMemory(examples), name == "jit"
                    mine, history = ours(kind, data, jit=jit, **changes)
                    speeds[name] += mine[1:]
                    if jit == auto:
                        losses = [logs["loss"] for logs in history]
            gap = np.abs(np.subtract(losses, losses_of_fit(kind, examples, **changes))).max()
            middle = {name: statistics.median(found) for name, found in speeds.items()}
            entry = {"model": kind, "batch_size": batch, "jit_by_default": auto}
            entry |= {f"{name}_examples_per_second": round(x) for name, x in middle.items()}
            entry |= {f"{x}_ratio": round(middle[x] / middle["fit"], 2) for x in ("plain", "jit")}
            results.append(entry | {"largest_difference_of_losses": float(gap)})
    return results


def write_file(path: Path, rows: int) -> Blocks:
    blocks = (made(BLOCK_ROWS, seed) for seed in range(rows // BLOCK_ROWS))
    encoded.write(path, blocks)
    return Blocks(path, SPEC)


def from_disk(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Compares the speed with ten buffers, alternating, and the peak memory with 1, 4 and 16."""
    with tempfile.TemporaryDirectory() as folder:
        blocks = write_file(Path(folder) / "ten", 10 * BUFFER_ROWS)
        speeds: dict[str, list[float]] = {"memory": [], "disk": []}
        changes = {"batch_size": 1024, "epochs": 2}
        for _ in range(arguments.rounds):
            speeds["memory"] += ours("dnn", InMemory(blocks.first()), **changes)[0][1:]
            speeds["disk"] += ours("dnn", OnDisk(blocks, BUFFER_ROWS), **changes)[0][1:]
        middle = {name: statistics.median(found) for name, found in speeds.items()}
        entry: dict[str, Any] = {"ratio": round(middle["disk"] / middle["memory"], 2)}
        entry |= {f"{name}_examples_per_second": round(x) for name, x in middle.items()}
        for times in (1, 4, 16):
            path = Path(folder) / str(times)
            write_file(path, times * BUFFER_ROWS)
            entry[f"peak_mb_{times}"] = child(["disk", str(path)], arguments).get("peak_mb")
    return [entry]


def disk_child(path: str, arguments: argparse.Namespace) -> dict[str, Any]:
    ours("dnn", OnDisk(Blocks(Path(path), SPEC), BUFFER_ROWS), batch_size=1024, epochs=1)
    # Not getrusage's, whose peak includes that of the parent process.
    status = Path("/proc/self/status").read_text()
    return {"peak_mb": int(status.partition("VmHWM:")[2].split()[0]) // 1024}


def two_workers(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Compares two processes with one core each with one process with both."""
    speeds: dict[str, list[float]] = {"one": [], "two": []}
    for _ in range(arguments.rounds):
        speeds["one"] += child(["worker", "alone"], arguments)["speeds"]
        with socket.create_server(("127.0.0.1", 0)) as a, socket.create_server(("", 0)) as b:
            ports = [door.getsockname()[1] for door in (a, b)]
        cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
        processes = [
            start(
                ["worker", str(index)],
                arguments,
                json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}),
            )
            for index in (0, 1)
        ]
        reports = [json.loads(process.communicate()[0]) for process in processes]
        speeds["two"] += reports[0]["speeds"]
    middle = {name: statistics.median(found) for name, found in speeds.items()}
    entry = {f"{name}_examples_per_second": round(x) for name, x in middle.items()}
    return [{"ratio": round(middle["two"] / middle["one"], 2)} | entry]


def worker_child(which: str, arguments: argparse.Namespace) -> dict[str, Any]:
    strategy = None
    if which != "alone":
        tf.config.threading.set_intra_op_parallelism_threads(1)
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    data = InMemory(made(arguments.rows))
    return {"speeds": ours("dnn", data, strategy, batch_size=1024, epochs=3)[0][1:]}


def one_and_two_replicas(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Returns the largest difference in loss over three epochs between one replica and two."""
    one, two = (child(["replicas", count], arguments) for count in "12")
    return [
        a | {name: float(np.abs(np.subtract(a[name], b[name])).max()) for name in LOSSES}
        for a, b in zip(one, two, strict=True)
    ]


def replicas_child(count: str, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    strategy = None
    if count != "1":
        strategy = strategies.create(TrainingConfig(strategy="mirrored", replicas=int(count)))
    data, found = InMemory(made(arguments.rows)), []
    for kind, activation in NETWORKS:
        if activation:
            SETTINGS[kind] = SETTINGS[kind].changed(activation=activation)
        for batch in (256, 1024):
            history = ours(kind, data, strategy, batch_size=batch, epochs=3)[1]
            what = {"model": kind, "activation": activation, "batch_size": batch}
            what["steps"] = len(history) * math.ceil(arguments.rows / batch)
            found.append(what | {name: [logs[name] for logs in history] for name in LOSSES})
    return found


def start(what: list[str], arguments: argparse.Namespace, tf_config: str | None = None) -> Any:
    command = [sys.executable, __file__, "--child", *what, "--rows", str(arguments.rows)]
    environment = os.environ | ({"TF_CONFIG": tf_config} if tf_config else {})
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def child(what: list[str], arguments: argparse.Namespace) -> Any:
    return json.loads(start(what, arguments).communicate()[0])


def table(results: dict[str, Any]) -> str:
    """Returns the results as the docs show them."""
    lines = ["| measured | against | ratio of examples/s |", "|---|---|---|"]
    fits = results.get("fit", {"rows": []})["rows"]
    for entry in fits:
        what = f"{entry['model']}, batch {entry['batch_size']}"
        for jit, name in ((False, "plain"), (True, "jit")):
            default = ", the default" if jit == entry["jit_by_default"] else ""
            how = f"`jit: {str(jit).lower()}`{default}"
            lines.append(f"| {what}, {how} | Keras' `fit` | {entry[f'{name}_ratio']:.2f} |")
    for entry in results.get("disk", {"rows": []})["rows"]:
        lines.append(f"| dnn from disk, ten buffers | from memory | {entry['ratio']:.2f} |")
        peaks = ", ".join(f"{entry[f'peak_mb_{times}']} MB" for times in (1, 4, 16))
        lines.append(f"| peak memory at 1, 4 and 16 buffers on disk | | {peaks} |")
    for entry in results.get("workers", {"rows": []})["rows"]:
        lines.append(f"| dnn, two workers of a core each | one with both | {entry['ratio']:.2f} |")
    gaps = [
        f"{entry['largest_difference_of_losses']:.0e} ({entry['model']}, {entry['batch_size']})"
        for entry in fits
    ]
    same = f"Over four epochs of the same batches the losses differ by {', '.join(gaps)}."
    loads = [f"{part} {results[part]['load']}" for part in results if part != "replicas"]
    busy = f"Load average of the two cores before each: {', '.join(loads)}."
    return "\n".join([*lines, "", same, busy, ""])


def replicas_table(results: dict[str, Any]) -> str:
    """Returns how far two replicas are from one, as the docs show it."""
    lines = ["| model | batch | steps | loss | val_loss |", "|---|---|---|---|---|"]
    for entry in results.get("replicas", {"rows": []})["rows"]:
        activation = f", `activation: {entry['activation']}`" if entry["activation"] else ""
        what = f"{entry['model']}{activation} | {entry['batch_size']} | {entry['steps']}"
        lines.append(f"| {what} | {entry['loss']:.1e} | {entry['val_loss']:.1e} |")
    return "\n".join([*lines, ""])


NETWORKS = (
    ("linear", None),
    ("dnn", "smelu"),
    ("tabm", "smelu"),
    ("dnn", "relu"),
    ("tabm", "relu"),
)
LOSSES = ("loss", "val_loss")
PARTS = {
    "fit": beside_fit,
    "disk": from_disk,
    "workers": two_workers,
    "replicas": one_and_two_replicas,
}
CHILDREN = {"disk": disk_child, "worker": worker_child, "replicas": replicas_child}

if __name__ == "__main__":
    main()
