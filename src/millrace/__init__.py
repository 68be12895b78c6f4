"""Millrace: from a table to a TensorFlow model that gives the same answer everywhere."""
