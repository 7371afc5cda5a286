"""Floor 5: the training run."""
