"""Messages of exceptions that Python and SymPy are known to have reworded since MathCoder's trajectories were recorded.

Decides: the table of these, each with the version that changed it (recorded with Python 3.9 and SymPy 1.12), and that a message
which only says more than the recorded one is the same, and so is the path of a file in it.
Does not: compare types; a reworded message counts only for the same exception.
"""

import re
from typing import NamedTuple


class Rewording(NamedTuple):
    """``recorded`` and ``found`` are whole messages, as expressions; ``kind`` is the exception's name."""

    since: str
    kind: str
    recorded: str
    found: str


REWORDINGS = (
    # The parser of Python 3.10 says what it expected where the older one said one thing for all.
    Rewording("Python 3.10", "SyntaxError", r"invalid syntax|unexpected EOF while parsing|invalid token", r".*"),
    Rewording("Python 3.10", "SyntaxError", r"cannot assign to .*", r"cannot assign to .* here\. Maybe you meant .*"),
    Rewording("Python 3.10", "SyntaxError", r"EOL while scanning string literal", r"unterminated (?:f-)?string literal .*"),
    Rewording("Python 3.10", "SyntaxError", r"EOF while scanning triple-quoted .*", r"unterminated triple-quoted .*"),
    Rewording("Python 3.10", "SyntaxError", r"invalid character in identifier", r"invalid (?:non-printable )?character .*"),
    Rewording("Python 3.10", "TypeError", r"can't take floor of complex number\.", r"unsupported operand type\(s\) for //: .*"),
    Rewording("Python 3.10", "TypeError", r"can't mod complex numbers\.", r"unsupported operand type\(s\) for %: .*"),
)

SAYS_MORE = re.compile(r"[.:]? ?(?:after .* on line \d+|: .*|\. Did you .*\?|here\. Maybe .*| \(.*\))?", re.DOTALL)
"""What newer versions put after an old message: Python 3.10 where the block begins and what may have been meant, SymPy 1.13 the
relation whose truth it cannot tell."""
PATH = re.compile(r"\(?(?:/[^\s/()]+)+/([^\s/()]+)\)?")


def known_rewording(kind: str, recorded: str, found: str) -> bool:
    """Say whether the message ``found`` of an exception is ``recorded`` in the words of a later version."""
    recorded, found = (PATH.sub(r"\1", " ".join(message.split())) for message in (recorded, found))
    if found.startswith(recorded) and SAYS_MORE.fullmatch(found, len(recorded)):
        return True
    return any(
        rule.kind == kind and re.fullmatch(rule.recorded, recorded) and re.fullmatch(rule.found, found) for rule in REWORDINGS
    )
