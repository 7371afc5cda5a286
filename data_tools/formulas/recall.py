r"""``mathcoder formula-recall``: how many formulas of LaTeX sources are in the text made from their web pages.

Decides: what recall means. The truth is every formula between delimiters (``$``, ``$$``, ``\(``, ``\[`` and display
environments) in the body of the source, the source's own commands expanded. A formula is found when its normal form
(``normal_form.py``) is among the normal forms of the page's formulas, each of which counts once; several lines of an alignment
may be found as one formula or as their parts. Inline and displayed formulas are counted apart, and one that is found but
changed from display to inline is counted. Recall is found / truth.
Does not: forgive what the renderer of the page lost before us: it counts as missing. ``--list`` shows every missing formula.
"""

import argparse
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from data_tools.formulas.find import DISPLAY_ENVIRONMENTS, Formula, find_formulas
from data_tools.formulas.latex_source import decoded, without_comments, without_listings
from data_tools.formulas.normal_form import normal_form
from data_tools.formulas.own_commands import Command, defined_commands
from megatron_mathcoder.config.errors import DataError

_BODY = re.compile(r"\\begin\{document\}(.*?)(?:\\end\{document\}|\Z)", re.DOTALL)
_LINE = re.compile(r"\\\\(?:\s*\[[^\]]*\])?|\\cr\b")


@dataclass(slots=True)
class Recall:
    """Counts over pages. ``missing`` has (page, LaTeX) of each formula that was not found."""

    pages: int = 0
    inline: int = 0
    inline_found: int = 0
    display: int = 0
    display_found: int = 0
    changed_style: int = 0
    missing: list[tuple[str, str]] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Found formulas / formulas; 1 when there are none."""
        total = self.inline + self.display
        return (self.inline_found + self.display_found) / total if total else 1.0


def truth_formulas(source: str) -> tuple[list[Formula], dict[str, Command]]:
    """Return the formulas in a LaTeX source's body, and the commands it defines."""
    commands = defined_commands(source)
    body = _BODY.search(source)
    text = without_listings(without_comments(body[1] if body else source))
    return [formula for formula in find_formulas(text) if formula.latex.strip()], commands


def measure(recall: Recall, page: str, text: str, source: str) -> None:
    """Count one page: its extracted ``text`` against its LaTeX ``source``."""
    recall.pages += 1
    formulas, commands = truth_formulas(source)
    styles: Counter[tuple[str, bool]] = Counter()
    available: Counter[str] = Counter()
    for formula in find_formulas(text):
        for form in _forms(formula.latex, {}):
            available[form] += 1
            styles[form, formula.display] += 1
    for formula in formulas:
        forms = list(_forms(formula.latex, commands))
        if not forms:
            continue
        found = _take(available, forms)
        if formula.display:
            recall.display, recall.display_found = recall.display + 1, recall.display_found + found
        else:
            recall.inline, recall.inline_found = recall.inline + 1, recall.inline_found + found
        if not found:
            recall.missing.append((page, formula.latex))
        elif not any(styles[form, formula.display] for form in forms):
            recall.changed_style += 1


def _take(available: Counter[str], forms: list[str]) -> bool:
    """Say whether all lines are there, and use them up."""
    needed = Counter(forms)
    if any(available[form] < count for form, count in needed.items()):
        return False
    available.subtract(needed)
    return True


def _forms(latex: str, commands: dict[str, Command]) -> Iterator[str]:
    """Yield the normal form of each line of a formula. Lines of a matrix belong together."""
    inner = re.sub(rf"\\(?:begin|end)\{{(?:{'|'.join(DISPLAY_ENVIRONMENTS)}|split|aligned|gathered)\*?\}}", "", latex)
    for line in [inner] if r"\begin" in inner else _lines(inner):
        form = normal_form(line, commands)
        if form:
            yield form


def _lines(latex: str) -> Iterator[str]:
    """Cut at line breaks outside braces: ``\\substack{a\\\\b}`` has none of its own."""
    start = 0
    for match in _LINE.finditer(latex):
        before = re.sub(r"\\[{}]", "", latex[start : match.start()])
        if before.count("{") == before.count("}"):
            yield latex[start : match.start()]
            start = match.end()
    yield latex[start:]


def _pairs(pages: Path, truth: Path) -> list[tuple[Path, Path]]:
    found = [(page, truth / f"{page.stem}.tex") for page in sorted(pages.rglob("*.html"))]
    pairs = [(page, source) for page, source in found if source.exists()]
    if not pairs:
        raise DataError(
            f"no page of {str(pages)!r} has a source of its name in {str(truth)!r}; name folders with NAME.html and NAME.tex"
        )
    return pairs


def run(argv: list[str]) -> int:
    """Run the verb. Raises DataError when there is nothing to compare."""
    from data_tools.sources.web_page import read_page

    parser = argparse.ArgumentParser(
        prog="mathcoder formula-recall",
        description="Measure how many formulas of LaTeX sources survive in the text of their pages.",
    )
    parser.add_argument("pages", type=Path, metavar="HTML_DIR", help="folder of NAME.html")
    parser.add_argument("truth", type=Path, metavar="TEX_DIR", help="folder of NAME.tex")
    parser.add_argument("--list", action="store_true", help="print every missing formula")
    options = parser.parse_args(argv)
    recall = Recall()
    for page, source in _pairs(options.pages, options.truth):
        try:
            text = read_page(page.read_bytes()).text
        except ValueError as error:
            print(f"{page}: {error}")
            text = ""
        measure(recall, page.stem, text, decoded(source.read_bytes()))
    if options.list:
        for name, latex in recall.missing:
            print(f"{name}: {' '.join(latex.split())}")
    print(
        f"{recall.pages} pages; inline {recall.inline_found}/{recall.inline}, display {recall.display_found}/{recall.display}, "
        f"changed between inline and display {recall.changed_style}; formula recall {recall.share:.2%}"
    )
    return 0
