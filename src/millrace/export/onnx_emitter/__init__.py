"""The SavedModel as ONNX: a frozen graph, and for each TensorFlow operation its ONNX nodes.

No converter exists that knows both Keras 3 and string look-ups, and the exported graphs use few
operations, so the translation is a table: `operations.OPERATIONS`. docs/serving.md lists it.
"""
