"""Characters that people type or paste where LaTeX has a command: one spelling for both.

Decides: that a full-width character is the plain one, a run of superscripts one exponent (``10²³``), a fraction in one character
the fraction, and that what has no width means nothing.
Does not: know commands or words (``spelling``); it is the first step of ``surface.clean``.
"""

import re
import unicodedata

_SIGNS = {
    "−": "-", "–": "-", "—": "-", "×": "*", "·": "*", "⋅": "*", "∗": "*", "÷": "/", "⁄": "/", "π": r"\pi ", "∞": r"\infty ",
    "√": r"\sqrt ", "≤": r"\le ", "≥": r"\ge ", "≦": r"\le ", "≧": r"\ge ", "⩽": r"\le ", "⩾": r"\ge ", "≠": r"\ne ",
    "≈": r"\approx ", "∪": r"\cup ", "∈": r"\in ", "±": r"\pm ", "°": r"^\circ ", "℃": r"^\circ C", "℉": r"^\circ F",
    "⟨": "(", "⟩": ")", "’": "'", "“": '"', "”": '"', "。": ".", "、": ",", "¢": r"\text{cents}", "θ": r"\theta ",
    "α": r"\alpha ", "β": r"\beta ", "λ": r"\lambda ", "ω": r"\omega ", "㎜": "mm", "㎝": "cm", "㎞": "km", "㎏": "kg",
    **dict.fromkeys("\u00a0\u2002\u2003\u2005\u2009\u200a\u202f\u3000", " "),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff", ""),
}  # fmt: skip
_FULL_WIDTH = {chr(code + 0xFEE0): chr(code) for code in range(0x21, 0x7F)}
_FRACTIONS = {sign: r"\frac{{{}}}{{{}}}".format(*unicodedata.normalize("NFKC", sign).split("⁄")) for sign in "½¼¾⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"}
_TABLE = str.maketrans(_SIGNS | _FULL_WIDTH | _FRACTIONS)
_RAISED = re.compile("[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+|[ⁿⁱ]")
_LOWERED = re.compile("[₀₁₂₃₄₅₆₇₈₉]+")


def in_plain_characters(text: str) -> str:
    """Return the text with commands and ASCII in the place of such characters."""
    if text.isascii():
        return text
    text = _RAISED.sub(lambda run: f"^{{{_plain(run)}}}", text)
    return _LOWERED.sub(lambda run: f"_{{{_plain(run)}}}", text).translate(_TABLE)


def _plain(run: re.Match[str]) -> str:
    return unicodedata.normalize("NFKC", run.group()).replace("−", "-")
