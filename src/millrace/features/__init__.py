"""Encodes raw rows by feature columns that are fitted on the training split."""
