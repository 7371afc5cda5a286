"""One spelling for texts that a reader takes for the same, whatever their characters.

Decides: compatibility forms become plain (``x²`` is ``x2``, ``ｘ`` and ``𝑥`` are ``x``), accents and characters that are not seen
go (zero-width ones, direction marks, soft hyphens), Greek and Cyrillic letters that look like Latin ones become those, capitals
of the two scripts small, dashes and the signs of multiplication and division ASCII, other signs spaces.
Does not: touch case, spaces or punctuation in ASCII; ``letters.py`` passes over them.

Offsets in a canonical text are not those of the text.
"""

import re
import unicodedata

_UNSEEN = (
    "\u00ad\u0300-\u036f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    "\U000e0000-\U000e0fff"
)
_SIGNS = "\u00a0-\u00bf\u00d7\u00f7\u2000-\u206f\u2190-\u22ff\u3000-\u303f"

_LOOK_ALIKES = (
    ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "abezhikmnoptyx"),
    ("αβεζηικμνορτυχ", "abezhikmnoptyx"),
    ("АВЕЗІЈКМНОРСТУХЅԀҺԚԜЁ", "abe3ijkmhopctyxsdhqwe"),
    ("авезіјкмнорстухѕԁһԛԝё", "abe3ijkmhopctyxsdhqwe"),
    ("ıɑɡӏ", "iagl"),
    ("‐‑‒–—―−∕⁄÷×·•∙⋅∗", "-------///*****" + "*"),
)


def _plain_letters() -> dict[str, str]:
    small = {chr(code): chr(code).lower() for code in (*range(0x391, 0x3AA), *range(0x400, 0x430))}
    return small | {seen: meant for alike, plain in _LOOK_ALIKES for seen, meant in zip(alike, plain, strict=True)}


_PLAIN = _plain_letters()
_IS_UNSEEN = re.compile(f"[{_UNSEEN}]")
_NOT_PLAIN = re.compile(f"[{_UNSEEN}{_SIGNS}{re.escape(''.join(_PLAIN))}]")


def _meant(found: re.Match[str]) -> str:
    return _PLAIN.get(found[0]) or ("" if _IS_UNSEEN.match(found[0]) else " ")


def canonical(text: str) -> str:
    """Return the spelling of ``text`` by which it is compared. Idempotent."""
    if text.isascii():
        return text
    if not unicodedata.is_normalized("NFKD", text):
        text = unicodedata.normalize("NFKD", text)
    return _NOT_PLAIN.sub(_meant, text)
