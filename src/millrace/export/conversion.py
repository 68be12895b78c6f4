"""Conversion of the SavedModel to TF Lite, at several precisions, to TF.js and to ONNX."""

from __future__ import annotations

import contextlib
import io
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from ai_edge_quantizer.algorithm_manager import AlgorithmName
from ai_edge_quantizer.calibrator import CalibrationMode
from ai_edge_quantizer.qtyping import QuantGranularity, TFLOperationName
from ai_edge_quantizer.quantizer import Quantizer
from tensorflow.core.protobuf import saved_model_pb2

from millrace.config.assessment import ExportConfig
from millrace.errors import MillraceError
from millrace.export import tfjs_converter
from millrace.export.onnx_emitter import emitter
from millrace.features.raw_row import RawColumn
from millrace.files import checksums, visible

ROWS_PER_CALL = 8192
# The signature that takes raw columns, and is converted.
SIGNATURE = "serving_default"

Model = TypeVar("Model")


class LackingOps(MillraceError):
    """A runtime that has no equivalent of some of a model's ops.

    Attributes:
        reason: a short description: which runtime lacks which ops.
        fault: the text of the error without the model's path.
        note: the next step.
    """

    def __init__(self, saved_model: Path, runtime: str, key: str, ops: Iterable[str]) -> None:
        named = name_nodes(saved_model, ops)
        self.reason = f"{runtime} lacks {named}"
        self.note = (
            f"leave {runtime} out with `export: {{{key}: false}}` (or `where_possible`, if "
            "another model may win) and ship the rest; or rewrite the layer that uses the op, or "
            "adopt an old Estimator's checkpoint in the place of its graph."
        )
        self.fault = f"expected ops that {runtime} has, found {named}."
        super().__init__(f"{saved_model}: {self.fault}", note=self.note)


def attempt(
    key: str, wanted: bool | str, convert: Callable[[], Model]
) -> tuple[Model | None, str | None]:
    """Returns the result of a conversion and None, or None and the reason why there is none.

    Args:
        key: tflite, tfjs or onnx, a key of the config's `export`.
        wanted: its value there: true, false or where_possible.
        convert: runs the conversion.

    Raises:
        MillraceError: the conversion is wanted and does not work.
    """
    if wanted is False:
        return None, f"export.{key} is false"
    try:
        return convert(), None
    except LackingOps as error:
        if wanted == "where_possible":
            return None, error.reason
        raise


def convert_tfjs(saved_model: Path, directory: Path) -> None:
    """Writes `serving_default` of a SavedModel as a TF.js graph model: model.json and weights.

    Raises MillraceError when the SavedModel is missing, LackingOps when TF.js has no such op.
    """
    _require_saved_model(saved_model)
    converter = tfjs_converter.load()
    try:
        converter.convert_tf_saved_model(
            str(saved_model),
            str(directory),
            signature_def=SIGNATURE,
            saved_model_tags="serve",
            strip_debug_ops=True,
            control_flow_v2=True,
            use_structured_outputs_names=True,
            # A single file of any size, so that the names of the files are known beforehand.
            weight_shard_size_bytes=2**31,
        )
    except ValueError as error:
        ops = re.findall(r"\w+", str(error).splitlines()[-1])
        raise LackingOps(saved_model, "TF.js", "tfjs", ops) from None
    path = directory / "model.json"
    model = json.loads(path.read_text(encoding="utf-8"))
    # The converter names inputs by their tensors: keys in lower case, some with a :0.
    keys = {key.lower(): key for key in _meta_graph(saved_model).signature_def[SIGNATURE].inputs}
    inputs = {name.removesuffix(":0"): x for name, x in model["signature"]["inputs"].items()}
    model["signature"]["inputs"] = {keys.get(name.lower(), name): x for name, x in inputs.items()}
    _order_initializer(model, directory)
    # The converter writes keys in random order.
    path.write_text(json.dumps(model, sort_keys=True), encoding="utf-8")


def _order_initializer(model: dict[str, Any], directory: Path) -> None:
    """Sorts the nodes that fill the lookup tables, and all weights, by name.

    TensorFlow's optimizer orders the nodes of the initializer at random.
    """
    if "modelInitializer" in model:
        model["modelInitializer"]["node"].sort(key=lambda node: str(node["name"]))
    for group in model["weightsManifest"]:
        path = directory / group["paths"][0]
        content, start, pieces = path.read_bytes(), 0, []
        for weight in group["weights"]:
            end = start + _weight_bytes(weight, content[start:])
            pieces.append((weight, content[start:end]))
            start = end
        pieces.sort(key=lambda piece: str(piece[0]["name"]))
        group["weights"] = [weight for weight, _ in pieces]
        path.write_bytes(b"".join(piece for _, piece in pieces))


def _weight_bytes(weight: dict[str, Any], content: bytes) -> int:
    """Returns the number of bytes of a weight at the beginning of the content."""
    count = int(np.prod(weight["shape"]))
    if weight["dtype"] != "string":
        return count * int(np.dtype(weight["dtype"]).itemsize)
    end = 0
    for _ in range(count):  # each string is preceded by its length, in four bytes
        end += 4 + int.from_bytes(content[end : end + 4], "little")
    return end


def convert_onnx(saved_model: Path, metadata: Mapping[str, str]) -> bytes:
    """Returns `serving_default` of a SavedModel as an ONNX model.

    Args:
        saved_model: the SavedModel's directory.
        metadata: what the model says of itself, beside the checksums of the SavedModel's files.

    Raises MillraceError when the SavedModel is missing, LackingOps when ONNX has no such op.
    """
    _require_saved_model(saved_model)
    files = checksums("saved_model", saved_model, visible(saved_model))
    described = {**metadata, "files": json.dumps(files, sort_keys=True)}
    try:
        return emitter.emit(saved_model, SIGNATURE, described)
    except emitter.LacksOperations as error:
        raise LackingOps(saved_model, "ONNX", "onnx", error.operations) from None


def convert_tflite(saved_model: Path) -> bytes:
    """Converts `serving_default` of a SavedModel to a float32 TF Lite model with builtin ops only.

    Raises MillraceError when the SavedModel is missing, LackingOps when TF Lite has no such op.
    """
    _require_saved_model(saved_model)
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(saved_model), signature_keys=[SIGNATURE]
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        model: bytes = converter.convert()
    except Exception as error:  # The converter raises several types, one of them private.
        missing = sorted(set(re.findall(r"'tf\.(\w+)' op is neither", str(error))))
        if not missing:
            raise
        raise LackingOps(saved_model, "TF Lite", "tflite", missing) from None
    return model


def reduce_tflite(
    model: bytes,
    precision: str,
    calibration: Mapping[str, np.ndarray],
    columns: tuple[RawColumn, ...],
) -> bytes:
    """Quantizes a float32 TF Lite model.

    Only the weights of dense layers change, and for int8 their activations. Preprocessing stays
    float32, because rounded bucket edges and statistics cost much accuracy and save little space.

    Args:
        model: the result of `convert_tflite`.
        precision: float16, dynamic_range (8-bit weights) or int8 (8-bit weights and activations).
        calibration: raw columns [n], from which int8 gets the ranges of activations.
        columns: the raw columns that the model takes.
    """
    quantizer = Quantizer(bytearray(model))
    dense = TFLOperationName.FULLY_CONNECTED
    ranges = None
    if precision == "float16":
        quantizer.add_weight_only_config(
            ".*", dense, 16, QuantGranularity.TENSORWISE, AlgorithmName.FLOAT_CASTING
        )
    elif precision == "dynamic_range":
        quantizer.add_dynamic_config(".*", dense, 8)
    else:
        quantizer.add_static_config(".*", dense, 8, 8)
        rows = {SIGNATURE: [_litert_inputs(calibration, columns)]}
        # The other mode reads every tensor after the run, and fails on string tensors.
        mode = CalibrationMode.CALIBRATION_PROFILER_BASED
        ranges = quantizer.calibrate(rows, num_threads=1, mode=mode)
    # The quantizer always prints its progress.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return bytes(quantizer.quantize(ranges).quantized_model)


def predict_tflite(
    model: bytes, raw: Mapping[str, np.ndarray], columns: tuple[RawColumn, ...]
) -> np.ndarray:
    """Returns a TF Lite model's predictions, float32 [n] or [n, classes], for raw columns [n]."""
    signature = Interpreter(model_content=model).get_signature_runner(SIGNATURE)
    inputs = _litert_inputs(raw, columns)
    rows = len(next(iter(inputs.values())))
    parts = [
        signature(
            **{name: values[start : start + ROWS_PER_CALL] for name, values in inputs.items()}
        )
        for start in range(0, rows, ROWS_PER_CALL)
    ]
    return np.concatenate([part["predictions"] for part in parts])


def time_tflite(
    model: bytes, raw: Mapping[str, np.ndarray], columns: tuple[RawColumn, ...]
) -> float:
    """Returns the median time of a single row on one thread, raw columns to prediction, in µs."""
    signature = Interpreter(model_content=model, num_threads=1).get_signature_runner(SIGNATURE)
    inputs = _litert_inputs(raw, columns)
    took = []
    for row in range(len(next(iter(inputs.values())))):
        single = {name: values[row : row + 1] for name, values in inputs.items()}
        before = time.perf_counter()
        signature(**single)
        took.append(time.perf_counter() - before)
    return round(float(np.median(took)) * 1e6, 1)


def find_fault(
    max_difference: float, metric_cost: float, limits: ExportConfig, task: str, metric: float
) -> str | None:
    """Returns why a reduced model is not accurate enough to ship, or None if it is.

    Args:
        max_difference: the largest difference from the full model.
        metric_cost: the loss of the selection metric.
        limits: `export` of the config.
        task: binary, multiclass or regression.
        metric: the full model's metric; for a regression the limit is relative to it.
    """
    if not max_difference <= limits.max_difference:
        return (
            f"differs by up to {max_difference:.3g}, more than export.max_difference, "
            f"{limits.max_difference:g}"
        )
    allowed = limits.max_metric_cost * (metric if task == "regression" else 1)
    if not metric_cost <= allowed:
        return (
            f"costs {metric_cost:.3g} of the metric, more than export.max_metric_cost "
            f"allows, {allowed:.3g}"
        )
    return None


def _litert_inputs(
    raw: Mapping[str, np.ndarray], columns: tuple[RawColumn, ...]
) -> dict[str, np.ndarray]:
    """Returns raw columns by signature key, with strings as UTF-8 bytes for LiteRT."""
    return {
        column.key: raw[column.name]
        if column.is_number
        else np.vectorize(str.encode, otypes=[object])(raw[column.name])
        for column in columns
    }


def name_nodes(saved_model: Path, ops: Iterable[str]) -> str:
    """Returns ops with the first node of a SavedModel that uses each, as text."""
    first: dict[str, str] = {}
    for function in _meta_graph(saved_model).graph_def.library.function:
        for node in function.node_def:
            first.setdefault(node.op, node.name)
    return ", ".join(f"{op} (node {first[op]})" if op in first else op for op in ops)


def _meta_graph(saved_model: Path) -> Any:
    content = (saved_model / "saved_model.pb").read_bytes()
    return saved_model_pb2.SavedModel.FromString(content).meta_graphs[0]


def _require_saved_model(path: Path) -> None:
    if not (path / "saved_model.pb").is_file():
        raise MillraceError(
            f"{path}: expected a SavedModel, found no saved_model.pb.", note="run export first."
        )
