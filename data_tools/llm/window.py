"""How many requests may be on the server at once: bounded in number and in tokens, smaller after it says that it is busy.

Decides: first come, first served; halving at most once per round of answers when the server is busy, growing by one per
round otherwise (additive increase, multiplicative decrease, as in TCP); that all rest when the server asks for time.
Does not: know what is sent.
"""

import asyncio
import time
from collections import deque


class Window:
    """At most ``requests`` in flight holding at most ``tokens``. A request larger than ``tokens`` goes alone.

    All methods are called from one event loop.
    """

    def __init__(self, requests: int, tokens: int) -> None:
        self._most, self._most_tokens = requests, tokens
        self._limit = float(requests)
        self._count = self._tokens = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._rest_until = self._shrunk_at = 0.0
        self._closed = False

    @property
    def limit(self) -> int:
        """Requests that may be in flight now."""
        return int(self._limit)

    async def enter(self, tokens: int) -> None:
        """Wait for room, and take it."""
        if self._closed:
            raise asyncio.CancelledError
        if not self._waiting and self._has_room(tokens):
            self._take(tokens)
        else:
            await self._wait_for_turn(tokens)
        try:
            while (rest := self._rest_until - time.monotonic()) > 0:
                await asyncio.sleep(rest)
        except asyncio.CancelledError:
            self.leave(tokens)
            raise

    async def _wait_for_turn(self, tokens: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (tokens, turn)
        self._waiting.append(entry)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(tokens)
            elif entry in self._waiting:
                self._waiting.remove(entry)
            raise

    def close(self) -> None:
        """Let nobody in any more: those who wait, and who come later, are cancelled. Those inside go on."""
        self._closed = True
        while self._waiting:
            self._waiting.popleft()[1].cancel()

    def leave(self, tokens: int) -> None:
        """Give room back, and let in whoever fits now, in order."""
        self._count -= 1
        self._tokens -= tokens
        while self._waiting and self._has_room(self._waiting[0][0]):
            wanted, turn = self._waiting.popleft()
            if not turn.done():
                self._take(wanted)
                turn.set_result(None)

    def answered(self) -> None:
        """Note a good answer: the window grows by one for each round of them."""
        self._limit = min(self._most, self._limit + 1 / self._limit)

    def busy(self, sent_at: float, rest_seconds: float) -> None:
        """Note that a request sent at ``sent_at`` (monotonic) was turned away; all new ones wait ``rest_seconds``."""
        now = time.monotonic()
        self._rest_until = max(self._rest_until, now + rest_seconds)
        # One burst of refusals is one event: those sent before the last halving say nothing new.
        if sent_at >= self._shrunk_at:
            self._limit = max(1.0, self._limit / 2)
            self._shrunk_at = now

    def _has_room(self, tokens: int) -> bool:
        return self._count == 0 or (self._count < int(self._limit) and self._tokens + tokens <= self._most_tokens)

    def _take(self, tokens: int) -> None:
        self._count += 1
        self._tokens += tokens
