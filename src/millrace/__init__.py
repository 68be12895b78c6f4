"""Millrace: from a table to a TensorFlow model that gives the same answer everywhere."""

import os

# TensorFlow and Keras read these when they are imported, so scripts import millrace before them.
# A user's settings for other projects must not choose the backend here.
os.environ["KERAS_BACKEND"] = "tensorflow"
# oneDNN's kernels round differently from one processor to the next, and gain nothing here.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
