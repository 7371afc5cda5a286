"""The caller's side of one confined process: hands it requests, collects what it says, and knows how it ended.

Decides: output is cut while it is read, a reply counts only with its request's nonce, and bytes that are no reply end the
process.
Does not: measure or kill by itself; it asks the zygote, which also says when the process is gone.
"""

import json
import os
import secrets
import select
import socket
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, cast

from data_tools.sandbox import channel
from data_tools.sandbox.outcome import Limits, Outcome, Status

CHUNK_BYTES = 65536
MAX_ERROR_CHARACTERS = 4000
SIGXCPU, SIGXFSZ = 24, 25
LIMIT_TEXT = {
    "cpu": "over its budget of {0.cpu_seconds:g} CPU-seconds",
    "wall": "over {0.wall:g} s of wall clock",
    "output": "over {0.output_bytes} bytes of output or {0.scratch_bytes} bytes of files",
}


class SetupFailed(Exception):
    """The process never got as far as running code."""


class ConfinedProcess:
    """A child of a zygote. Not thread-safe: one request at a time."""

    def __init__(self, zygote: socket.socket, limits: Limits) -> None:
        """Have ``zygote`` fork it. Raises SetupFailed when the zygote is gone."""
        self.limits = limits
        self.walls: dict[str, str] = {}
        self.end: dict[str, Any] | None = None
        self._streams: dict[int, bytearray] = {}
        self._reply: dict[str, Any] | None = None
        self._used: dict[str, Any] | None = None
        self._killed = ""
        self._nonce = ""
        self._to_send = b""
        stdout, stdout_writer = os.pipe()
        stderr, stderr_writer = os.pipe()
        requests, self._requests = os.pipe()
        self._replies, replies_writer = os.pipe()
        self._watch, watch = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs = [stdout_writer, stderr_writer, requests, replies_writer]
        self._stdout, self._stderr = stdout, stderr
        self._open = {stdout, stderr, self._replies, self._requests}
        self._streams = {stdout: bytearray(), stderr: bytearray(), self._replies: bytearray()}
        for descriptor in self._open:
            os.set_blocking(descriptor, False)
        try:
            message = json.dumps({"op": "spawn", "limits": asdict(limits)}).encode()
            socket.send_fds(zygote, [message], [*theirs, watch.fileno()])
        except OSError as error:
            self.close()
            raise SetupFailed(f"the zygote is gone ({error})") from error
        finally:
            watch.close()
            for descriptor in theirs:
                os.close(descriptor)

    def wait_ready(self) -> None:
        """Wait until the walls are up. Raises SetupFailed with the reason they are not."""
        self._pump(lambda: self._reply is not None)
        message = self._reply or {}
        self._reply = None
        if "ready" not in message:
            self._pump(lambda: False)
            reason = message.get("setup_failed") or (self.end or {}).get("failed") or f"the process ended: {self.end}"
            raise SetupFailed(str(reason))
        self.walls = message["ready"]

    def ask(self, request: dict[str, Any]) -> Outcome:
        """Send one request and wait for its end: the reply, or the process's death. ``request["last"]`` waits for both.

        Code that is too long to be sent is said to be, and leaves the process as it was.
        """
        self._nonce = secrets.token_hex(8)
        try:
            self._to_send = channel.pack(request | {"nonce": self._nonce})
        except ValueError as error:
            return Outcome(status="exception", error=f"not run: {error}")
        self._reply = None
        for stream in (self._stdout, self._stderr):
            self._streams[stream].clear()
        self._tell({"op": "arm"})
        last = request["last"]
        self._pump(lambda: self._reply is not None and not last)
        used = self.end
        if used is None:
            used = self._disarm()
        return self._outcome(used)

    def kill(self, why: str) -> None:
        """End the process; ``why`` becomes part of its outcome."""
        self._killed = self._killed or why
        self._tell({"op": "kill", "why": why})

    def close(self) -> None:
        """Let go of everything; the zygote kills a process whose caller has let go."""
        for descriptor in self._open:
            os.close(descriptor)
        self._open.clear()
        self._watch.close()

    def rest(self) -> None:
        """Stop the clocks until the first request."""
        self._disarm()

    def _disarm(self) -> dict[str, Any]:
        """Stop the clocks between two blocks and return what this one used. What is over the budget, late or not, or was to be
        killed is seen to be gone."""
        self._used = None
        self._tell({"op": "disarm"})
        self._pump(lambda: self._used is not None)
        used = self.end or self._used or {}
        if self.end is None and used["cpu"] > self.limits.cpu_seconds:
            self.kill("cpu")
        if self._killed:
            self._pump(lambda: False)
        return used

    def _pump(self, done: Callable[[], bool]) -> None:
        """Move bytes until ``done()`` or the process is gone and its pipes are empty."""
        while not done() and self.end is None:
            poll = select.poll()
            poll.register(self._watch.fileno(), select.POLLIN)
            for descriptor in self._streams.keys() & self._open:
                poll.register(descriptor, select.POLLIN)
            if self._to_send and self._requests in self._open:
                poll.register(self._requests, select.POLLOUT)
            for descriptor, _ in poll.poll():
                if descriptor == self._watch.fileno():
                    self._hear_zygote()
                elif descriptor == self._requests:
                    self._write()
                else:
                    self._read(descriptor)
        # A reply and an end come after the output they belong to, so what is in the pipes now is all there is.
        for descriptor in self._streams.keys() & self._open:
            while self._read(descriptor):
                pass

    def _hear_zygote(self) -> None:
        try:
            data = self._watch.recv(CHUNK_BYTES)
        except ConnectionResetError:
            # It closed its end with a request of ours unread. The kernel says so once, before it hands over what was sent to
            # us.
            data = self._watch.recv(CHUNK_BYTES)
        message = json.loads(data) if data else {"op": "end", "failed": "the zygote is gone"}
        if message["op"] == "used":
            self._used = message
        else:
            self.end = message

    def _write(self) -> None:
        try:
            self._to_send = self._to_send[os.write(self._requests, self._to_send) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            # It closed its end; that it did so will show in its outcome.
            self._to_send = b""

    def _read(self, descriptor: int) -> bool:
        """Read once; return whether there may be more."""
        try:
            chunk = os.read(descriptor, CHUNK_BYTES)
        except BlockingIOError:
            return False
        if not chunk:
            os.close(descriptor)
            self._open.discard(descriptor)
            return False
        if descriptor == self._replies:
            return self._take_reply(chunk)
        room = self.limits.output_bytes - sum(len(self._streams[stream]) for stream in (self._stdout, self._stderr))
        self._streams[descriptor] += chunk[: max(room, 0)]
        if len(chunk) > room:
            self.kill("output")
            # What cannot be kept need not be read to its end.
            return False
        return True

    def _take_reply(self, chunk: bytes) -> bool:
        buffer = self._streams[self._replies]
        buffer += chunk
        try:
            while (message := channel.unpack(buffer)) is not None:
                if self._reply is not None or (self.walls and message.get("nonce") != self._nonce):
                    # Reading a message costs more than writing it, so a process may send one a request.
                    raise ValueError("a reply to no request")
                self._reply = message
        except (ValueError, RecursionError):
            buffer.clear()
            self.kill("forged")
        return True

    def _tell(self, message: dict[str, Any]) -> None:
        try:
            self._watch.send(json.dumps(message).encode())
        except OSError:
            # The process is gone already; its end is waiting to be read.
            return

    def _outcome(self, used: dict[str, Any]) -> Outcome:
        if "failed" in used:
            raise SetupFailed(used["failed"])
        reply = self._reply or {}
        killed = self._killed or used.get("killed", "")
        exit_code = int(used.get("exit", 0))
        status, error = self._verdict(killed, used, exit_code, reply)
        return Outcome(
            status=cast(Status, status),
            stdout=_text(self._streams[self._stdout]),
            stderr=_text(self._streams[self._stderr]),
            display=_string(reply, "display")[: self.limits.output_bytes],
            error=error,
            value=reply.get("value") if status == "ok" else None,
            exit_signal=-exit_code if status == "signal" else 0,
            cpu_seconds=round(max(used["cpu"], 0.0), 4),
            wall_seconds=round(used["wall"], 4),
            max_rss_bytes=used.get("rss", 0),
        )

    def _verdict(self, killed: str, used: dict[str, Any], exit_code: int, reply: dict[str, Any]) -> tuple[str, str]:
        """Return status and error. What the zygote and the kernel saw comes before what the process says of itself."""
        if killed in LIMIT_TEXT:
            return killed, LIMIT_TEXT[killed].format(self.limits)
        if used["cpu"] > self.limits.cpu_seconds or exit_code == -SIGXCPU:
            return "cpu", LIMIT_TEXT["cpu"].format(self.limits)
        if killed:
            return "exception", "the process wrote something that is no reply over the sandbox's own pipe"
        if exit_code == -SIGXFSZ:
            return "output", LIMIT_TEXT["output"].format(self.limits)
        if exit_code < 0:
            return "signal", f"killed by signal {-exit_code}"
        status = reply.get("status")
        if status == "ok":
            return "ok", ""
        if status in ("exception", "memory"):
            return str(status), _string(reply, "error")[:MAX_ERROR_CHARACTERS]
        return "exception", f"the process left with exit status {exit_code} before the end of the code"


def _text(data: bytearray) -> str:
    return data.decode("utf-8", "replace")


def _string(reply: dict[str, Any], key: str) -> str:
    """Return a text field of a reply; lone surrogates, which UTF-8 cannot carry on, become question marks."""
    value = reply.get(key, "")
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""
