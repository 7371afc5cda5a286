r"""A normal form of LaTeX, so that two spellings of one formula compare equal.

Decides: what means nothing for the formula goes (spaces, labels, numbers, sizes of fences, fonts of digits, a full stop at the
end); spellings of one command become one (``\le`` and ``\leq``); braces stay only where they group several tokens of a script
or an argument. So ``x^{12}`` and ``x^12`` differ, ``\frac12`` and ``\frac{1}{2}`` do not.
Does not: do algebra, or know a document's own commands unless they are given.
"""

import re
from collections.abc import Mapping

from data_tools.formulas.own_commands import LINE_COMMENT, Command, expand
from data_tools.formulas.symbols import FUNCTIONS

_DROPPED_NAMES = """
displaystyle textstyle scriptstyle scriptscriptstyle limits nolimits nonumber notag left right middle big Big bigg Bigg
bigl bigr bigm Bigl Bigr Bigm biggl biggr Biggl Biggr quad qquad hfill hfil null allowbreak nobreak relax strut
mathstrut hspace hskip kern mskip noindent centering par hline newline break mathopen mathclose mathbin mathrel mathord
mathop mathpunct mathinner ensuremath protect smash ignorespaces nulldelimiterspace thinspace negthinspace medspace
thickspace enspace rm mathnormal boldmath vphantom hphantom phantom substack
"""
_DROPPED = frozenset([*("\\" + name for name in _DROPPED_NAMES.split()), r"\,", r"\;", r"\:", r"\!", r"\>", r"\/", "~"])
_WITH_ARGUMENT = frozenset(
    [r"\label", r"\tag", r"\hspace", r"\vspace", r"\phantom", r"\hphantom", r"\vphantom", r"\raisebox", r"\color", r"\textcolor"]
)
_SAME = {
    r"\le": r"\leq",
    r"\ge": r"\geq",
    r"\ne": r"\neq",
    r"\to": r"\rightarrow",
    r"\gets": r"\leftarrow",
    r"\ldots": r"\dots",
    r"\cdots": r"\dots",
    r"\dotsc": r"\dots",
    r"\dotsb": r"\dots",
    r"\dotsm": r"\dots",
    r"\dotso": r"\dots",
    r"\hdots": r"\dots",
    "…": r"\dots",
    r"\lbrace": r"\{",
    r"\rbrace": r"\}",
    r"\lbrack": "[",
    r"\rbrack": "]",
    r"\vert": "|",
    r"\lvert": "|",
    r"\rvert": "|",
    r"\mid": "|",
    r"\divides": "|",
    r"\Vert": r"\|",
    r"\lVert": r"\|",
    r"\rVert": r"\|",
    r"\parallel": r"\|",
    r"\colon": ":",
    r"\land": r"\wedge",
    r"\lor": r"\vee",
    r"\lnot": r"\neg",
    r"\iff": r"\Longleftrightarrow",
    r"\implies": r"\Longrightarrow",
    r"\owns": r"\ni",
    r"\ast": "*",
    r"\prime": "'",
    r"\textrm": r"\text",
    r"\textnormal": r"\text",
    r"\mbox": r"\text",
    r"\hbox": r"\text",
    r"\fbox": r"\text",
    r"\operatorname": r"\mathrm",
    r"\operatornamewithlimits": r"\mathrm",
    r"\dfrac": r"\frac",
    r"\tfrac": r"\frac",
    r"\cfrac": r"\frac",
    r"\dbinom": r"\binom",
    r"\tbinom": r"\binom",
    r"\bold": r"\mathbf",
    r"\bf": r"\mathbf",
    r"\bm": r"\boldsymbol",
    r"\it": r"\mathit",
    r"\cal": r"\mathcal",
    r"\frak": r"\mathfrak",
    r"\varnothing": r"\emptyset",
    r"\slash": "/",
    r"\lt": "<",
    r"\gt": ">",
    r"\textgreater": ">",
    r"\textless": "<",
    r"\setminus": r"\backslash",
    r"\smallsetminus": r"\backslash",
    r"\Box": r"\square",
    r"\cr": r"\\",
    r"\tabularnewline": r"\\",
    r"\emph": r"\text",
    r"\textit": r"\text",
    r"\textsl": r"\text",
    r"\textup": r"\text",
    r"\dag": r"\dagger",
    r"\sp": "^",
    r"\sb": "_",
    r"\doublecap": r"\Cap",
    "−": "-",
    "’": "'",
    "‘": "'",
    "“": "``",
    "”": "''",
}
_TWO_ARGUMENTS = (r"\frac", r"\binom", r"\stackrel", r"\overset", r"\underset", r"\sideset")
_ONE_ARGUMENT = (
    *("^", "_", r"\sqrt", r"\overline", r"\underline", r"\widehat", r"\widetilde", r"\hat", r"\tilde", r"\bar", r"\vec"),
    *(r"\dot", r"\ddot", r"\acute", r"\grave", r"\check", r"\breve", r"\overbrace", r"\underbrace", r"\boxed", r"\cancel"),
    *(r"\overrightarrow", r"\overleftarrow", r"\xrightarrow", r"\xleftarrow"),
)
_ARGUMENTS = dict.fromkeys(_TWO_ARGUMENTS, 2) | dict.fromkeys(_ONE_ARGUMENT, 1)
"""Commands and signs with the number of groups that belong to them; braces anywhere else only part."""
_FUNCTION_NAMES = frozenset("\\" + name for name in FUNCTIONS)
_LAYOUT_NAMES = """
split aligned gathered align align* gather gather* equation equation* multline multline* eqnarray eqnarray* alignat alignat*
alignedat flalign flalign* math displaymath center
"""
_LAYOUT = frozenset(_LAYOUT_NAMES.split())
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\s+|.", re.DOTALL)
_ENVIRONMENT = re.compile(r"\\(begin|end)\s*\{([A-Za-z]+\*?)\}(?:\[[tbc]\])?")
_COLUMNS = re.compile(r"\\beginarray\s*(?:\[[tbc]?\])?\{(?:[^{}]|\{[^{}]*\})*\}")
_SUBARRAY = re.compile(r"\\(begin|end)subarray\s*(?:\{[lcr]\})?")
_STARRED = (r"\operatorname", r"\hspace", r"\vspace", r"\tag")
_DIMENSION = re.compile(
    r"\\(?:[hm]skip|m?kern)\s*-?[\d.]+\s*[a-z]{2}(?:\s*(?:plus|minus)\s*[\d.]+\s*[a-z]{2})*|\\intertext\{[^{}]*\}"
)


def normal_form(latex: str, commands: Mapping[str, Command] | None = None) -> str:
    """Return the normal form, as tokens parted by spaces."""
    text = LINE_COMMENT.sub("", latex)
    if commands:
        text = expand(text, commands)
    text = _ENVIRONMENT.sub(lambda match: "" if match[2] in _LAYOUT else rf"\{match[1]}{match[2].rstrip('*')} ", text)
    text = _DIMENSION.sub("", text).replace(r"\lx@stackrel", r"\stackrel")
    text = _SUBARRAY.sub(lambda match: "{" if match[1] == "begin" else "}", text)
    text = _COLUMNS.sub(r"\\beginarray ", text)
    tokens = _primes_raised(_words_joined(_tokens(text)))
    tokens = _without_loose_braces(tokens)
    while tokens and tokens[-1] in (".", ",", ";", ":", r"\\"):
        tokens.pop()
    # LaTeXML writes A^{'} as A^{{}^{\prime}}.
    return " ".join(tokens).replace("^ { ^ ' }", "^ '")


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    raw = [token for token in _TOKEN.findall(text) if token.strip(" \n\t\r\\") or token == r"\\"]
    index = 0
    while index < len(raw):
        token = raw[index]
        index += 1
        if token in _STARRED and raw[index : index + 1] == ["*"]:
            index += 1
        if token in _WITH_ARGUMENT:
            index = _after_group(raw, index)
        elif token not in _DROPPED and token not in ("&", r"\\", r"\cr"):
            # The number of alignment marks and line breaks is layout; what stands between them is compared.
            tokens.append(_SAME.get(token, token))
    return tokens


def _after_group(tokens: list[str], index: int) -> int:
    if index >= len(tokens) or tokens[index] != "{":
        return index
    depth = 0
    for position in range(index, len(tokens)):
        depth += (tokens[position] == "{") - (tokens[position] == "}")
        if depth == 0:
            return position + 1
    return len(tokens)


def _words_joined(tokens: list[str]) -> list[str]:
    r"""Write ``\mathrm{mod}`` and ``\text{mod}`` and a bare ``\bmod`` alike, and known function names as letters."""
    joined: list[str] = []
    for token in tokens:
        if token in (r"\bmod", r"\mod", r"\pmod", r"\pod"):
            joined += list("mod")
        elif token in _FUNCTION_NAMES:
            joined += list(token[1:])
        elif token in (r"\mathrm", r"\text", r"\mathop", r"\mathit"):
            continue
        else:
            joined.append(token)
    return joined


def _primes_raised(tokens: list[str]) -> list[str]:
    """Write ``f'`` as ``f^{'}`` and ``f'^2`` as ``f^{'2}``, as TeX itself does."""
    raised: list[str] = []
    index = 0
    while index < len(tokens):
        if tokens[index] != "'" or raised[-1:] in (["^"], ["'"]) or raised[-2:] == ["^", "{"]:
            raised.append(tokens[index])
            index += 1
            continue
        end = index
        while end < len(tokens) and tokens[end] == "'":
            end += 1
        primes, after = tokens[index:end], []
        if tokens[end : end + 1] == ["^"]:
            stop = _after_group(tokens, end + 1)
            stop = stop if stop > end + 1 else end + 2
            after, end = tokens[end + 1 : stop], stop
        raised += ["^", "{", *primes, *after, "}"]
        index = end
    return raised


def _without_loose_braces(tokens: list[str]) -> list[str]:
    """Drop braces around one token, and those that only group and are no script or argument."""
    groups: list[list[str]] = [[]]
    awaited = [0]
    for token in tokens:
        if token == "{":
            groups.append([])
            awaited.append(0)
            continue
        group = [token]
        if token == "}":
            if len(groups) == 1:
                continue
            group = groups.pop()
            awaited.pop()
            group = ["{", *group, "}"] if len(group) > 1 and awaited[-1] else group
        groups[-1] += group
        awaited[-1] = _ARGUMENTS.get(token, max(0, awaited[-1] - 1))
    return [token for group in groups for token in group]
