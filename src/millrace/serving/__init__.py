"""A model in use: new rows are scored."""
