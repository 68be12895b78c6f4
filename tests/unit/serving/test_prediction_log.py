"""Warm-up requests, compared with the protos of TensorFlow and TensorFlow Serving."""

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from millrace.serving import prediction_log

# PredictionLog.SerializeToString(deterministic=True) of tensorflow-serving-api 2.19.1 for TENSORS,
# with the numbers in float_val.
BY_TENSORFLOW_SERVING = (
    "32730a710a1a0a07666c69676874731a0f73657276696e675f64656661756c7412190a036120621212080112041202"
    "08022a080000c03f0000c07f121b0a04636974791213080712041202080242075ac3bc726963684200121b0a017a12"
    "1608071208120208021202080242017842004200420179"
)
TENSORS = {
    "a b": np.array([1.5, np.nan], np.float32),
    "city": np.array(["Zürich".encode(), b""], object),
    "z": np.array([[b"x", b""], [b"", b"y"]], object),
}


def test_a_request_is_what_tensorflow_serving_writes() -> None:
    written = prediction_log.request("flights", TENSORS)
    assert written.hex() == BY_TENSORFLOW_SERVING
    found = prediction_log.inputs(written)
    assert found.keys() == TENSORS.keys()
    for key, value in TENSORS.items():
        np.testing.assert_array_equal(found[key], value)
        assert found[key].dtype == value.dtype


def test_tensorflow_reads_the_tensors() -> None:
    for value in TENSORS.values():
        log = prediction_log._PredictionLog.FromString(prediction_log.request("a", {"x": value}))
        proto = log.predict_log.request.inputs[0].value.SerializeToString()
        read = tf.make_ndarray(tensor_pb2.TensorProto.FromString(proto))
        np.testing.assert_array_equal(read, value)
