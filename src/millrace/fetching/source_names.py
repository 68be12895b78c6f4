"""The kind of source that a name under `data.files` refers to."""

TABLE = "table:"


def is_url(name: str) -> bool:
    """Returns whether a source is a URL."""
    return "://" in name


def is_table(name: str) -> bool:
    """Returns whether a source is a table of the database."""
    return name.startswith(TABLE)


def is_elsewhere(name: str) -> bool:
    """Returns whether a source is not a path on this disk."""
    return is_url(name) or is_table(name) or name.startswith("bundled:")
