"""Math-Verify, asked in a sandbox: the last layer, for pairs our own reader has no form for.

Decides: how Math-Verify 0.9.0 is called: in math mode, without its alarm clock (it works in the main thread alone and measures
wall time), comparing to twelve decimals instead of six, at which it takes 1/2004! for 1/2006!.
Does not: decide a verdict alone. It is asked only about texts ``data_tools.answers`` could not read, and its failure is
``undecided``.

``equal`` runs in the sandbox's child; ``SymbolicLayer`` is the caller's side.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from data_tools.answers.compare import Verdict
from megatron_mathcoder.config.errors import PlatformError

if TYPE_CHECKING:
    from data_tools.sandbox.sandbox import Sandbox

CPU_SECONDS = 2.0
MAX_CHARACTERS = 600
DECIMALS = 12


def equal(gold: str, answer: str) -> bool | None:
    """Return Math-Verify's verdict, or None when it reads nothing in one of the two texts."""
    import math_verify

    read = [math_verify.parse(f"${text}$", parsing_timeout=0) for text in (gold, answer)]
    if not all(read):
        return None
    return bool(math_verify.verify(*read, float_rounding=DECIMALS, timeout_seconds=0))


class SymbolicLayer:
    """Asks ``equal`` in a sandboxed process, started when the first pair needs it. Verdicts are remembered by pair."""

    def __init__(self, start: "Callable[[], Sandbox] | None" = None) -> None:
        self._start = start or _sandbox
        self._sandbox: Any = None
        self._missing = ""
        self._known: dict[tuple[str, str], Verdict] = {}

    def judge(self, gold: str, answer: str, before: Verdict) -> Verdict:
        """Return Math-Verify's verdict on a pair that came out undecided ``before``, or an undecided one with both reasons."""
        if len(gold) + len(answer) > MAX_CHARACTERS:
            return before
        if (gold, answer) not in self._known:
            self._known[gold, answer] = self._ask(gold, answer, before)
        return self._known[gold, answer]

    def _ask(self, gold: str, answer: str, before: Verdict) -> Verdict:
        if self._sandbox is None and not self._missing:
            self._begin()
        if self._missing:
            return Verdict("undecided", f"{before.reason}; {self._missing}")
        outcome = self._sandbox.call("megatron_mathcoder.evaluation.math_verify:equal", gold, answer)
        if outcome.status != "ok":
            return Verdict("undecided", f"{before.reason}; Math-Verify: {outcome.status} {outcome.error}".strip())
        if outcome.value is None:
            return Verdict("undecided", f"{before.reason}; Math-Verify reads nothing either")
        return Verdict("right" if outcome.value else "wrong", "by Math-Verify")

    def _begin(self) -> None:
        try:
            import math_verify  # noqa: F401
        except ImportError:
            self._missing = "Math-Verify is not installed"
            return
        try:
            self._sandbox = self._start()
        except PlatformError as error:
            self._missing = f"Math-Verify is not asked: {error}"

    def close(self) -> None:
        """End the sandbox, if one was started."""
        if self._sandbox is not None:
            self._sandbox.close()


def _sandbox() -> "Sandbox":
    from data_tools.sandbox.outcome import Limits
    from data_tools.sandbox.sandbox import PRELOAD, Sandbox

    return Sandbox(Limits(cpu_seconds=CPU_SECONDS), workers=1, preload=(*PRELOAD, "math_verify"))
