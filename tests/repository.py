"""Where the repository's own files are, and the data beside it, for tests that read them."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
SHARED_DATA = ROOT / "../shared/data"
"""Real data, where a machine has it."""
RECIPES = ROOT / "launch" / "recipes"
