"""Fetching: turns the names in the config into raw files with known checksums."""
