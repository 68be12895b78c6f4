"""Serving: scores new rows with an exported model."""
