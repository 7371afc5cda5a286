from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from data_tools.llm.retry import LONGEST_RETRY_AFTER_SECONDS, retry_after_seconds, wait_seconds


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, 0), ("", 0), ("7", 7), ("1.5", 1.5), ("soon", 0), ("-3", 0), ("nan", 0), ("1e9", LONGEST_RETRY_AFTER_SECONDS)],
)
def test_retry_after_in_seconds(header: str | None, seconds: float) -> None:
    assert retry_after_seconds(header) == seconds


def test_retry_after_as_a_date() -> None:
    header = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 97 < retry_after_seconds(header) <= 100


def test_waits_double_are_jittered_bounded_and_never_below_what_was_asked() -> None:
    waits = [[wait_seconds(attempt, 0, 1) for _ in range(200)] for attempt in range(1, 12)]
    for attempt, found in enumerate(waits):
        most = min(60, 2**attempt)
        assert most / 2 <= min(found) < 0.6 * most < 0.9 * most < max(found) <= most
    assert all(wait_seconds(1, 30, 1) >= 30 for _ in range(100))
