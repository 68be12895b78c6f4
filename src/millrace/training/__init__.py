"""Training of all kinds of models, with all strategies."""
