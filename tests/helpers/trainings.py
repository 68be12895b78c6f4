"""Small trainings for tests: synthetic examples, a model for them, and the results.

Run as a program it trains in its own process, for tests that kill it or compare processes:
`python -m tests.helpers.trainings OUTPUT ['{"epochs": 3}']`.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

from millrace import errors, models
from millrace.artifacts.training import Recipe
from millrace.config.training import TrainingConfig
from millrace.features.encoded import Encoded
from millrace.features.feature_columns import CategoricalInput, NumberInput
from millrace.features.preprocessing import EncodedSpec
from millrace.features.tasks import Task
from millrace.models.activations import SmeLU
from millrace.models.dropout import Dropout
from millrace.training import strategies
from millrace.training.batches import InMemory
from millrace.training.checkpoints import Checkpoints
from millrace.training.loop import Outcome, train
from tests.helpers.configs import model_settings

# millrace comes first: it sets what TensorFlow and Keras read from the environment.
# isort: split
import keras
import numpy as np
import tensorflow as tf

BINARY = Task("binary", ("no", "yes"))
SEED = 3

ROOT = Path(__file__).parents[2]
# Must run in ROOT, where Python finds the module.
COMMAND = [sys.executable, "-m", "tests.helpers.trainings"]
SETTINGS = {
    "batch_size": 32,
    "epochs": 3,
    "patience": 10,
    "monitor": "val_loss",
    "learning_rate": 0.01,
    "schedule": "constant",
    "weight_decay": 0.001,
    "clip_norm": 1.0,
    "moving_average": 0.0,
}


def settings(**changes: Any) -> Recipe:
    return Recipe(**{**SETTINGS, **changes})


def make_examples(rows: int, seed: int = 0) -> Encoded:
    """Returns examples whose label depends on three numbers and an id."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(rows, 3)).astype(np.float32)
    ids = rng.integers(0, 20, (rows, 1)).astype(np.int32)
    score = numbers.sum(axis=1) + ids[:, 0] / 10 - 1 + rng.normal(size=rows)
    return Encoded({"numbers": numbers, "ids": ids}, (score > 0).astype(np.float32))


def make_model(dropout: float = 0.0, seed: int = SEED) -> keras.Model:
    keras.utils.set_random_seed(seed)
    inputs = {
        "numbers": keras.Input((3,), name="numbers"),
        "ids": keras.Input((1,), dtype="int32", name="ids"),
    }
    embedded = keras.layers.Flatten()(keras.layers.Embedding(20, 4, name="of_ids")(inputs["ids"]))
    x = keras.layers.Concatenate()([inputs["numbers"], embedded])
    x = SmeLU()(keras.layers.Dense(16, name="hidden")(x))
    x = Dropout(dropout)(x) if dropout else x
    return keras.Model(inputs, keras.layers.Dense(1, name="logits")(x), name="small")


def make_net(kind: str, dropout: float) -> keras.Model:
    """Returns a network for the synthetic examples; their id is one-hot encoded."""
    edges = tuple(np.linspace(-2, 2, 33))
    numbers = tuple(NumberInput(name, edges=edges) for name in "abc")
    spec = EncodedSpec(numbers, (CategoricalInput("id", 20, "indicator", 20),))
    keras.utils.set_random_seed(SEED)
    return models.build(model_settings(kind, dropout=dropout), spec, BINARY)


def run(
    model: keras.Model | None = None,
    rows: int = 500,
    callbacks: list[keras.callbacks.Callback] | None = None,
    checkpoints: Checkpoints | None = None,
    **changes: Any,
) -> tuple[keras.Model, Outcome]:
    """Trains a model, by default a new one, on the synthetic examples."""
    model = model or make_model()
    data = InMemory(make_examples(rows)), InMemory(make_examples(200, seed=1))
    outcome = train(model, BINARY, settings(**changes), data, SEED, callbacks or [], checkpoints)
    return model, outcome


def in_replica(replica: int, replicas: int) -> Any:
    """Makes TensorFlow report, within the block, that it is one of this many replicas."""
    context = mock.Mock(num_replicas_in_sync=replicas, replica_id_in_sync_group=replica)
    return mock.patch.object(tf.distribute, "get_replica_context", return_value=context)


def same_weights(one: keras.Model, other: keras.Model) -> bool:
    """Returns whether two models have bit-identical weights."""
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def main() -> None:
    """Trains with arguments from JSON, see `run`; writes weights and history to OUTPUT."""
    output = Path(sys.argv[1])
    changes = {**PROGRAM, **json.loads(sys.argv[2] if len(sys.argv) > 2 else "{}")}
    keys = ("strategy", "replicas", "connect_seconds")
    chosen = TrainingConfig(**{key: changes.pop(key) for key in keys})
    if strategies.serve(chosen):
        return
    strategy = strategies.create(chosen)
    checkpoints = Checkpoints(
        output / "checkpoints", {"of": "a test"}, minutes=0, chief=strategies.is_chief(strategy)
    )
    with strategy.scope():
        kind, dropout = changes.pop("kind"), changes.pop("dropout")
        model = make_net(kind, dropout) if kind else make_model(dropout)
    slow = Slow(changes.pop("wait"))
    model, outcome = run(model, callbacks=[slow], checkpoints=checkpoints, **changes)
    if checkpoints.chief:
        np.savez(output / "weights.npz", *model.get_weights())
        (output / "history.json").write_text(json.dumps(outcome.history))


# The program's defaults: dropout, averaged weights, many calls per epoch.
PROGRAM: dict[str, Any] = {
    "strategy": "default",
    "replicas": "auto",
    "connect_seconds": 60,
    "kind": None,
    "dropout": 0.3,
    "moving_average": 0.9,
    "batch_size": 4,
    "rows": 4000,
    "wait": 0,
}


class Slow(keras.callbacks.Callback):
    """Gives a test the time to kill the training within an epoch."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        print("batch", batch, flush=True)
        time.sleep(self.seconds)


if __name__ == "__main__":
    errors.exit_with_status(main)
