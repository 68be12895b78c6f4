"""From raw files to labelled rows in their splits."""
