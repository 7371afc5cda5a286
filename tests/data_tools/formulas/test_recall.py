from pathlib import Path

import pytest

from data_tools.formulas.normal_form import normal_form
from data_tools.formulas.own_commands import defined_commands
from data_tools.formulas.recall import Recall, measure, run
from megatron_mathcoder.config.errors import DataError


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"a \le b", r"a\leq{}b"),
        (r"\frac12", r"\frac{1}{2}"),
        ("x^{2}", "x^2"),
        (r"\left( x \right)", "(x)"),
        ("f'^2", r"f^{\prime 2}"),
        (r"\mbox{if } x", r"\text{if }x"),
        (r"{\mathbb Z}_p", r"\mathbb{Z}_{p}"),
        (r"x,\quad y.", "x,y"),
        (r"a % note" + "\n b", "ab"),
    ],
)
def test_spellings_of_one_formula_are_one(one: str, other: str) -> None:
    assert normal_form(one) == normal_form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x^{12}", "x^12"),
        (r"\frac{a}{bc}", r"\frac{a}{b}c"),
        ("x_1", "x^1"),
        ("a+b", "a-b"),
        (r"\sqrt{ab}", r"\sqrt{a}b"),
        ("x", "X"),
    ],
)
def test_other_formulas_stay_other(one: str, other: str) -> None:
    assert normal_form(one) != normal_form(other)


def test_a_documents_own_commands_are_expanded() -> None:
    source = r"\newcommand{\Z}{\mathbb{Z}} \newcommand{\mod}[1]{\Z/#1\Z} \def\R{\mathbb R} \DeclareMathOperator{\rank}{rank}"
    commands = defined_commands(source)
    assert normal_form(r"\mod{n}\to\R", commands) == normal_form(r"\mathbb{Z}/n\mathbb{Z}\to\mathbb{R}")
    assert normal_form(r"\rank A", commands) == normal_form(r"\operatorname{rank}A")
    loop = defined_commands(r"\newcommand{\a}{\b}\newcommand{\b}{\a}")
    normal_form(r"\a", loop)


def test_each_formula_of_the_text_counts_once() -> None:
    recall = Recall()
    source = "\\begin{document}$x$ $x$ \\[y=1\\] $z$ $w$ %$c$\n\\end{document} $o$"
    measure(recall, "p", "We have $x$ and $$y=1$$ and $z$.", source)
    assert (recall.inline, recall.inline_found, recall.display, recall.display_found) == (4, 2, 1, 1)
    assert recall.missing == [("p", "x"), ("p", "w")]
    assert recall.share == 3 / 5


def test_formulas_of_real_pages_survive(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for page in sorted((shared_data / "planetmath/html").glob("11A[0-2]*.html")):
        (tmp_path / page.name).write_bytes(page.read_bytes())
    assert run([str(tmp_path), str(shared_data / "planetmath/tex")]) == 0
    said = capsys.readouterr().out
    assert "changed between inline and display 0" in said
    assert float(said.rsplit(" ", 1)[1].strip().rstrip("%")) >= 99.5


def test_nothing_to_compare_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("x")
    with pytest.raises(DataError, match=r"has a source of its name in .*; name folders with NAME.html and NAME.tex"):
        run([str(tmp_path), str(tmp_path)])
