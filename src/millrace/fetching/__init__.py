"""From what the config names to raw files whose checksums are known."""
