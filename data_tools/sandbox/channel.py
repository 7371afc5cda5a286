"""Messages between the caller and a process in the sandbox: a length, then JSON.

Decides: the framing and the largest message. Never pickle: what comes out of the sandbox may be forged, and JSON can only be
wrong.
Does not: trust a field; the reader checks.
"""

import json
import os
import struct
from typing import Any

HEADER = struct.Struct("!I")
MAX_MESSAGE_BYTES = 16 * 2**20


def pack(message: dict[str, Any]) -> bytes:
    """Return the message's bytes. Raises ValueError when it is too long or not JSON data."""
    body = json.dumps(message, ensure_ascii=True, separators=(",", ":")).encode()
    if len(body) > MAX_MESSAGE_BYTES:
        raise ValueError(f"a message of {len(body)} bytes; at most {MAX_MESSAGE_BYTES} can be sent")
    return HEADER.pack(len(body)) + body


def unpack(buffer: bytearray) -> dict[str, Any] | None:
    """Take the first whole message out of ``buffer``; None when there is none yet. Raises ValueError for what is no message."""
    if len(buffer) < HEADER.size:
        return None
    (length,) = HEADER.unpack_from(buffer)
    if length > MAX_MESSAGE_BYTES:
        raise ValueError(f"a message of {length} bytes was announced")
    if len(buffer) < HEADER.size + length:
        return None
    body = bytes(buffer[HEADER.size : HEADER.size + length])
    del buffer[: HEADER.size + length]
    message = json.loads(body)
    if not isinstance(message, dict):
        raise ValueError("a message that is no object")
    return message


def send(descriptor: int, message: dict[str, Any]) -> None:
    """Write a whole message, waiting as long as it takes."""
    data = pack(message)
    while data:
        data = data[os.write(descriptor, data) :]


def receive(descriptor: int, buffer: bytearray) -> dict[str, Any] | None:
    """Wait for the next message; None at the end of the stream. What was read beyond it stays in ``buffer``."""
    while (message := unpack(buffer)) is None:
        chunk = os.read(descriptor, 65536)
        if not chunk:
            return None
        buffer += chunk
    return message
