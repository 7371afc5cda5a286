"""The HTTP connections to one OpenAI-compatible server.

Decides: what an attempt may take, which failures of it may pass, whether the server is there and serves the model, and when a
response is not the answer to the request it came for.
Does not: try again (``openai_client.py``), or know what a body says (``wire.py``).
"""

from dataclasses import dataclass

import aiohttp
import orjson

from data_tools.llm.retry import FIRST_WAIT_SECONDS, WRONG_RUN, Transient, retry_after_seconds
from megatron_mathcoder.config.errors import DataError, one_line

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


class Connection:
    """Sends bodies to a server. Made, used and closed in one running event loop."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._session = self._new_session()
        self._old_sessions: list[aiohttp.ClientSession] = []
        self._seen = _SeenResponses()

    def _new_session(self) -> aiohttp.ClientSession:
        server = self._server
        timeout = aiohttp.ClientTimeout(
            total=server.total_seconds, sock_connect=server.connect_seconds, sock_read=server.read_seconds
        )
        headers = {"Content-Type": "application/json"}
        if server.api_key:
            headers["Authorization"] = f"Bearer {server.api_key}"
        # The client's window bounds the connections; a second bound in the connector would only queue behind it.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
        return aiohttp.ClientSession(timeout=timeout, connector=connector, headers=headers)

    async def close(self) -> None:
        """End all connections."""
        for session in [*self._old_sessions, self._session]:
            await session.close()

    async def check_model(self) -> None:
        """Raise DataError when the server is not there, wants another key, or serves another model."""
        server = self._server
        try:
            status, content = await self._models()
        except (aiohttp.ClientError, TimeoutError) as error:
            why = one_line(error)
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

    async def is_there(self) -> bool:
        """Say whether the server answers its health question."""
        try:
            await self._models()
        except (aiohttp.ClientError, TimeoutError):
            return False
        return True

    async def _models(self) -> tuple[int, bytes]:
        timeout = aiohttp.ClientTimeout(total=HEALTH_SECONDS)
        async with self._session.get(self._url("/models"), timeout=timeout) as response:
            return response.status, await response.read()

    async def post(self, path: str, body: bytes) -> tuple[int, float, bytes]:
        """Return status, seconds of ``Retry-After``, and body. Raises Transient when no whole response came."""
        try:
            async with self._session.post(self._url(path), data=body) as response:
                content = await response.read()
                return response.status, retry_after_seconds(response.headers.get("Retry-After")), content
        except aiohttp.ClientConnectorError as error:
            raise Transient(f"no connection: {one_line(error)}", no_contact=True) from None
        except TimeoutError as error:
            raise Transient(f"deadline: {one_line(error)}") from None
        except aiohttp.ClientError as error:
            raise Transient(f"broken response: {one_line(error)}") from None

    def _url(self, path: str) -> str:
        return self._server.base_url.rstrip("/") + path

    def check_response(self, response_id: str, attempt: int) -> None:
        """Raise Transient for a response that was given before.

        From then on new connections are used; requests that are under way end on the old ones.
        """
        if self._seen.is_stale(response_id, attempt):
            self._old_sessions.append(self._session)
            self._session = self._new_session()
            raise Transient("stale: a response that was already given to another request")


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
