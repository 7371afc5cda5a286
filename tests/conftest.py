"""What all tests share: Triton's interpreter in place of a GPU, and the real data beside the repository."""

import os
from pathlib import Path

import pytest

from tests.repository import SHARED_DATA

# triton reads this once, when it is imported.
os.environ["TRITON_INTERPRET"] = "1"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data beside the repository, or skip."""
    if not SHARED_DATA.is_dir():
        pytest.skip("../shared/data is not on this machine")
    return SHARED_DATA.resolve()
