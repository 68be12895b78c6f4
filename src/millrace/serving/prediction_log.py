"""The warm-up requests that TensorFlow Serving reads, without its package of protos.

tensorflow-serving-api pins a TensorFlow of its own. A request needs few of its messages and fields,
which are declared here with the same numbers. Whatever is left out stays at its default.

Source: tensorflow_serving/apis/{prediction_log,predict,model}.proto of tensorflow-serving-api 2.19
and tensorflow/core/framework/{tensor,tensor_shape,types}.proto.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# Where TensorFlow Serving looks in a version, at up to 1,000 records.
PATH = "assets.extra/tf_serving_warmup_requests"

DT_FLOAT, DT_STRING = 1, 7

_TYPES = {
    "bytes": descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
    "float": descriptor_pb2.FieldDescriptorProto.TYPE_FLOAT,
    # An enum has the same bytes.
    "int32": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
    "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
    "string": descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
}

# By message, its fields: name, number, type; [] marks repeated ones. A map is a repeated message of
# key and value.
_MESSAGES = {
    "Dim": [("size", 1, "int64")],
    "Shape": [("dim", 2, "[]Dim")],
    "TensorProto": [
        ("dtype", 1, "int32"),
        ("tensor_shape", 2, "Shape"),
        ("float_val", 5, "[]float"),
        ("string_val", 8, "[]bytes"),
    ],
    "Input": [("key", 1, "string"), ("value", 2, "TensorProto")],
    "ModelSpec": [("name", 1, "string"), ("signature_name", 3, "string")],
    "PredictRequest": [("model_spec", 1, "ModelSpec"), ("inputs", 2, "[]Input")],
    "PredictLog": [("request", 1, "PredictRequest")],
    "PredictionLog": [("predict_log", 6, "PredictLog")],
}


def _prediction_log() -> Any:
    """Returns the class of PredictionLog, from a pool of its own."""
    file = descriptor_pb2.FileDescriptorProto(
        name="millrace/prediction_log.proto", package="millrace", syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            of = kind.removeprefix("[]")
            added = message.field.add(
                name=field,
                number=number,
                label="LABEL_REPEATED" if kind.startswith("[]") else "LABEL_OPTIONAL",
            )
            if of in _TYPES:
                added.type = _TYPES[of]
            else:
                added.type = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
                added.type_name = f".millrace.{of}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("millrace.PredictionLog"))


_PredictionLog = _prediction_log()


def request(model: str, tensors: Mapping[str, np.ndarray]) -> bytes:
    """Returns a request to `serving_default` as a serialized PredictionLog.

    Args:
        model: the name under which the model is served.
        tensors: the inputs by key: float32, or bytes objects, [n, …].
    """
    log = _PredictionLog()
    predict = log.predict_log.request
    predict.model_spec.name, predict.model_spec.signature_name = model, "serving_default"
    for key in sorted(tensors):
        value = tensors[key]
        proto = predict.inputs.add(key=key).value
        for size in value.shape:
            proto.tensor_shape.dim.add(size=size)
        if value.dtype == np.float32:
            proto.dtype = DT_FLOAT
            proto.float_val.extend(value.ravel().tolist())
        else:
            proto.dtype = DT_STRING
            proto.string_val.extend(value.ravel().tolist())
    serialized: bytes = log.SerializeToString(deterministic=True)
    return serialized


def inputs(serialized: bytes) -> dict[str, np.ndarray]:
    """Returns the inputs of a request, as `request` takes them."""
    found = {}
    for item in _PredictionLog.FromString(serialized).predict_log.request.inputs:
        shape = [dim.size for dim in item.value.tensor_shape.dim]
        if item.value.dtype == DT_FLOAT:
            found[item.key] = np.array(item.value.float_val, np.float32).reshape(shape)
        else:
            found[item.key] = np.array(list(item.value.string_val), object).reshape(shape)
    return found
