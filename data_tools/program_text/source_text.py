"""The text of a Python file, from its bytes.

Decides: that it is decoded as Python does: coding line, byte-order mark, any newline.
Does not: parse it (``imports.py``).
"""

import io
import tokenize


def python_text(raw: bytes) -> str:
    """Return the text, with ``\\n`` at the ends of lines. Raises ValueError: another encoding than the file says, or none."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
        text = raw.decode(encoding)
    except (SyntaxError, UnicodeError, LookupError) as error:
        raise ValueError(f"undecodable source: {' '.join(str(error).split())}") from None
    return io.IncrementalNewlineDecoder(None, translate=True).decode(text)
