"""Where a long document is cut for a language model.

Decides: that a cut falls at a blank line, else at a line's end, else at a space, else anywhere, and loses nothing but passages of
white space.
Does not: count tokens.
"""


def passages(text: str, max_characters: int) -> list[str]:
    """Cut a document into passages of at most ``max_characters``, those of white space alone left out."""
    pieces: list[str] = []
    while len(text) > max_characters:
        window = text[:max_characters]
        # A cut in the first half would make many small passages of a text with one early blank line.
        cut = next((at + len(mark) for mark in ("\n\n", "\n", " ") if (at := window.rfind(mark)) > max_characters // 2), 0)
        cut = cut or max_characters
        pieces.append(text[:cut])
        text = text[cut:]
    return [piece for piece in (*pieces, text) if piece.strip()]
