"""Floor 1: what a run will need and take, by arithmetic, before any GPU is asked for."""
