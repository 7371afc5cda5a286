"""The client of an OpenAI-compatible server (``vllm serve``, TGI, SGLang, ``transformers serve`` …).

Decides: how many requests are in flight, what an attempt may take, when a request is dead rather than the server away, when the
token budget is spent.
Does not: remember replies between runs (``request_log.py``), or know the wire format (``wire.py``).

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
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Self

import aiohttp
import orjson

from data_tools.llm.interface import Reply, Request
from data_tools.llm.retry import BUSY, FIRST_WAIT_SECONDS, WRONG_RUN, Transient, may_pass, retry_after_seconds, wait_seconds
from data_tools.llm.window import Window
from data_tools.llm.wire import BadReply, body_of, estimated_tokens, parse_reply, path_of, refusal
from megatron_mathcoder.config.errors import DataError

HEALTH_SECONDS = 10.0
REMEMBERED_RESPONSES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where a model is served, and how much may be asked of it.

    ``base_url`` ends in ``/v1``. ``requests_in_flight`` and ``tokens_in_flight`` bound the window (tokens: prompts, estimated,
    plus all that may be written). ``read_seconds`` is the longest silence, ``total_seconds`` the longest attempt. ``attempts`` is
    how often one request is tried. ``token_budget`` ends the run when that many prompt and completion tokens are used; 0 is no
    budget.
    """

    base_url: str
    model: str
    api_key: str = ""
    requests_in_flight: int = 64
    tokens_in_flight: int = 400_000
    connect_seconds: float = 10.0
    read_seconds: float = 600.0
    total_seconds: float = 900.0
    attempts: int = 6
    first_wait_seconds: float = FIRST_WAIT_SECONDS
    outage_seconds: float = 300.0
    token_budget: int = 0


class OpenAIClient:
    """A ``LanguageModel`` behind HTTP. Use as a context manager.

    Entering it asks the server for its models. Raises DataError when it is not there, or serves another model.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True, name="llm-client")
        self._window = Window(server.requests_in_flight, server.tokens_in_flight)
        self._session: aiohttp.ClientSession
        self._contact: asyncio.Lock
        self._old_sessions: list[aiohttp.ClientSession] = []
        self._seen = _SeenResponses()
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
        self._session = self._new_session()
        self._contact = asyncio.Lock()
        await self._check_model()

    def _new_session(self) -> aiohttp.ClientSession:
        server = self._server
        timeout = aiohttp.ClientTimeout(
            total=server.total_seconds, sock_connect=server.connect_seconds, sock_read=server.read_seconds
        )
        headers = {"Content-Type": "application/json"}
        if server.api_key:
            headers["Authorization"] = f"Bearer {server.api_key}"
        # The window bounds the connections; a second bound in the connector would only queue behind it.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
        return aiohttp.ClientSession(timeout=timeout, connector=connector, headers=headers)

    def _renew_session(self) -> None:
        """Use new connections from now on; requests that are under way end on the old ones."""
        self._old_sessions.append(self._session)
        self._session = self._new_session()

    async def _check_model(self) -> None:
        server = self._server
        try:
            status, content = await self._models()
        except (aiohttp.ClientError, TimeoutError) as error:
            why = _one_line(error)
            raise DataError(
                f"no server answers at {server.base_url} ({why}); start one (vllm serve {server.model}), or name another"
            ) from None
        if status in WRONG_RUN - {404, 405}:
            raise DataError(f"{server.base_url} answered {status} to /models; give the right key with --api-key-file")
        try:
            served = [str(row["id"]) for row in orjson.loads(content)["data"]] if status == 200 else []
        except (orjson.JSONDecodeError, KeyError, TypeError):
            served = []
        # A server that lists nothing is asked anyway: the list is not part of what every server has.
        if served and server.model not in served:
            raise DataError(f"{server.base_url} serves {', '.join(served[:5])}, not {server.model!r}; name one of them")

    async def _models(self) -> tuple[int, bytes]:
        timeout = aiohttp.ClientTimeout(total=HEALTH_SECONDS)
        async with self._session.get(self._server.base_url.rstrip("/") + "/models", timeout=timeout) as response:
            return response.status, await response.read()

    def _close(self) -> None:
        if hasattr(self, "_session"):
            asyncio.run_coroutine_threadsafe(self._end_all(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end_all(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for session in [*self._old_sessions, self._session]:
            await session.close()

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
            status, retry_after, content = await self._post(path_of(request), body)
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

    async def _post(self, path: str, body: bytes) -> tuple[int, float, bytes]:
        """Return status, seconds of ``Retry-After``, and body. Raises Transient when no whole response came."""
        try:
            async with self._session.post(self._server.base_url.rstrip("/") + path, data=body) as response:
                content = await response.read()
                return response.status, retry_after_seconds(response.headers.get("Retry-After")), content
        except aiohttp.ClientConnectorError as error:
            raise Transient(f"no connection: {_one_line(error)}", no_contact=True) from None
        except TimeoutError as error:
            raise Transient(f"deadline: {_one_line(error)}") from None
        except aiohttp.ClientError as error:
            raise Transient(f"broken response: {_one_line(error)}") from None

    def _accept(self, content: bytes, request: Request, attempt: int, seconds: float) -> Reply:
        try:
            reply = parse_reply(content, request, attempt, seconds)
        except BadReply as error:
            raise Transient(f"bad reply: {error}") from None
        if self._seen.is_stale(reply.response_id, attempt):
            self._renew_session()
            raise Transient("stale: a response that was already given to another request")
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
            if not await self._is_there():
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
            if await self._is_there():
                print(f"{url} answers again after {away:.0f} s", file=sys.stderr, flush=True)
                return
            if away >= longest:
                raise DataError(
                    f"{url} has not answered for {away:.0f} s ({reason}); what it answered is kept, so "
                    "start it again and run the same command"
                )

    async def _is_there(self) -> bool:
        try:
            await self._models()
        except (aiohttp.ClientError, TimeoutError):
            return False
        return True

    def _check_budget(self) -> None:
        budget = self._server.token_budget
        if budget and self.tokens_used >= budget:
            raise DataError(f"the token budget is spent: {self.tokens_used} of {budget} used; raise it and run the same again")


class _SeenResponses:
    """Recognises a response that a broken proxy or server sent twice on one connection.

    The second copy would be read as the answer to the next request, and every later answer would be shifted by one. Known by its
    id, on servers that give each response its own; the first id that repeats before another was seen shows one that does not.
    """

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}
        self._ids_are_unique = False

    def is_stale(self, response_id: str, attempt: int) -> bool:
        """Note an id and say whether an earlier response had it. On a repeated attempt it is believed, whatever its id."""
        if not response_id:
            return False
        repeated = response_id in self._ids
        self._ids_are_unique |= bool(self._ids) and not repeated
        self._ids[response_id] = None
        if len(self._ids) > REMEMBERED_RESPONSES:
            del self._ids[next(iter(self._ids))]
        return repeated and self._ids_are_unique and attempt == 1


def _take(done: "SimpleQueue[Future[Reply]]", pending: set[Future[Reply]]) -> Reply:
    future = done.get()
    pending.discard(future)
    return future.result()


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
