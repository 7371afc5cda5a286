"""The body of an HTTP response as an archive has stored it: taken out of its chunks and decompressed.

Decides: that a body is what its bytes are and not what its headers say, since many crawlers store it decoded under the old
headers; that a body cut off gives what can be read of it; and that no more than a bound is decompressed.
Does not: read archives (``warc.py``) or decode characters (``web_page.py``).

FastWARC can do this while it reads, but then one bad body ends the archive, and a good one in chunks and gzip loses what
follows it.
"""

import io
import re
import zlib

_CHUNK_HEAD = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


def decoded_body(body: bytes, transfer_encoding: str, content_encoding: str, max_bytes: int) -> bytes:
    """Return the content of a response, at most ``max_bytes + 1`` bytes. Raises ValueError: an encoding that is not known."""
    if "chunked" in transfer_encoding.lower():
        body = _without_chunks(body)
    for name in reversed([each.strip().lower() for each in content_encoding.split(",")]):
        body = _decompressed(body, name, max_bytes + 1)
    return body


def _without_chunks(body: bytes) -> bytes:
    parts: list[bytes] = []
    place = 0
    while (head := _CHUNK_HEAD.match(body, place)) is not None and (size := int(head[1], 16)):
        parts.append(body[head.end() : head.end() + size])
        place = head.end() + size
        place += 2 if body[place : place + 2] == b"\r\n" else int(body[place : place + 1] == b"\n")
    return b"".join(parts) if parts else body


def _decompressed(body: bytes, name: str, most: int) -> bytes:
    if name in ("", "identity", "none") or body.lstrip()[:1] == b"<":
        return body
    if name in ("gzip", "x-gzip"):
        return _inflated(body, zlib.MAX_WBITS | 16, most) if body.startswith(_GZIP) else body
    if name == "deflate":
        return _inflated(body, zlib.MAX_WBITS, most) or _inflated(body, -zlib.MAX_WBITS, most) or body
    if name in ("br", "zstd"):
        return _read_by_fastwarc(body, name, most)
    raise ValueError(f"content encoding {name!r} is not known")


def _inflated(body: bytes, window: int, most: int) -> bytes:
    """Return what can be inflated, in pieces, so that damage costs only what stands behind it."""
    machine = zlib.decompressobj(window)
    parts: list[bytes] = []
    left, place = most, 0
    while left > 0 and not machine.eof and (piece := machine.unconsumed_tail or body[place : place + 4096]):
        place += 0 if machine.unconsumed_tail else 4096
        try:
            parts.append(machine.decompress(piece, left))
        except zlib.error:
            break
        left -= len(parts[-1])
    return b"".join(parts)


def _read_by_fastwarc(body: bytes, name: str, most: int) -> bytes:
    from fastwarc.stream_io import BrotliReader, ZstdReader

    if name == "zstd" and not body.startswith(_ZSTD):
        return body
    reader = (BrotliReader if name == "br" else ZstdReader)(io.BytesIO(body))
    parts: list[bytes] = []
    try:
        while (left := most - sum(map(len, parts))) > 0 and (part := reader.read(min(left, 4096))):
            parts.append(part)
    except OSError:
        pass
    return b"".join(parts) or body
