"""The converter of tensorflowjs, imported without its dependencies for other kinds of models.

tensorflowjs pins packages that conflict with this TensorFlow (tensorflow-decision-forests requires
2.19), and its module for SavedModels imports them at the top. The conversion of a SavedModel uses
none of them, so empty modules replace them during the import. The alternative would be a separate
environment of 2.7 GB for this stage.
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

# The modules that the converter imports, and the attributes that it reads during the import.
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
    """Optimizes a graph as the converter does, but without fusing products and activations.

    TensorFlow fuses those that oneDNN supports, and TF.js does not support all of them.
    """
    optimizers = config.graph_options.rewrite_options.optimizers
    optimizers[:] = [name for name in optimizers if name != "remap"]
    return tf_optimizer.OptimizeGraph(config, *graph, **cluster)
