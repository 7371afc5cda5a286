"""Which failures of a request are worth another attempt, and how long to wait before it.

Decides: the kinds of an HTTP status; exponential back-off with jitter; that a server's ``Retry-After`` is never undercut.
Does not: wait, or count attempts.
"""

import random
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

BUSY = frozenset({429, 503})
PASSING = frozenset({408, 409, 425, 500, 502, 504})
WRONG_RUN = frozenset({401, 402, 403, 404, 405})
"""Statuses that every request of the run would get: a wrong key, model or address."""


def may_pass(status: Any) -> bool:
    """Say whether an HTTP status says nothing about the request itself, so that another try may end better."""
    return not isinstance(status, int) or status in BUSY or status in PASSING or status >= 500


FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 60.0
LONGEST_RETRY_AFTER_SECONDS = 600.0


@dataclass(slots=True)
class Transient(Exception):
    """An attempt that failed and may be made again. ``busy``: the server turned it away for its load."""

    reason: str
    busy: bool = False
    retry_after_seconds: float = 0.0
    no_contact: bool = False
    """The server was not reached at all, so this says nothing about the request."""


def retry_after_seconds(header: str | None) -> float:
    """Read ``Retry-After``: seconds or an HTTP date (RFC 9110 §10.2.3). 0 for none or nonsense; bounded."""
    if not header:
        return 0.0
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - time.time()
        except (ValueError, OverflowError):
            return 0.0
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS) if seconds == seconds else 0.0


def wait_seconds(attempt: int, asked_seconds: float, first_seconds: float = FIRST_WAIT_SECONDS) -> float:
    """Return the wait after the ``attempt``-th failure (from 1): doubling, jittered, at least what the server asked for.

    The jitter is upward over what was asked, so that clients that were turned away together do not come back together.
    """
    backoff = min(LONGEST_WAIT_SECONDS, first_seconds * 2 ** (attempt - 1))
    # random, not secrets: this spreads load, and nothing depends on its values.
    return asked_seconds + backoff * random.uniform(0.5, 1.0)
