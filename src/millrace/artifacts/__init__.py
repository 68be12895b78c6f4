"""The JSON and CSV artifacts: one class each, which stages write and read."""
