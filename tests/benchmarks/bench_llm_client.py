"""The client beside a bare load generator: 5,000 chats at the same concurrency, rounds of both in turn, on one server.

The server is a process of its own that answers each request after a fixed time, as a busy GPU would; the load generator is the
HTTP library alone: bodies made beforehand, responses read and thrown away. The client makes and checks everything, and one more
time with its log on disk. Fails when the client's median throughput is below 95 % of the generator's.

    python tests/benchmarks/bench_llm_client.py [--requests 5000] [--concurrency 64] [--latency 0.1]
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import orjson

from data_tools.llm.connection import Server
from data_tools.llm.interface import Message, Request, Sampling
from data_tools.llm.openai_client import OpenAIClient
from data_tools.llm.request_log import RequestLog
from data_tools.llm.wire import body_of

LEAST_RATIO = 0.95
TEXT = "The result follows from the identity. " * 40


async def serve(latency: float) -> None:
    """Answer every request after ``latency`` seconds; print the port."""
    count = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = 0
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                await reader.readexactly(length)
                if head.startswith(b"GET"):
                    body = b'{"data": [{"id": "m"}]}'
                else:
                    await asyncio.sleep(latency)
                    count += 1
                    choice = {"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}
                    usage = {"prompt_tokens": 500, "completion_tokens": 300}
                    body = orjson.dumps({"id": f"chat-{count}", "choices": [choice], "usage": usage})
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def requests(count: int) -> list[Request]:
    """Prompts of about 500 tokens, all different."""
    return [Request((Message("user", f"{index} " + TEXT),), Sampling(max_tokens=512), index) for index in range(count)]


async def bare(url: str, bodies: list[bytes], concurrency: int) -> None:
    """Send the bodies over ``concurrency`` connections, as fast as they are answered."""
    waiting = iter(bodies)

    async def worker(session: aiohttp.ClientSession) -> None:
        for body in waiting:
            async with session.post(f"{url}/chat/completions", data=body) as response:
                await response.read()

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers={"Content-Type": "application/json"}) as session:
        await asyncio.gather(*(worker(session) for _ in range(concurrency)))


def timed_bare(url: str, asked: list[Request], concurrency: int) -> float:
    bodies = [orjson.dumps(body_of(request, "m")) for request in asked]
    begin = time.perf_counter()
    asyncio.run(bare(url, bodies, concurrency))
    return time.perf_counter() - begin


def timed_client(url: str, asked: list[Request], concurrency: int, log_folder: Path | None) -> float:
    server = Server(base_url=url, model="m", requests_in_flight=concurrency, tokens_in_flight=10**9)
    with OpenAIClient(server) as client:
        begin = time.perf_counter()
        if log_folder is None:
            assert sum(reply.outcome == "ok" for reply in client.complete(asked)) == len(asked)
        else:
            with RequestLog(log_folder) as log:
                assert log.fill(client, asked).ok == len(asked)
        return time.perf_counter() - begin


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.latency))
    asked = requests(options.requests)
    seconds: dict[str, list[float]] = {"bare": [], "client": [], "client with log": []}
    command = [sys.executable, __file__, "--serve", "--latency", str(options.latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process, tempfile.TemporaryDirectory() as folder:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
        for number in range(options.rounds):
            seconds["bare"].append(timed_bare(url, asked, options.concurrency))
            seconds["client"].append(timed_client(url, asked, options.concurrency, None))
            seconds["client with log"].append(timed_client(url, asked, options.concurrency, Path(folder, str(number))))
        process.kill()
    rates = {name: round(options.requests / statistics.median(each), 1) for name, each in seconds.items()}
    ratios = {name: round(rates[name] / rates["bare"], 3) for name in ("client", "client with log")}
    passed = min(ratios.values()) >= LEAST_RATIO
    print(json.dumps({"requests_per_second": rates, "of_bare": ratios, "passed": passed}, indent=1))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
