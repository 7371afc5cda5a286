"""A session: the blocks of one trajectory, run one after the other in one namespace.

Decides: each block has its own limits; what breaks a limit or crashes ends the session, and that is said instead of guessed at
later.
Does not: interrupt a block and go on; after an interrupt nobody knows what state the namespace is in.
"""

import socket
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from data_tools.sandbox.confined import ConfinedProcess, SetupFailed
from data_tools.sandbox.outcome import Limits, Outcome

LIFETIME_BLOCKS = 100
"""CPU budgets a whole session may use; the kernel ends it there, should the zygote be gone."""


class Session:
    """Made by ``Sandbox.session``. Not thread-safe; several sessions may go on side by side."""

    def __init__(self, zygote: socket.socket, limits: Limits) -> None:
        lifetime = limits.lifetime_cpu_seconds or LIFETIME_BLOCKS * limits.cpu_seconds
        self._process = ConfinedProcess(zygote, replace(limits, lifetime_cpu_seconds=lifetime))
        self._blocks = 0
        self.ended_by: Outcome | None = None
        """The outcome that ended the session; None while it is alive."""
        try:
            self._process.wait_ready()
            self._process.rest()
        except SetupFailed:
            self._process.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether another block can be run."""
        return self.ended_by is None and self._process.end is None

    def run(self, code: str, *, display: bool = True) -> Outcome:
        """Run a block in the session's namespace. Raises RuntimeError when the session has ended."""
        self._blocks += 1
        return self._ask({"code": code, "name": f"<block {self._blocks}>", "display": display})

    def call(self, target: str, *arguments: Any) -> Outcome:
        """Call ``module:function`` as ``Sandbox.call`` does, without a fork for each call. State that it leaves stays."""
        return self._ask({"call": target, "arguments": list(arguments)})

    def _ask(self, request: dict[str, Any]) -> Outcome:
        if not self.alive:
            why = self.ended_by.status if self.ended_by else "it was closed"
            raise RuntimeError(f"the session has ended ({why}); begin another")
        try:
            outcome = self._process.ask(request | {"last": False})
        except SetupFailed as error:
            outcome = Outcome(status="setup-failed", error=str(error))
        if self._process.end is not None:
            self.ended_by = outcome
        return outcome

    def close(self) -> None:
        """End the process."""
        self._process.end = self._process.end or {"op": "end"}
        self._process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()
