"""Statistics of the examples of each split, and anomalies in them."""
