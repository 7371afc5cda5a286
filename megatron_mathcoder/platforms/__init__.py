"""Floor 1: the one room that knows the hardware."""
