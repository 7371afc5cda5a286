"""The client of an OpenAI-compatible server (``vllm serve``, TGI, SGLang, ``transformers serve`` …).

Decides: how many requests are in flight, when one is tried again, when it is dead rather than the server away, when the token
budget is spent.
Does not: remember replies between runs (``request_log.py``), hold connections (``connection.py``), or know the wire format
(``wire.py``).

An event loop in a thread of its own keeps the connections busy while the caller does other work. A request that keeps failing is
called dead only when the server answers its health question at that time; while it does not, everything waits, for
``outage_seconds``, and then the run ends with an error instead of declaring thousands of good documents dead.
"""

import asyncio
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Self

import orjson

from data_tools.llm.connection import Connection, Server
from data_tools.llm.interface import Reply, Request
from data_tools.llm.retry import BUSY, WRONG_RUN, Transient, may_pass, wait_seconds
from data_tools.llm.window import Window
from data_tools.llm.wire import BadReply, body_of, estimated_tokens, parse_reply, path_of, refusal
from megatron_mathcoder.config.errors import DataError


class OpenAIClient:
    """A ``LanguageModel`` behind HTTP. Use as a context manager.

    Entering it asks the server for its models. Raises DataError when it is not there, or serves another model.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True, name="llm-client")
        self._window = Window(server.requests_in_flight, server.tokens_in_flight)
        self._connection: Connection
        self._contact: asyncio.Lock
        self._away_at = float("-inf")
        self.tokens_used = 0

    @property
    def name(self) -> str:
        """The served model's name."""
        return self._server.model

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._close()

    def submit(self, request: Request) -> Future[Reply]:
        """Begin one request; it waits for its turn in the window. The future raises DataError when the run cannot go on."""
        return asyncio.run_coroutine_threadsafe(self._answer(request), self._loop)

    def complete(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """Yield one reply per request as they come. ``requests`` is drawn in the caller's thread, a little ahead."""
        done: SimpleQueue[Future[Reply]] = SimpleQueue()
        pending: set[Future[Reply]] = set()
        # Twice the window: a new request is always waiting when one ends, and the caller's memory stays bounded.
        ahead = 2 * self._server.requests_in_flight
        try:
            for request in requests:
                future = self.submit(request)
                pending.add(future)
                future.add_done_callback(done.put)
                while len(pending) >= ahead or not done.empty():
                    yield _take(done, pending)
            while pending:
                yield _take(done, pending)
        except DataError:
            # What is on the server is paid for: its replies are kept before the run ends.
            yield from self._in_flight(done, pending)
            raise
        finally:
            for future in pending:
                future.cancel()

    def _in_flight(self, done: "SimpleQueue[Future[Reply]]", pending: set[Future[Reply]]) -> Iterator[Reply]:
        self._loop.call_soon_threadsafe(self._window.close)
        while pending:
            with suppress(DataError, CancelledError):
                yield _take(done, pending)

    async def _open(self) -> None:
        self._connection = Connection(self._server)
        self._contact = asyncio.Lock()
        await self._connection.check_model()

    def _close(self) -> None:
        if hasattr(self, "_connection"):
            asyncio.run_coroutine_threadsafe(self._end_all(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end_all(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._connection.close()

    async def _answer(self, request: Request) -> Reply:
        """Try until it is answered, refused for good, or dead."""
        body = orjson.dumps(body_of(request, self._server.model))
        tokens = estimated_tokens(request)
        attempt = 0
        while True:
            attempt += 1
            begin = time.monotonic()
            try:
                return await self._attempt(request, body, tokens, attempt)
            except Transient as failure:
                if failure.no_contact or attempt >= self._server.attempts:
                    attempt -= await self._was_away(begin, failure.reason)
                if attempt >= self._server.attempts:
                    seconds = time.monotonic() - begin
                    return Reply(request=request, outcome="dead", error=failure.reason, attempts=attempt, seconds=seconds)
                await asyncio.sleep(wait_seconds(attempt, failure.retry_after_seconds, self._server.first_wait_seconds))

    async def _attempt(self, request: Request, body: bytes, tokens: int, attempt: int) -> Reply:
        await self._window.enter(tokens)
        begin = time.monotonic()
        try:
            self._check_budget()
            status, retry_after, content = await self._connection.post(path_of(request), body)
            seconds = time.monotonic() - begin
            if status != 200:
                return self._refuse(status, retry_after, content, request, attempt, seconds)
            reply = self._accept(content, request, attempt, seconds)
            self._window.answered()
            return reply
        except Transient as failure:
            if failure.busy:
                self._window.busy(begin, failure.retry_after_seconds)
            raise
        finally:
            self._window.leave(tokens)

    def _accept(self, content: bytes, request: Request, attempt: int, seconds: float) -> Reply:
        try:
            reply = parse_reply(content, request, attempt, seconds)
        except BadReply as error:
            raise Transient(f"bad reply: {error}") from None
        self._connection.check_response(reply.response_id, attempt)
        self.tokens_used += reply.prompt_tokens + reply.completion_tokens
        return reply

    def _refuse(self, status: int, retry_after: float, content: bytes, request: Request, attempt: int, seconds: float) -> Reply:
        error = refusal(status, content)
        if may_pass(status):
            raise Transient(error, busy=status in BUSY, retry_after_seconds=retry_after)
        if status in WRONG_RUN:
            raise DataError(
                f"{self._server.base_url} answered with {error}; check the address (most end in /v1), the model and the key"
            )
        return Reply(request=request, outcome="failed", error=error, attempts=attempt, seconds=seconds)

    async def _was_away(self, sent_at: float, reason: str) -> bool:
        """Say whether the server has been away since ``sent_at``; when it still is, wait until it is back.

        Raises DataError after ``outage_seconds`` of silence.
        """
        begin = time.monotonic()
        async with self._contact:
            if not await self._connection.is_there():
                await self._wait_for_server(begin, reason)
        return self._away_at >= sent_at

    async def _wait_for_server(self, begin: float, reason: str) -> None:
        """Wait until the server answers again, and say so. Raises DataError after ``outage_seconds``, counted from ``begin``."""
        url, longest = self._server.base_url, self._server.outage_seconds
        print(f"{url} does not answer ({reason}); waiting for it, {longest:.0f} s at most", file=sys.stderr, flush=True)
        while True:
            await asyncio.sleep(min(2.0, longest / 4))
            self._away_at = time.monotonic()
            away = self._away_at - begin
            if await self._connection.is_there():
                print(f"{url} answers again after {away:.0f} s", file=sys.stderr, flush=True)
                return
            if away >= longest:
                raise DataError(
                    f"{url} has not answered for {away:.0f} s ({reason}); what it answered is kept, so "
                    "start it again and run the same command"
                )

    def _check_budget(self) -> None:
        budget = self._server.token_budget
        if budget and self.tokens_used >= budget:
            raise DataError(f"the token budget is spent: {self.tokens_used} of {budget} used; raise it and run the same again")


def _take(done: "SimpleQueue[Future[Reply]]", pending: set[Future[Reply]]) -> Reply:
    future = done.get()
    pending.discard(future)
    return future.result()
