"""An OpenAI-compatible server that misbehaves on demand, in a thread of the test: raw sockets, so that it can lie about anything.

A reply is a function of the prompt, so a test can tell whose reply it got. ``faults`` says what happens to a request, from its
number of arrival (from 0) and its body; None answers it well. ``clients`` are the addresses that the requests came from.
"""

import asyncio
import hashlib
import json
import threading
from collections.abc import Callable
from typing import Any, Self

Fault = str | None
Faults = Callable[[int, dict[str, Any]], Fault]


def no_faults(number: int, body: dict[str, Any]) -> Fault:
    return None


def reply_text(prompt: Any, index: int = 0) -> str:
    """What this server answers to a prompt (string or messages)."""
    return f"reply {index} to {hashlib.sha256(json.dumps(prompt).encode()).hexdigest()[:12]}"


class FakeServer:
    """Use as a context manager; ``bodies`` are the requests that came, in order."""

    def __init__(
        self,
        faults: Faults = no_faults,
        delay_seconds: float = 0.0,
        model: str = "m",
        honours_schema: bool = True,
        address: tuple[str, int] = ("127.0.0.1", 0),
    ):
        self._faults, self._delay, self._model, self._honours_schema = faults, delay_seconds, model, honours_schema
        self._address = address
        self.bodies: list[dict[str, Any]] = []
        self.clients: list[str] = []
        self.connections = self.in_flight = self.most_in_flight = 0
        self.healthy = True
        self.answer: Callable[[dict[str, Any]], str] | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, *self._address, backlog=1024), self._loop
        ).result()
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://{self._address[0]}:{port}/v1"
        return self

    def __exit__(self, *error: object) -> None:
        async def end() -> None:
            self._server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")
                length = next((int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length")), 0)
                content = await reader.readexactly(length)
                if not self.healthy:
                    break
                if lines[0].startswith("GET"):
                    await self._send(writer, 200, {"data": [{"id": self._model}]})
                    continue
                self.clients.append(writer.get_extra_info("peername")[0])
                self.in_flight += 1
                self.most_in_flight = max(self.most_in_flight, self.in_flight)
                try:
                    if not await self._respond(writer, lines[0].split()[1], json.loads(content)):
                        break
                finally:
                    self.in_flight -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _respond(self, writer: asyncio.StreamWriter, path: str, body: dict[str, Any]) -> bool:
        """Answer one request; False closes the connection."""
        number = len(self.bodies)
        self.bodies.append(body)
        fault = self._faults(number, body)
        if self._delay:
            await asyncio.sleep(self._delay)
        good = self._good(path, body, number)
        if fault is None:
            await self._send(writer, 200, good)
        elif fault.isdigit():
            await self._send(writer, int(fault), {"error": {"message": f"fault {fault}"}})
        elif fault.startswith("retry-after "):
            await self._send(writer, 429, {"error": {}}, {"Retry-After": fault.removeprefix("retry-after ")})
        elif fault == "hang":
            await asyncio.sleep(3600)
        elif fault == "reset":
            return False
        elif fault == "cut":
            sent = json.dumps(good).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(sent) + sent[: len(sent) // 2])
            await writer.drain()
            return False
        elif fault == "malformed":
            await self._send(writer, 200, b'{"choices": [{"text": "half')
        elif fault == "html":
            await self._send(writer, 200, b"<html>Bad gateway</html>")
        elif fault == "wrong n":
            await self._send(writer, 200, good | {"choices": good["choices"] * 2})
        elif fault == "no choices":
            await self._send(writer, 200, {"id": "x", "choices": []})
        elif fault == "no finish":
            await self._send(writer, 200, good | {"choices": [{"index": 0, "message": {"content": "x"}, "text": "x"}]})
        elif fault == "truncated":
            for choice in good["choices"]:
                choice["finish_reason"] = "length"
            await self._send(writer, 200, good)
        elif fault == "late duplicate":
            await self._send(writer, 200, good)
            await asyncio.sleep(0.05)
            await self._send(writer, 200, good)
        else:
            raise ValueError(fault)
        return True

    def _good(self, path: str, body: dict[str, Any], number: int) -> dict[str, Any]:
        chat = path.endswith("/chat/completions")
        prompt = body["messages"] if chat else body["prompt"]
        choices = []
        for index in range(body.get("n", 1)):
            text = self.answer(body) if self.answer else reply_text(prompt, index)
            schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
            if schema and self._honours_schema and not self.answer:
                text = json.dumps({name: inner["enum"][0] for name, inner in schema["properties"].items()})
            choice: dict[str, Any] = {"index": index, "finish_reason": "stop"}
            choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
            if body.get("logprobs", False) is not False:
                choice["logprobs"] = _chat_logprobs(text) if chat else _plain_logprobs(text)
            choices.append(choice)
        usage = {"prompt_tokens": 10, "completion_tokens": 5 * len(choices)}
        return {"id": f"cmpl-{number}", "model": body["model"], "choices": choices, "usage": usage}

    async def _send(
        self, writer: asyncio.StreamWriter, status: int, body: dict[str, Any] | bytes, headers: dict[str, str] | None = None
    ) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + content)
        await writer.drain()


def _plain_logprobs(text: str) -> dict[str, Any]:
    tokens = text.split()
    return {
        "tokens": tokens,
        "token_logprobs": [-0.5] * len(tokens),
        "top_logprobs": [{token: -0.5} for token in tokens],
        "text_offset": [0] * len(tokens),
    }


def _chat_logprobs(text: str) -> dict[str, Any]:
    return {"content": [{"token": t, "logprob": -0.5, "top_logprobs": [{"token": t, "logprob": -0.5}]} for t in text.split()]}
