"""Millrace: from a table to a TensorFlow model with the same predictions everywhere."""

import os

# TensorFlow and Keras read these when they are imported, so scripts import millrace before them.
# A user's settings for other projects must not choose the backend here.
os.environ["KERAS_BACKEND"] = "tensorflow"
# TensorFlow disables oneDNN on some processors, which doubles the time of batched products there.
# The last bits of a product depend on the processor either way.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
