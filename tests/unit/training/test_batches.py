"""The order of the examples: each once per epoch, and the same for the same seed."""

from dataclasses import replace
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from millrace.features import encoded
from millrace.features.encoded import Blocks, Encoded
from millrace.features.feature_columns import CategoricalInput, NumberInput
from millrace.features.preprocessing import EncodedSpec
from millrace.training import batches
from millrace.training.batches import ExampleSource, InMemory, OnDisk, calls
from millrace.training.checkpoints import Checkpoints
from millrace.training.loop import Outcome, train
from tests.helpers import trainings
from tests.helpers.trainings import make_examples, make_model

SPEC = EncodedSpec(
    tuple(NumberInput(name) for name in "xyz"), (CategoricalInput("c", 20, "indicator", 20),)
)
WEIGHTS = np.arange(1050, dtype=np.float32) / 2
EXAMPLES = replace(make_examples(1050), weights=WEIGHTS)
# Identifies the examples.
EXAMPLES.inputs["numbers"][:, 0] = np.arange(1050)


def written(path: Path, examples: Encoded = EXAMPLES) -> Blocks:
    """Writes the examples in blocks of 100; the last has 50."""
    blocks = [
        Encoded(
            {name: part[i : i + 100] for name, part in examples.inputs.items()},
            examples.labels[i : i + 100],
            None if examples.weights is None else examples.weights[i : i + 100],
        )
        for i in range(0, 1050, 100)
    ]
    encoded.write(path / "train.tfrecord", blocks)
    return Blocks(path / "train.tfrecord", SPEC)


def on_disk(path: Path, buffer_rows: int) -> OnDisk:
    return OnDisk(written(path), buffer_rows)


def epoch(
    source: ExampleSource, number: int | None, batch: int = 32, seed: int = 0
) -> list[list[int]]:
    """Returns the numbers of the examples in each batch, after checking all their columns."""
    batches = []
    for call in calls(source, seed, number, batch):
        assert call.step == len(batches)
        for rows in call.rows:
            found = {name: table.numpy()[rows] for name, table in call.tables.items()}
            numbers = found["numbers"][:, 0].astype(int)
            np.testing.assert_array_equal(found["labels"], EXAMPLES.labels[numbers])
            np.testing.assert_array_equal(found["ids"], EXAMPLES.inputs["ids"][numbers])
            np.testing.assert_array_equal(found["weights"], WEIGHTS[numbers])
            batches.append(numbers.tolist())
    return batches


@pytest.fixture(params=["memory", "disk"])
def source(request: Any, tmp_path: Path) -> ExampleSource:
    if request.param == "memory":
        return InMemory(EXAMPLES)
    return on_disk(tmp_path, buffer_rows=330)


def test_an_epoch_meets_every_example_once_in_whole_batches(source: ExampleSource) -> None:
    batches = epoch(source, 3)
    assert [len(batch) for batch in batches] == [32] * 32 + [26]
    assert sorted(chain.from_iterable(batches)) == list(range(1050))


def test_the_order_depends_on_seed_and_epoch(source: ExampleSource) -> None:
    assert epoch(source, 3) == epoch(source, 3)
    assert epoch(source, 3) != epoch(source, 4)
    assert epoch(source, 3) != epoch(source, 3, seed=1)


def test_validation_goes_through_them_as_they_are(source: ExampleSource) -> None:
    assert list(chain.from_iterable(epoch(source, None, batch=400))) == list(range(1050))


# Four buffers of up to three blocks, from eleven blocks.
@pytest.mark.parametrize("buffer_rows", [300, 400])
def test_no_two_batches_in_a_row_are_of_one_block(tmp_path: Path, buffer_rows: int) -> None:
    batches = epoch(on_disk(tmp_path, buffer_rows), 0)
    blocks = [{number // 100 for number in batch} for batch in batches]
    for one, other in pairwise(blocks):
        assert len(one | other) > 1
    # Each batch is drawn from its whole buffer.
    assert np.mean([len(found) for found in blocks]) > 2.5


def test_a_buffer_has_blocks_from_all_over_the_file(tmp_path: Path) -> None:
    seen = {number // 100 for key in range(8) for number in epoch(on_disk(tmp_path, 300), key)[0]}
    assert len(seen) == 11


def test_no_more_than_a_buffer_and_a_block_is_given_at_a_time(tmp_path: Path) -> None:
    for buffer in on_disk(tmp_path, buffer_rows=250).buffers(0, 0, batch_size=32):
        assert len(buffer.tables["labels"]) < 250 + 100 + 32


def test_what_fits_is_taken_into_memory(tmp_path: Path) -> None:
    blocks = written(tmp_path)
    assert isinstance(batches.source(blocks, 1050, None), InMemory)
    assert isinstance(batches.source(blocks, 1049, None), OnDisk)
    few = batches.source(blocks, 200, rows=130)
    assert isinstance(few, InMemory)
    assert list(chain.from_iterable(epoch(few, None))) == list(range(130))


def test_a_class_counts_times_the_examples_own_weight(tmp_path: Path) -> None:
    by_class = np.array([1, 3], np.float32)
    blocks = written(tmp_path)
    for source in (InMemory(EXAMPLES, by_class), OnDisk(blocks, 400, by_class)):
        (call, *_) = calls(source, 0, None, 100)
        expected = WEIGHTS[:100] * np.where(EXAMPLES.labels[:100] == 1, 3, 1)
        np.testing.assert_array_equal(call.tables["weights"].numpy()[:100], expected)
    plain = make_examples(1050)
    (call, *_) = calls(InMemory(plain, by_class), 0, None, 100)
    expected = np.where(plain.labels == 1, 3, 1)
    np.testing.assert_array_equal(call.tables["weights"].numpy(), expected)


class Interrupted(Exception):
    pass


class Interrupt(keras.callbacks.Callback):
    """Stops a training after some calls of its second epoch."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._left = 2 if epoch == 1 else -1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._left -= 1
        if self._left == 0:
            raise Interrupted


def test_a_training_from_disk_goes_on_bit_for_bit(tmp_path: Path) -> None:
    """Killed between the calls of two buffers, it resumes with the remaining batches."""
    (tmp_path / "plain").mkdir()
    blocks = written(tmp_path / "plain", make_examples(1050))
    data = OnDisk(blocks, 400), InMemory(make_examples(200, seed=1))

    def run(callbacks: list[Any], saved: Checkpoints | None) -> tuple[keras.Model, Outcome]:
        model, settings = make_model(dropout=0.3), trainings.settings(epochs=3)
        task, seed = trainings.BINARY, trainings.SEED
        return model, train(model, task, settings, data, seed, callbacks, saved)

    whole, expected = run([], None)
    saved = Checkpoints(tmp_path / "checkpoints", {}, minutes=0)
    with pytest.raises(Interrupted):
        run([Interrupt()], saved)
    assert tf.train.latest_checkpoint(str(tmp_path / "checkpoints"))
    resumed, outcome = run([keras.callbacks.Callback()], saved)
    assert outcome == expected
    assert trainings.same_weights(whole, resumed)
    in_memory = make_model(dropout=0.3)
    memory = InMemory(make_examples(1050)), data[1]
    other = train(in_memory, trainings.BINARY, trainings.settings(epochs=3), memory, trainings.SEED)
    assert other.history != expected.history
    # Another order, which is no worse.
    assert other.val_loss == pytest.approx(expected.val_loss, abs=0.02)
