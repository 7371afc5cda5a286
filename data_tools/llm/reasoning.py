"""What a model wrote to itself before its answer.

Decides: that it ends with the last ``</think>``, and begins with a ``<think>`` that is never closed.
Does not: read the answer.
"""

import re

# The tag that opens it is often part of the prompt, and the one that closes it missing in what was cut off.
_REASONING = re.compile(r"\A.*</think>|<think>.*\Z", re.DOTALL)


def without_reasoning(reply: str) -> str:
    """Return the answer of a reply, "" when it was cut off before it began."""
    return _REASONING.sub("", reply)
