"""The namespace of one trajectory, which a timeout does not end.

Decides: a block that breaks a limit is given up alone. The sandbox ends its session then, so the blocks that ended well are run
again in a new one, without their output, before the next block.
Does not: promise that a block gives the same twice (a clock, an address); what the model saw was recorded when it saw it.
"""

from types import TracebackType
from typing import Self

from data_tools.sandbox.outcome import Outcome
from data_tools.sandbox.sandbox import Sandbox
from data_tools.sandbox.session import Session

KEPT = ("ok", "exception")


class CodeSession:
    """Runs blocks of code one after the other in one namespace. Not thread-safe; the process begins with the first block."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._session: Session | None = None
        self._blocks: list[str] = []

    def run(self, code: str) -> Outcome:
        """Run a block. The last expression's value is displayed, as a notebook does."""
        if self._session is None or not self._session.alive:
            self._begin()
        assert self._session is not None
        outcome = self._session.run(code)
        if outcome.status in KEPT and self._session.alive:
            self._blocks.append(code)
        return outcome

    def _begin(self) -> None:
        self.close()
        self._session = self._sandbox.session()
        for code in self._blocks:
            if not self._session.alive:
                break
            self._session.run(code, display=False)

    def close(self) -> None:
        """End the process, if one began."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()


def shown(outcome: Outcome) -> str:
    """Return what a notebook would show of an outcome: its output, then the error's one line."""
    error = outcome.error if outcome.status != "ok" else ""
    return "\n".join(part.rstrip("\n") for part in (outcome.output, error) if part.strip())
