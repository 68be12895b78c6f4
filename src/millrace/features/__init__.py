"""From raw rows to encoded examples, through feature columns fitted on the training split."""
