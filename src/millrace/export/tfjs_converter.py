"""The converter of tensorflowjs, imported without its dependencies for other kinds of models.

tensorflowjs pins packages that cannot live beside this TensorFlow (tensorflow-decision-forests asks
for 2.19), and its module for SavedModels imports them at its top. The conversion of a SavedModel
uses none of them, so empty modules stand in for them while it is imported, and no longer. There is
no other way but an environment of its own for this one stage, of 2.7 GB.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from tensorflow.python.grappler import tf_optimizer

# What the converter imports, and the attributes that it reads while it is imported.
STAND_INS: dict[str, dict[str, Any]] = {
    "tensorflow_decision_forests": {},
    "tensorflow_hub": {},
    "tf_keras": {"__version__": "0"},
    "tensorflowjs.converters.jax_conversion": {"convert_jax": None},
}


def load() -> Any:
    """Returns the module `tensorflowjs.converters.tf_saved_model_conversion_v2`."""
    # NumPy dropped these aliases; tensorflowjs still reads them.
    for alias, builtin in (("object", object), ("bool", bool)):
        if alias not in vars(np):
            setattr(np, alias, builtin)
    with _stand_ins():
        converter = importlib.import_module("tensorflowjs.converters.tf_saved_model_conversion_v2")
    vars(converter)["tf_optimizer"] = types.SimpleNamespace(OptimizeGraph=_optimize_unfused)
    return converter


@contextmanager
def _stand_ins() -> Iterator[None]:
    added = [name for name in STAND_INS if name not in sys.modules]
    for name in added:
        module = types.ModuleType(name)
        vars(module).update(STAND_INS[name])
        sys.modules[name] = module
    try:
        yield
    finally:
        for name in added:
            del sys.modules[name]


def _optimize_unfused(config: Any, *graph: Any, **cluster: Any) -> Any:
    """Optimizes a graph as the converter does, but leaves products and activations apart.

    TensorFlow fuses those that oneDNN has, and TF.js does not know all of them.
    """
    optimizers = config.graph_options.rewrite_options.optimizers
    optimizers[:] = [name for name in optimizers if name != "remap"]
    return tf_optimizer.OptimizeGraph(config, *graph, **cluster)
