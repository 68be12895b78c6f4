"""Finds calls in TensorFlow 1 code that do not run under TensorFlow 2 with Keras 3.

The installed TensorFlow determines whether a name exists. `ADVICE` has replacements, and lists the
calls that exist but raise, or only run in TF 1 mode.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

RAISES = "raises"
TF1_MODE = "TF 1 mode only"


@dataclass(frozen=True, order=True)
class OldCall:
    """A call that has to be changed by hand.

    Attributes:
        path: the file.
        line: the line in it, from 1.
        name: the name, with `tf` for tensorflow whatever its alias in the file.
        effect: RAISES, or TF1_MODE if it only runs in graphs and sessions.
        advice: the replacement.
    """

    path: str
    line: int
    name: str
    effect: str
    advice: str


_SESSION = (
    TF1_MODE,
    "call the function eagerly, under @tf.function where speed counts; a trained graph as it is: "
    "Millrace, `models: {old: {kind: tf1, checkpoint: …}}`",
)
_VARIABLES = (TF1_MODE, "let a keras.layers.Layer make its weights (self.add_weight)")
_INPUTS = (TF1_MODE, "tf.data.Dataset; Millrace reads the table itself (`data.files`)")
_COLUMNS = (TF1_MODE, "Millrace: `features:` in the config, under the names of tf.feature_column")
_OPTIMIZER = (
    TF1_MODE,
    "keras.optimizers.…(learning_rate=…); its slots in old checkpoints are lost, the weights not",
)
_KERAS_FILES = (
    RAISES,
    "keras.layers.TFSMLayer(path, call_endpoint=…) or tf.saved_model.load; Millrace: `kind: tf1`",
)

# The effect and the replacement, by name or the longest matching prefix of a name.
ADVICE: dict[str, tuple[str, str]] = {
    "tf.contrib": (RAISES, "tf.contrib is gone: look for the name in tensorflow_addons' sources"),
    "tf.contrib.layers.l1_regularizer": (RAISES, "keras.regularizers.L1(…)"),
    "tf.contrib.layers.l2_regularizer": (RAISES, "keras.regularizers.L2(scale / 2)"),
    "tf.contrib.layers.fully_connected": (RAISES, "keras.layers.Dense(…); its default was ReLU"),
    "tf.contrib.layers.batch_norm": (RAISES, "keras.layers.BatchNormalization(…)"),
    "tf.contrib.layers.xavier_initializer": (RAISES, "keras.initializers.GlorotUniform()"),
    "tf.contrib.layers": (RAISES, "the keras.layers class of that name"),
    "tf.contrib.slim": (RAISES, "keras.layers; the package tf_slim runs in TF 1 mode only"),
    "tf.contrib.learn": (RAISES, "Millrace: `models:` in the config"),
    "tf.contrib.lookup": (RAISES, "tf.lookup.StaticHashTable; Millrace: `kind: vocabulary`"),
    "tf.contrib.rnn": (RAISES, "keras.layers.LSTMCell and keras.layers.RNN"),
    "tf.contrib.tensorrt": (RAISES, "tf.experimental.tensorrt.Converter"),
    "tf.contrib.lite": (RAISES, "tf.lite.TFLiteConverter; Millrace writes TF Lite models itself"),
    "tf.contrib.boosted_trees": (RAISES, "Millrace: `models: [boosted_trees]`"),
    "tf.layers": (RAISES, "the keras.layers class of that name"),
    "tf.compat.v1.layers": (RAISES, "the keras.layers class of that name, made once, then called"),
    "tf.compat.v1.layers.dense": (RAISES, "keras.layers.Dense(units, activation=…)(x)"),
    "tf.compat.v1.layers.dropout": (RAISES, "keras.layers.Dropout(rate)(x, training=…)"),
    "tf.compat.v1.layers.batch_normalization": (
        RAISES,
        "keras.layers.BatchNormalization()(x, training=…); momentum, epsilon and axis are alike",
    ),
    "tf.estimator": (RAISES, "Millrace: `models:` in the config; or keras.Model.fit"),
    "tf.compat.v1.estimator": (RAISES, "Millrace: `models:` in the config; or keras.Model.fit"),
    "tf.feature_column": _COLUMNS,
    "tf.compat.v1.feature_column": _COLUMNS,
    "tf.compat.v1.Session": _SESSION,
    "tf.compat.v1.InteractiveSession": _SESSION,
    "tf.compat.v1.train.MonitoredTrainingSession": _SESSION,
    "tf.compat.v1.train.MonitoredSession": _SESSION,
    "tf.compat.v1.train.Supervisor": _SESSION,
    "tf.compat.v1.train.SessionRunHook": (TF1_MODE, "keras.callbacks.Callback"),
    "tf.compat.v1.placeholder": (TF1_MODE, "an argument of the function; keras.Input in a model"),
    "tf.compat.v1.get_variable": _VARIABLES,
    "tf.compat.v1.variable_scope": _VARIABLES,
    "tf.compat.v1.global_variables_initializer": (TF1_MODE, "nothing: variables start with values"),
    "tf.compat.v1.local_variables_initializer": (TF1_MODE, "nothing: variables start with values"),
    "tf.compat.v1.tables_initializer": (TF1_MODE, "nothing: tables fill themselves"),
    "tf.compat.v1.train.Saver": (
        TF1_MODE,
        "model.save_weights('….weights.h5'); old checkpoints are read by tf.train.load_checkpoint, "
        "or by Millrace: `adopt:`",
    ),
    "tf.compat.v1.train.batch": _INPUTS,
    "tf.compat.v1.train.shuffle_batch": _INPUTS,
    "tf.compat.v1.train.string_input_producer": _INPUTS,
    "tf.compat.v1.data.make_one_shot_iterator": (TF1_MODE, "iterate over the dataset itself"),
    "tf.compat.v1.data.make_initializable_iterator": (TF1_MODE, "iterate over the dataset itself"),
    "tf.compat.v1.metrics": (TF1_MODE, "keras.metrics, whose AUC has no lag of one update"),
    "tf.compat.v1.summary": (TF1_MODE, "tf.summary with a tf.summary.create_file_writer"),
    "tf.compat.v1.saved_model.simple_save": (TF1_MODE, "tf.saved_model.save or model.export"),
    "tf.compat.v1.train.AdamOptimizer": _OPTIMIZER,
    "tf.compat.v1.train.AdagradOptimizer": _OPTIMIZER,
    "tf.compat.v1.train.FtrlOptimizer": _OPTIMIZER,
    "tf.compat.v1.train.GradientDescentOptimizer": _OPTIMIZER,
    "tf.compat.v1.train.MomentumOptimizer": _OPTIMIZER,
    "tf.compat.v1.train.RMSPropOptimizer": _OPTIMIZER,
    "tf.compat.v1.nn.rnn_cell": (RAISES, "keras.layers.LSTMCell and keras.layers.RNN"),
    "tf.compat.v1.nn.dynamic_rnn": (RAISES, "keras.layers.RNN(cell, return_sequences=True)(x)"),
    "tf.compat.v1.keras.backend.get_session": (RAISES, "nothing: Keras 3 has no sessions"),
    "tf.keras.backend.get_session": (RAISES, "nothing: Keras 3 has no sessions"),
    "tf.keras.backend.set_session": (RAISES, "nothing: Keras 3 has no sessions"),
    "tf.keras.backend.set_learning_phase": (RAISES, "model(x, training=…)"),
    "tf.keras.estimator": (RAISES, "model.fit; Millrace: `models:` in the config"),
    "tf.keras.experimental": (RAISES, "Millrace: `models: [linear, wide_deep]`"),
    "tf.keras.layers.DenseFeatures": (RAISES, _COLUMNS[1]),
    "tf.keras.models.load_model": (
        "raises for SavedModels",
        ".keras and .h5 load; of a SavedModel write " + _KERAS_FILES[1],
    ),
    "tf.keras.optimizers.legacy": (RAISES, "tf.keras.optimizers, without `legacy`"),
    "tf.keras.utils.multi_gpu_model": (RAISES, "tf.distribute.MirroredStrategy"),
    "tf.keras.wrappers.scikit_learn": (RAISES, "the package scikeras, or Millrace"),
    "hub.KerasLayer": (
        RAISES,
        "Keras 3 refuses it: keras.layers.TFSMLayer(path, call_endpoint='__call__') behind "
        "keras.Input((), dtype='string'); Millrace: a feature of kind saved_model",
    ),
    "hub.Module": (RAISES, "hub.load(…).signatures['default']"),
    "hub.text_embedding_column": (RAISES, "Millrace: a feature of kind saved_model"),
}

# Methods that models and layers lack in Keras 3.
METHODS = {
    "fit_generator": "fit(…), which takes generators",
    "evaluate_generator": "evaluate(…), which takes generators",
    "predict_generator": "predict(…), which takes generators",
    "predict_classes": "predict(…).argmax(-1), or predict(…) > 0.5",
    "predict_proba": "predict(…)",
}
OPTIMIZER_ARGUMENTS = {
    "lr": "learning_rate=…",
    "decay": "learning_rate=keras.optimizers.schedules.InverseTimeDecay(…)",
}
_ROOTS = {"tensorflow": "tf", "tensorflow_hub": "hub"}


def find(path: str, source: str) -> list[OldCall]:
    """Returns the calls in a Python file that have to be changed by hand, by line.

    Raises SyntaxError when the source is not Python 3.
    """
    tree = ast.parse(source)
    aliases = _aliases(tree)
    found = set()
    for line, name in [*_imported(tree), *_used(tree, aliases)]:
        advice = _advise(name)
        if advice:
            found.add(OldCall(path, line, name, *advice))
    for line, name, text in [*_methods(tree), *_optimizer_arguments(tree, aliases)]:
        found.add(OldCall(path, line, name, RAISES, text))
    return sorted(found)


def _advise(name: str) -> tuple[str, str] | None:
    # tf_upgrade_v2 does not change tf.layers, which equals tf.compat.v1.layers.
    same = name.replace("tf.layers.", "tf.compat.v1.layers.", 1)
    parts = same.split(".") if name.startswith("tf.layers.") else name.split(".")
    for length in range(len(parts), 1, -1):
        if (prefix := ".".join(parts[:length])) in ADVICE:
            return ADVICE[prefix]
    if parts[0] == "tf" and not _exists(parts[1:]):
        return RAISES, f"TensorFlow {tf.__version__} has no such name: see its migration guide"
    return None


def _exists(parts: list[str]) -> bool:
    """Returns whether TensorFlow has a name, ignoring attributes of classes and functions."""
    value: Any = tf
    for part in parts:
        if isinstance(value, type) or (not hasattr(value, "__path__") and callable(value)):
            return True
        try:
            value = getattr(value, part)
        except (AttributeError, ImportError):
            return False
    return True


def _aliases(tree: ast.Module) -> dict[str, str]:
    """Returns the full names of a file's imported names: {"tf": "tf", "slim": "tf.contrib…"}."""
    aliases = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for item in node.names:
                full = item.name if item.asname else item.name.split(".")[0]
                aliases[item.asname or full] = _shortened(full)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for item in node.names:
                aliases[item.asname or item.name] = _shortened(f"{node.module}.{item.name}")
    return {alias: name for alias, name in aliases.items() if _is_ours(name)}


def _imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [item.name for item in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{item.name}" for item in node.names]
        else:
            continue
        for name in map(_shortened, names):
            if _is_ours(name) and "." in name and not name.startswith("tf.python"):
                yield node.lineno, name


def _used(tree: ast.Module, aliases: dict[str, str]) -> Iterator[tuple[int, str]]:
    """Yields each whole attribute chain that begins with an imported name."""
    inner = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in inner:
            name = _dotted(node, aliases)
            if name and not name.startswith("tf.python"):
                yield node.lineno, name


def _methods(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in METHODS:
            yield node.lineno, f".{node.attr}", METHODS[node.attr]


def _optimizer_arguments(
    tree: ast.Module, aliases: dict[str, str]
) -> Iterator[tuple[int, str, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = _dotted(node.func, aliases) or ""
        if name.startswith("tf.keras.optimizers."):
            for keyword in node.keywords:
                if keyword.arg in OPTIMIZER_ARGUMENTS:
                    found = f"{name}({keyword.arg}=)"
                    yield node.lineno, found, OPTIMIZER_ARGUMENTS[keyword.arg]


def _dotted(node: ast.AST, aliases: dict[str, str]) -> str | None:
    """Returns the full name of an attribute chain such as tf.layers.dense; None for other code."""
    if isinstance(node, ast.Name):
        return aliases.get(node.id)
    if isinstance(node, ast.Attribute):
        base = _dotted(node.value, aliases)
        return f"{base}.{node.attr}" if base else None
    return None


def _shortened(name: str) -> str:
    root, _, rest = name.partition(".")
    root = _ROOTS.get(root, root)
    return f"{root}.{rest}" if rest else root


def _is_ours(name: str) -> bool:
    return name.split(".")[0] in _ROOTS.values()
