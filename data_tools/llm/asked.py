"""The language model that is asked about documents, as a verb's filter carries it into its workers.

Decides: what the rows of a log depend on beside the documents.
Does not: open the model (``arguments``) or import what that needs.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedModel:
    """Who is asked about documents, and how. ``kind`` is ``openai`` or ``vllm``, ``model`` a name in every request's key, and
    ``requests`` the folder of their log; a document of more than ``max_characters`` is asked about in passages."""

    kind: str
    model: str
    requests: Path
    max_tokens: int
    max_characters: int
