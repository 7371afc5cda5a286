"""What a language model is asked to do with a document, and the schema of its reply.

Decides: the wording (``VERSION`` changes with it, and goes into every completion), the JSON schema for servers that hold to one,
and the labelled sections for those that do not.
Does not: send it, or read the reply (``parse.py``).
"""

from typing import Any

from data_tools.llm.interface import Message

VERSION = "2"

TASK = """You read mathematical texts, spot the computations in them that need scratch work, and show each of them as a short, \
self-contained Python program that recomputes the stated result.

Below is a passage. List every computation in it that is worth carrying out: an evaluated expression, a solved \
equation, a sum, an integral, a derivative, a limit, a determinant, a count, a numerical estimate. Leave out definitions, \
statements without a value, and anything that the passage does not state the result of.

For each computation give
- the conditions it needs, one a line: the values of its symbols, and what holds for them;
- the expression, in LaTeX;
- the result, as the passage states it;
- Python code that starts from the conditions, computes the expression (never writes the result down), and prints the \
result as its only output. Use the standard library, sympy or numpy. No input, no files, no plots.
"""

AS_JSON = """
Answer with one JSON object {"computations": [{"title", "conditions", "expression", "result", "code"}, …]} and nothing else. An \
empty list is a good answer for a passage without computations.
"""

AS_SECTIONS = """
Write each computation in exactly this form:

### Computation 1: title
Conditions:
1. …
Expression:
$…$
Result:
$…$
Code:
```python
…
```
"""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "computations": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "title": {"type": "string"},
                    "conditions": {"type": "array", "items": {"type": "string"}},
                    "expression": {"type": "string"},
                    "result": {"type": "string"},
                    "code": {"type": "string"},
                },
                "required": ["title", "conditions", "expression", "result", "code"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["computations"],
    "additionalProperties": False,
}


def messages(passage: str, as_json: bool) -> tuple[Message, ...]:
    """Return the chat that asks for the computations of a passage: one turn, since not every template has a system turn."""
    form = AS_JSON if as_json else AS_SECTIONS
    return (Message("user", f"{TASK}{form}\nPassage:\n\n{passage}"),)
