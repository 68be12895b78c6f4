"""The upgrade report, checked on an old code base and with TensorFlow itself."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from millrace import config
from millrace.errors import MillraceError
from millrace.tf1 import old_calls
from millrace.tf1.upgrade import REPORT, report, upgrade

CODE = Path(__file__).parents[2] / "fixtures" / "tf1_code"
OLD, NEW = CODE / "old", CODE / "new"


def found(source: str) -> list[tuple[int, str, str]]:
    return [(call.line, call.name, call.effect) for call in old_calls.find("a.py", source)]


def test_the_old_tree_is_left_as_it_is(tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in OLD.rglob("*.py")}
    upgrade(OLD, tmp_path / "new")
    assert {path: path.read_bytes() for path in OLD.rglob("*.py")} == before


def test_links_are_not_followed(tmp_path: Path) -> None:
    old, outside = tmp_path / "old", tmp_path / "outside"
    for folder in (old, outside):
        folder.mkdir()
        (folder / "net.py").write_text("import tensorflow as tf\nx = tf.placeholder(tf.int32)\n")
    (old / "linked.py").symlink_to(outside / "net.py")
    (old / "folder").symlink_to(outside)
    before = (outside / "net.py").read_bytes()
    result = upgrade(old, tmp_path / "new")
    assert (outside / "net.py").read_bytes() == before
    assert (tmp_path / "new" / "folder").is_symlink()
    assert result.unread == {"linked.py": "a link; upgrade the file that it points to"}
    assert "compat.v1" in (tmp_path / "new" / "net.py").read_text()


def test_names_are_rewritten_in_the_copy_and_reported(tmp_path: Path) -> None:
    result = upgrade(OLD, tmp_path / "new")
    text = (tmp_path / "new" / "session.py").read_text(encoding="utf-8")
    assert "tf.compat.v1.placeholder(" in text
    assert "tf.placeholder(" not in text
    edits = {(change.path, change.line) for change in result.changes}
    assert {("session.py", 20), ("session.py", 21), ("estimator.py", 17)} <= edits


LEFT = re.compile(
    r'<td class="line">(\d+)</td><td><code>(.+?)</code></td><td class="\w+">(.+?)</td>'
)


def told(page: str) -> dict[str, tuple[str, str]]:
    """Returns the names and effects of the remaining work in a report, by place."""
    parts = (part.split("</h3>", 1) for part in page.split("<h3>")[1:])
    return {f"{path}:{line}": (n, e) for path, rows in parts for line, n, e in LEFT.findall(rows)}


def test_what_is_left_is_told_with_place_and_advice(tmp_path: Path) -> None:
    upgrade(OLD, tmp_path / "new")
    page = (tmp_path / "new" / REPORT).read_text(encoding="utf-8")
    left = told(page)
    assert left["session.py:11"] == ("tf.layers.dense", "raises")
    assert left["session.py:2"] == ("tf.contrib.layers", "raises")
    assert left["session.py:28"] == ("tf.compat.v1.Session", "TF 1 mode only")
    assert left["estimator.py:13"] == ("tf.estimator.DNNLinearCombinedClassifier", "raises")
    assert left["embedding.py:7"] == ("hub.KerasLayer", "raises")
    assert left["keras_model.py:13"] == (".fit_generator", "raises")
    assert "keras.layers.Dense(units, activation=…)(x)" in page
    assert "http" not in page


@pytest.mark.slow
@pytest.mark.parametrize("program", ["session.py", "keras_model.py"])
def test_the_new_version_has_no_findings_and_runs(program: str) -> None:
    assert found((NEW / program).read_text(encoding="utf-8")) == []
    done = subprocess.run(
        [sys.executable, program], cwd=NEW, capture_output=True, text=True, check=True
    )
    assert float(done.stdout.split()[-1]) > 0.85


def test_the_new_layers_take_what_the_old_ones_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found((NEW / "embedding.py").read_text(encoding="utf-8")) == []
    monkeypatch.syspath_prepend(str(NEW))
    embedding = importlib.import_module("embedding")
    assert embedding.sequence_model(np.ones((2, 3, 4), np.float32)).shape == (2, 3, 8)
    # Like a model of TensorFlow Hub, it has a __call__.
    tf.saved_model.save(Words(), str(tmp_path))
    model = embedding.sentence_model(str(tmp_path))
    model.layers[-1].kernel.assign([[2.0]])
    np.testing.assert_array_equal(model(tf.constant(["one", "three"])), [[6.0], [10.0]])


class Words(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.strings.length(x), tf.float32)[:, None]


def test_the_estimator_becomes_a_job() -> None:
    job = config.load(NEW / "estimator.yaml")
    assert job.models["wide_deep"].hidden_units == (16,)


@pytest.mark.parametrize(
    "name", [name for name, (effect, _) in old_calls.ADVICE.items() if name.startswith("tf.")]
)
def test_the_advice_says_what_the_installed_tensorflow_does(name: str) -> None:
    """Names for TF 1 mode exist; those that raise are missing or raise when looked up."""
    effect, _ = old_calls.ADVICE[name]
    # These exist as modules or functions, but raise when used.
    if name in ("tf.compat.v1.layers", "tf.compat.v1.nn.rnn_cell", "tf.compat.v1.nn.dynamic_rnn"):
        return
    if name in ("tf.keras.optimizers.legacy", "tf.keras.wrappers.scikit_learn"):
        return
    value = tf
    try:
        for part in name.split(".")[1:]:
            value = getattr(value, part)
    except (AttributeError, ImportError):
        assert effect == old_calls.RAISES
    else:
        assert effect != old_calls.RAISES


def test_calls_are_found_under_any_name() -> None:
    source = (
        "import tensorflow.compat.v1 as tf1\n"
        "import tensorflow.contrib.slim as slim\n"
        "from tensorflow import layers as L\n"
        "from tensorflow.keras.optimizers import SGD\n"
        "tf1.layers.dense(x, 1)\n"
        "slim.conv2d(x)\n"
        "L.flatten(x)\n"
        "SGD(lr=1)\n"
    )
    assert found(source) == [
        (2, "tf.contrib.slim", "raises"),
        (3, "tf.layers", "raises"),
        (5, "tf.compat.v1.layers.dense", "raises"),
        (6, "tf.contrib.slim.conv2d", "raises"),
        (7, "tf.layers.flatten", "raises"),
        (8, "tf.keras.optimizers.SGD(lr=)", "raises"),
    ]


def test_a_name_that_tensorflow_lacks_is_found_without_advice() -> None:
    assert found("import tensorflow as tf\ntf.keras.utils.plot(1)\ntf.nowhere.at_all\n") == [
        (2, "tf.keras.utils.plot", "raises"),
        (3, "tf.nowhere.at_all", "raises"),
    ]


def test_current_code_has_no_findings() -> None:
    source = (
        "import keras\nimport tensorflow as tf\n"
        "tf.data.Dataset.range(3).map(f)\ntf.keras.layers.Dense(1)(x).shape\n"
        "tf.float32.as_numpy_dtype\nmodel.fit(x)\ntf.lite.TFLiteConverter.from_saved_model(p)\n"
    )
    assert found(source) == []


def test_python_2_is_kept_and_named(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "a.py").write_text('print "one"\n')
    (tmp_path / "old" / "latin.py").write_bytes(b"# caf\xe9\n")
    result = upgrade(tmp_path / "old", tmp_path / "new")
    assert (tmp_path / "new" / "a.py").read_text() == 'print "one"\n'
    assert "2to3" in result.unread["a.py"]
    assert result.unread["latin.py"] == "not UTF-8"
    assert "<b>a.py</b> line 1" in report(result)


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("nowhere", "new", "expected a folder with Python files"),
        ("empty", "new", "expected a folder with Python files"),
        ("old", "old", "one inside the other"),
        ("old", "old/new", "one inside the other"),
        ("old", "taken", "expected a new folder"),
    ],
)
def test_a_tree_that_cannot_be_upgraded(
    tmp_path: Path, source: str, target: str, expected: str
) -> None:
    for name in ("empty", "old", "taken"):
        (tmp_path / name).mkdir()
    (tmp_path / "old" / "a.py").write_text("import tensorflow as tf\n")
    with pytest.raises(MillraceError, match=expected):
        upgrade(tmp_path / source, tmp_path / target)
    assert (tmp_path / "old" / "a.py").read_text() == "import tensorflow as tf\n"
