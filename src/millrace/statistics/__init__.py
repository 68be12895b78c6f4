"""What the examples of each split hold, and what looks wrong about it."""
