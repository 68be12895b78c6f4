"""Millrace: from a table to a TensorFlow model with the same predictions everywhere."""

import os

# TensorFlow and Keras read these when they are imported, so scripts import millrace before them.
# A user's settings for other projects must not choose the backend here.
os.environ["KERAS_BACKEND"] = "tensorflow"
# By itself TensorFlow leaves oneDNN out on some processors, where batched products then take twice
# as long. The bits of a product depend on the processor with it and without.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
