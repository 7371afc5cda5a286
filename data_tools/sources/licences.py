"""The licence that a page or a book names, by the short name that people know it by.

Decides: which are known: Creative Commons by address or in words (``CC BY-SA 4.0``, ``CC0 1.0``), and the GNU Free Documentation
License (``GFDL``).
Does not: say what a licence allows.
"""

import re

LICENCE_CHARACTERS = 20_000
"""How far from its beginning a book is searched."""

_ADDRESS = re.compile(r"creativecommons\.org/(?:licenses|publicdomain)/([\w-]+)(?:/(\d\.\d))?", re.IGNORECASE)
_WORDS = re.compile(r"\bCC[ -](BY(?:[ -](?:NC|SA|ND))*)[ -]?(\d\.\d)?\b")
_GNU = re.compile(r"GNU\s+Free\s+Documentation\s+License", re.IGNORECASE)
_PUBLIC_DOMAIN = {"ZERO": "CC0", "MARK": "public domain mark"}


def licence_at(address: str) -> str:
    """Return the licence that has this address, or ""."""
    match = _ADDRESS.search(address)
    return _named(match) if match else ""


def licence_in(text: str) -> str:
    """Return the licence that the first pages name, or ""."""
    beginning = text[:LICENCE_CHARACTERS]
    if match := _ADDRESS.search(beginning) or _WORDS.search(beginning):
        return _named(match)
    return "GFDL" if _GNU.search(beginning) else ""


def _named(match: re.Match[str]) -> str:
    name = match[1].upper().replace(" ", "-")
    return " ".join(filter(None, (_PUBLIC_DOMAIN.get(name, f"CC {name}"), match[2])))
