"""The SavedModel in other forms: TF Lite, at several precisions, and TF.js."""

from __future__ import annotations

import importlib
import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from millrace.errors import MillraceError


def convert_tfjs(saved_model: Path, directory: Path) -> None:
    """Writes `serving_default` of a SavedModel as a TF.js graph model: model.json and one weights file.

    Raises MillraceError when the SavedModel is missing or holds an op that TF.js lacks.
    """
    _require_saved_model(saved_model)
    converter = _tfjs_converter()
    try:
        converter.convert_tf_saved_model(
            str(saved_model),
            str(directory),
            signature_def="serving_default",
            saved_model_tags="serve",
            strip_debug_ops=True,
            control_flow_v2=True,
            use_structured_outputs_names=True,
            # One file, whatever the size, so that what there is to serve is known beforehand.
            weight_shard_size_bytes=2**31,
        )
    except ValueError as error:
        raise MillraceError(f"{saved_model}: expected ops that TF.js has; {error}") from None
    # The converter writes the same content in another order of keys each time.
    model = directory / "model.json"
    model.write_text(json.dumps(json.loads(model.read_text()), sort_keys=True), encoding="utf-8")


def _tfjs_converter() -> Any:
    """Imports the converter without what it drags in for other kinds of models.

    tensorflowjs pins packages that cannot live beside this TensorFlow. Converting a SavedModel
    uses none of them, so empty modules stand in for them.
    """
    stand_ins: dict[str, dict[str, Any]] = {
        "tensorflow_decision_forests": {},
        "tensorflow_hub": {},
        "tf_keras": {"__version__": "0"},
        "tensorflowjs.converters.jax_conversion": {"convert_jax": None},
    }
    for name, attributes in stand_ins.items():
        module = types.ModuleType(name)
        vars(module).update(attributes)
        sys.modules.setdefault(name, module)
    # NumPy dropped these aliases; tensorflowjs still reads them.
    for alias, builtin in (("object", object), ("bool", bool)):
        if alias not in vars(np):
            setattr(np, alias, builtin)
    return importlib.import_module("tensorflowjs.converters.tf_saved_model_conversion_v2")


def convert_tflite(saved_model: Path) -> bytes:
    """Returns `serving_default` of a SavedModel as a float32 TF Lite model of builtin ops only.

    Raises MillraceError when the SavedModel is missing or holds an op that TF Lite lacks.
    """
    _require_saved_model(saved_model)
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(saved_model), signature_keys=["serving_default"]
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        model: bytes = converter.convert()
    except Exception as error:  # The converter raises several types, one of them private.
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise MillraceError(
            f"{saved_model}: expected ops that TF Lite has; {' '.join(lines[-2:])}"
        ) from None
    return model


def _require_saved_model(path: Path) -> None:
    if not (path / "saved_model.pb").is_file():
        raise MillraceError(
            f"{path}: expected a SavedModel, found no saved_model.pb.", note="run export first."
        )
