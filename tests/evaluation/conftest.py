"""What the evaluation's tests share: the recorded outputs and the benchmark files beside the repository."""

from pathlib import Path

import pytest

RECORDED_FILES = [
    f"MathCoder-{group}-{side}.jsonl.gz"
    for group in (
        "CL-13b__mathematics__mathematics_test_result-20230917-2308",
        "CL-13b__simuleq__simuleq_test_result-20230918-0021",
        "CL-34b__GSM8K__GSM8K_test_result-20230913-1304",
        "L-7b__MATH__MATH_test_result-20230917-2026",
        "L-7b__SVAMP__SVAMP_test_result-20230917-2303",
    )
    for side in ("correct", "wrong")
    if (group, side) != ("L-7b__MATH__MATH_test_result-20230917-2026", "wrong")
]


@pytest.fixture(scope="session")
def recorded(shared_data: Path) -> Path:
    """Return the folder of MathCoder's recorded outputs."""
    return shared_data / "mathcoder_outputs"


@pytest.fixture(scope="session")
def benchmark_files(shared_data: Path) -> Path:
    """Return the folder of benchmark files."""
    return shared_data / "benchmarks"
