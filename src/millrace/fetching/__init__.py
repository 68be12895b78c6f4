"""Fetching: from the names in the config to raw files with known checksums."""
