"""Floor 0: what a run is, in the standard library alone."""
