r"""Unicode characters and names that MathML uses, and the LaTeX for them.

Decides: one LaTeX spelling for each. A letter of the mathematical alphabets (𝐱, 𝔸, 𝒞) becomes its plain letter in the right font.
Does not: know where a character stands; ``mathml.py`` does.
"""

import re
import unicodedata

_GREEK = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "zeta",
    "eta",
    "theta",
    "iota",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "xi",
    "omicron",
    "pi",
    "rho",
    "varsigma",
    "sigma",
    "tau",
    "upsilon",
    "varphi",
    "chi",
    "psi",
    "omega",
]
_CAPITALS = {
    "Γ": r"\Gamma",
    "Δ": r"\Delta",
    "Θ": r"\Theta",
    "Λ": r"\Lambda",
    "Ξ": r"\Xi",
    "Π": r"\Pi",
    "Σ": r"\Sigma",
    "Υ": r"\Upsilon",
    "Φ": r"\Phi",
    "Ψ": r"\Psi",
    "Ω": r"\Omega",
}
_BY_NAME = """
∑ sum|∏ prod|∐ coprod|∫ int|∬ iint|∭ iiint|∮ oint|⋃ bigcup|⋂ bigcap|⨁ bigoplus|⨂ bigotimes|⋀ bigwedge|⋁ bigvee
⨆ bigsqcup|⨀ bigodot|≤ leq|≥ geq|≠ neq|≈ approx|≡ equiv|≅ cong|∼ sim|≃ simeq|∝ propto|≪ ll|≫ gg|≺ prec|≻ succ
⪯ preceq|⪰ succeq|≐ doteq|≍ asymp|⩽ leqslant|⩾ geqslant|≲ lesssim|≳ gtrsim|≦ leqq|≧ geqq|∈ in|∉ notin|∋ ni|⊂ subset
⊃ supset|⊆ subseteq|⊇ supseteq|⊊ subsetneq|⊄ not\\subset|⊈ nsubseteq|∪ cup|∩ cap|∖ setminus|∅ emptyset|∀ forall
∃ exists|∄ nexists|¬ neg|∧ wedge|∨ vee|⊕ oplus|⊗ otimes|⊙ odot|⊖ ominus|⊘ oslash|→ to|← leftarrow|↔ leftrightarrow
⇒ Rightarrow|⇐ Leftarrow|⇔ Leftrightarrow|↦ mapsto|↪ hookrightarrow|↩ hookleftarrow|↠ twoheadrightarrow|↑ uparrow
↓ downarrow|⟶ longrightarrow|⟵ longleftarrow|⟹ Longrightarrow|⟸ Longleftarrow|⟺ Longleftrightarrow|⟼ longmapsto
⟷ longleftrightarrow|⇌ rightleftharpoons|↗ nearrow|↘ searrow|⇀ rightharpoonup|× times|÷ div|± pm|∓ mp|· cdot|⋅ cdot
∗ ast|⋆ star|∘ circ|• bullet|† dagger|‡ ddagger|∞ infty|∂ partial|∇ nabla|ℏ hbar|ℓ ell|ℜ Re|ℑ Im|℘ wp|ℵ aleph|ℶ beth
∠ angle|⊥ perp|∥ parallel|∤ nmid|∣ mid|⊢ vdash|⊨ models|⊤ top|⟨ langle|⟩ rangle|〈 langle|〉 rangle|⌊ lfloor|⌋ rfloor
⌈ lceil|⌉ rceil|… ldots|⋯ cdots|⋮ vdots|⋱ ddots|′ prime|″ prime\\prime|√ surd|∴ therefore|∵ because|□ square
■ blacksquare|△ triangle|◁ triangleleft|▷ triangleright|⊲ vartriangleleft|⊳ vartriangleright|⋉ ltimes|⋊ rtimes
⊴ trianglelefteq|♯ sharp|♭ flat|♮ natural|ı imath|ȷ jmath|ϵ epsilon|ε varepsilon|ϑ vartheta|ϕ phi|φ varphi|ϖ varpi
ϱ varrho|ϰ varkappa|≔ coloneqq|⊎ uplus|⊔ sqcup|⊓ sqcap|⊑ sqsubseteq|⊒ sqsupseteq|≀ wr|⋄ diamond|◇ Diamond
↾ upharpoonright|∁ complement|≢ not\\equiv|≁ nsim|≰ nleq|≱ ngeq|≮ nless|≯ ngtr|∦ nparallel|⊬ nvdash|⊭ nvDash
⇏ nRightarrow|↛ nrightarrow|≉ not\\approx|⊣ dashv|⌣ smile|⌢ frown|⋈ bowtie|⊸ multimap|ð eth|℧ mho|⅁ Game|∛ sqrt[3]
𝚤 imath|𝚥 jmath|◦ circ|⩵ ==|△ triangle|⟂ perp|⋂ bigcap|∎ blacksquare
"""
SYMBOLS: dict[str, str] = {
    **{chr(0x3B1 + index): rf"\{name}" for index, name in enumerate(_GREEK) if name != "omicron"},
    **_CAPITALS,
    **{entry[0]: "\\" + entry[2:].replace("\\\\", "\\") for entry in _BY_NAME.replace("\n", "|").split("|") if entry},
    "‖": r"\|",
    "⩵": "==",
    "−": "-",
    "–": "-",
    "‐": "-",
    "‑": "-",
    "∶": ":",
    "∕": "/",
    "⁄": "/",
    "⁎": "*",
    "′": r"\prime",
    "\u0338": r"\not",
    "‴": r"\prime\prime\prime",
    "{": r"\{",
    "}": r"\}",
    "%": r"\%",
    "&": r"\&",
    "#": r"\#",
    "$": r"\$",
    "_": r"\_",
    "\\": r"\backslash",
    "~": r"\sim",
    "^": r"\hat{}",
    "\u00a0": " ",
    "\u2061": "",
    "\u2062": "",
    "\u2063": "",
    "\u2064": "",
    "\u200b": "",
    "\ufeff": "",
}

FUNCTIONS = frozenset(
    [
        "arccos",
        "arcsin",
        "arctan",
        "arg",
        "cos",
        "cosh",
        "cot",
        "coth",
        "csc",
        "deg",
        "det",
        "dim",
        "exp",
        "gcd",
        "hom",
        "inf",
        "ker",
        "lg",
        "lim",
        "liminf",
        "limsup",
        "ln",
        "log",
        "max",
        "min",
        "Pr",
        "sec",
        "sin",
        "sinh",
        "sup",
        "tan",
        "tanh",
    ]
)
"""Names that LaTeX sets upright by a command of their own."""

ACCENTS = {
    "^": "hat",
    "ˆ": "hat",
    "̂": "hat",
    "~": "tilde",
    "˜": "tilde",
    "∼": "tilde",
    "¯": "bar",
    "‾": "overline",
    "―": "overline",
    "_": "bar",
    "-": "bar",
    "−": "bar",
    "→": "vec",
    "⇀": "vec",
    "⃗": "vec",
    "˙": "dot",
    "̇": "dot",
    ".": "dot",
    "¨": "ddot",
    "..": "ddot",
    "ˇ": "check",
    "˘": "breve",
    "`": "grave",
    "´": "acute",
    "⏞": "overbrace",
    "⏜": "overparen",
    "←": "overleftarrow",
    "↔": "overleftrightarrow",
    "˚": "mathring",
}
UNDER_ACCENTS = {
    "_": "underline",
    "¯": "underline",
    "‾": "underline",
    "̲": "underline",
    "―": "underline",
    "⏟": "underbrace",
    "→": "underrightarrow",
}

VARIANTS = {
    "bold": "mathbf",
    "italic": "mathit",
    "bold-italic": "boldsymbol",
    "double-struck": "mathbb",
    "script": "mathcal",
    "bold-script": "mathcal",
    "fraktur": "mathfrak",
    "bold-fraktur": "mathfrak",
    "sans-serif": "mathsf",
    "bold-sans-serif": "mathsf",
    "monospace": "mathtt",
}

_ENDS_IN_COMMAND = re.compile(r"\\[A-Za-z]+\Z")
_FONT_WORDS = (
    ("BOLD ITALIC", "boldsymbol"),
    ("DOUBLE-STRUCK", "mathbb"),
    ("FRAKTUR", "mathfrak"),
    ("BLACK-LETTER", "mathfrak"),
    ("SCRIPT", "mathcal"),
    ("SANS-SERIF", "mathsf"),
    ("MONOSPACE", "mathtt"),
    ("BOLD", "mathbf"),
    ("ITALIC", ""),
)


def character(char: str) -> str:
    """Return the LaTeX of one character; itself when LaTeX has no better word. A command has no space after it."""
    known = SYMBOLS.get(char)
    if known is not None:
        return known
    if ord(char) < 0x2000:
        return char
    name = unicodedata.name(char, "")
    plain = unicodedata.normalize("NFKC", char)
    if len(plain) == 1 and plain != char and ("MATHEMATICAL" in name or "CAPITAL" in name or "SMALL" in name):
        font = next((font for word, font in _FONT_WORDS if word in name), None)
        if font is not None:
            inner = SYMBOLS.get(plain, plain)
            return rf"\{font}{{{inner}}}" if font else inner
    return char


def joined(parts: list[str]) -> str:
    r"""Join pieces of LaTeX with a space only where two would otherwise grow together (``\pi`` and ``r``)."""
    text = ""
    for part in parts:
        grows_together = part[:1].isalpha() and part[:1].isascii() and _ENDS_IN_COMMAND.search(text) is not None
        text += f" {part}" if grows_together else part
    return text


def text_characters(text: str) -> str:
    """Return the LaTeX of a run of characters."""
    return joined([character(char) for char in text])
