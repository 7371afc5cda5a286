"""Floor 5: letting a model write."""
