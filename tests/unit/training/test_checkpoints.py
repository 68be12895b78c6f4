"""Checkpoints: a killed training resumes as if nothing had happened."""

import json
import os
import random
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import keras
import pytest
import tensorflow as tf

from millrace.errors import MillraceError
from millrace.files import read_json
from millrace.training import loop
from millrace.training.checkpoints import Checkpoints, Journal
from tests.helpers import trainings
from tests.helpers.trainings import make_model, run, same_weights

RUN = {"training": {"epochs": 3, "learning_rate": 0.01}, "seed": 3}


def checkpoints(path: Path, run: dict[str, Any] = RUN, minutes: float = 0) -> Checkpoints:
    return Checkpoints(path / "checkpoints", run=run, minutes=minutes)


class Interrupted(Exception):
    pass


class Interrupt(keras.callbacks.Callback):
    """Interrupts a training like Ctrl-C does."""

    def __init__(self, epoch: int, call: int | None) -> None:
        super().__init__()
        self._place, self._epoch, self._call = (epoch, call), 0, 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch, self._call = epoch, 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._call += 1
        if (self._epoch, self._call) == self._place:
            raise Interrupted

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if (epoch, None) == self._place:
            raise Interrupted


HARD = {"rows": 1500, "batch_size": 4, "moving_average": 0.9, "schedule": "cosine"}


# Six calls per epoch: 375 steps in calls of 64.
@pytest.mark.parametrize("place", [(0, 2), (0, 6), (1, None), (2, 3), (2, None)])
def test_a_training_goes_on_as_if_nothing_had_happened(
    tmp_path: Path, place: tuple[int, int | None]
) -> None:
    whole, expected = run(make_model(dropout=0.3), **HARD)
    with pytest.raises(Interrupted):
        interrupt = [Interrupt(*place)]
        run(make_model(0.3), callbacks=interrupt, checkpoints=checkpoints(tmp_path), **HARD)
    # Another seed: all weights and the state of dropout must come from the checkpoint.
    model, outcome = run(
        make_model(0.3, seed=99),
        callbacks=[Interrupt(-1, None)],
        checkpoints=checkpoints(tmp_path),
        **HARD,
    )
    assert same_weights(model, whole)
    assert outcome == expected


def test_it_goes_on_in_the_midst_of_a_longer_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if it was killed during debugging, which calls single steps."""
    whole, expected = run(**HARD)
    with monkeypatch.context() as shorter, pytest.raises(Interrupted):
        shorter.setattr(loop, "STEPS_PER_CALL", 5)
        run(callbacks=[Interrupt(1, 15)], checkpoints=checkpoints(tmp_path), **HARD)
    callbacks = [Interrupt(-1, None)]
    model, outcome = run(callbacks=callbacks, checkpoints=checkpoints(tmp_path), **HARD)
    assert same_weights(model, whole)
    for one, other in zip(outcome.history, expected.history, strict=True):
        assert one == pytest.approx(other, rel=1e-6)


def test_a_finished_training_is_not_run_again(tmp_path: Path) -> None:
    model, outcome = run(checkpoints=checkpoints(tmp_path), epochs=2)
    again, same = run(make_model(seed=9), checkpoints=checkpoints(tmp_path), epochs=2)
    assert same_weights(model, again)
    assert same == outcome
    assert int(again.optimizer.iterations) == int(model.optimizer.iterations)


def test_a_callback_goes_on_with_what_it_remembers(tmp_path: Path) -> None:
    def reduce() -> keras.callbacks.Callback:
        # No epoch is an improvement: the rate falls after every two epochs.
        return keras.callbacks.ReduceLROnPlateau("val_loss", patience=2, min_delta=10.0)

    _, expected = run(callbacks=[reduce(), Interrupt(-1, None)], epochs=6)
    with pytest.raises(Interrupted):
        saved = checkpoints(tmp_path)
        run(callbacks=[reduce(), Interrupt(2, 1)], checkpoints=saved, epochs=6)
    saved = checkpoints(tmp_path)
    _, outcome = run(callbacks=[reduce(), Interrupt(-1, None)], checkpoints=saved, epochs=6)
    assert outcome == expected


def test_another_run_is_not_resumed_and_what_differs_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(checkpoints=checkpoints(tmp_path), epochs=1)
    other = {**RUN, "training": {"epochs": 3, "learning_rate": 0.5}}
    fresh, _ = run(epochs=1)
    capsys.readouterr()
    model, _ = run(checkpoints=checkpoints(tmp_path, other), epochs=1)
    said = capsys.readouterr().out
    assert "not resumed" in said
    assert "training.learning_rate was 0.01, is 0.5" in said
    assert "epochs" not in said
    assert same_weights(model, fresh)
    assert read_json(tmp_path / "checkpoints.old" / "run.json") == RUN
    assert read_json(tmp_path / "checkpoints" / "run.json") == other


def last(path: Path) -> str:
    return str(tf.train.latest_checkpoint(str(path / "checkpoints")))


def test_they_are_tensorflows_and_the_last_two_are_kept(tmp_path: Path) -> None:
    run(checkpoints=checkpoints(tmp_path), epochs=3)
    manager = tf.train.get_checkpoint_state(str(tmp_path / "checkpoints"))
    assert len(manager.all_model_checkpoint_paths) == 2
    names = [name for name, _ in tf.train.list_variables(last(tmp_path))]
    assert {name.split("/")[0] for name in names} >= {"journal", "optimizer", "variables", "best"}


def test_checkpoints_within_an_epoch_are_written_by_the_clock(tmp_path: Path) -> None:
    seldom = checkpoints(tmp_path, minutes=60)
    with pytest.raises(Interrupted):
        run(callbacks=[Interrupt(0, 3)], checkpoints=seldom, rows=1500, batch_size=4)
    assert last(tmp_path) == "None"


def test_the_history_can_be_followed(tmp_path: Path) -> None:
    class Follow(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch:
                path = tmp_path / "checkpoints" / "history.csv"
                lines = path.read_text().splitlines()
                assert lines[0] == "epoch,learning_rate,loss,val_loss"
                assert len(lines) == epoch + 1

    run(callbacks=[Follow()], checkpoints=checkpoints(tmp_path), epochs=3)


def test_a_truncated_checkpoint_is_an_error_and_the_one_before_is_kept(tmp_path: Path) -> None:
    run(checkpoints=checkpoints(tmp_path), epochs=2)
    data = Path(f"{last(tmp_path)}.data-00000-of-00001")
    data.write_bytes(data.read_bytes()[:-500])
    files = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    with pytest.raises(MillraceError, match="expected a whole checkpoint of this model") as raised:
        run(checkpoints=checkpoints(tmp_path), epochs=2)
    assert last(tmp_path) in str(raised.value)
    assert files == sorted(path.name for path in (tmp_path / "checkpoints").iterdir())


@pytest.mark.parametrize("units", [15, None])
def test_a_checkpoint_of_another_model_is_an_error(tmp_path: Path, units: int | None) -> None:
    run(checkpoints=checkpoints(tmp_path), epochs=1)
    inputs = {
        "numbers": keras.Input((3,), name="numbers"),
        "ids": keras.Input((1,), dtype="int32", name="ids"),
    }
    x = keras.layers.Concatenate()([inputs["numbers"], keras.ops.cast(inputs["ids"], "float32")])
    for _ in range(3 if units is None else 1):
        x = keras.layers.Dense(units or 16)(x)
    other = keras.Model(inputs, keras.layers.Dense(1)(x), name="other")
    with pytest.raises(MillraceError, match="expected a whole checkpoint of this model"):
        run(other, checkpoints=checkpoints(tmp_path), epochs=1)


class Spoil(keras.callbacks.Callback):
    """Makes the weights NaN in the second epoch."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == 1:
            self.model.get_layer("hidden").bias.assign([float("nan")] * 16)


def test_a_loss_that_turns_nan_leaves_the_checkpoints_before_it(tmp_path: Path) -> None:
    whole, expected = run(epochs=3)
    with pytest.raises(MillraceError, match="model small, epoch 2, step 15: expected finite"):
        run(callbacks=[Spoil()], checkpoints=checkpoints(tmp_path), epochs=3)
    # It resumes from the end of the first epoch with intact weights.
    again = [keras.callbacks.Callback()]
    model, outcome = run(callbacks=again, checkpoints=checkpoints(tmp_path), epochs=3)
    assert outcome == expected
    assert same_weights(model, whole)


def test_removed_leaves_nothing(tmp_path: Path) -> None:
    written = checkpoints(tmp_path)
    run(checkpoints=written, epochs=1)
    (tmp_path / "checkpoints.old").mkdir()
    written.remove()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"jit": True, "dropout": 0}])
def test_five_kills_at_random_moments_change_no_bit(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    """Kills processes with SIGKILL while they compute or write, and starts others."""
    command = trainings.COMMAND
    changes = {"epochs": 4, **changes}
    (whole := tmp_path / "whole").mkdir()
    subprocess.run(
        [*command, whole, json.dumps(changes)],
        check=True,
        capture_output=True,
        cwd=trainings.ROOT,
    )
    (killed := tmp_path / "killed").mkdir()
    # New random moments in each run; the test's name contains the seed.
    seed = int.from_bytes(os.urandom(2))
    rng = random.Random(seed)
    for kill in range(6):
        with subprocess.Popen(
            [*command, killed, json.dumps({**changes, "wait": 0.02})],
            stdout=subprocess.PIPE,
            cwd=trainings.ROOT,
        ) as process:
            assert process.stdout
            if kill < 5:
                for _ in range(rng.randrange(1, 14)):
                    process.stdout.readline()
                # A checkpoint follows each call and takes about this long.
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(rng.uniform(0, 0.05))
                process.send_signal(signal.SIGKILL)
            process.stdout.read()
        assert process.returncode == (-signal.SIGKILL if kill < 5 else 0), f"seed {seed}"
    for name in ("weights.npz", "history.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), f"seed {seed}"


def test_a_process_that_is_not_the_chief_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    saved = Checkpoints(tmp_path / "checkpoints", RUN, minutes=0, chief=False)
    journal = Journal()
    saved.restore(journal, weights=[tf.Variable(1.0)])
    saved.save(journal)
    assert list(scratch.glob("*/checkpoint-1.index"))
    del saved
    assert not list(scratch.iterdir())
    assert not (tmp_path / "checkpoints").exists()
