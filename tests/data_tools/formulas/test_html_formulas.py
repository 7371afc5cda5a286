import pytest

from data_tools.formulas.delimiters import clean_latex
from data_tools.formulas.find import find_formulas
from data_tools.sources.web_page import read_page

FILLER = "<p>" + "This sentence is here so that the page has a main text of some length, as every real page has. " * 4 + "</p>"
X2 = "<msup><mi>x</mi><mn>2</mn></msup>"
TEX = "<annotation encoding='application/x-tex'>x^2</annotation>"


@pytest.mark.parametrize(
    ("markup", "latex", "display"),
    [
        (f"<math>{X2}</math>", "x^{2}", False),
        (f"<math display='block'><semantics>{X2}{TEX}</semantics></math>", "x^2", True),
        (f"<math alttext='x^2' display='inline'>{X2}</math>", "x^2", False),
        (r"<math alttext='{\displaystyle x^2}'></math>", "x^2", False),
        ("<m:math><m:mi>x</m:mi></m:math>", "x", False),
        ("<math><mi>x</mi><mtext>\u00a0</mtext></math>", "x", False),
        (r"<script type='math/tex'>x\ \ </script>", "x", False),
        ("<script type='math/tex'>x^2</script>", "x^2", False),
        ("<script type='math/tex; mode=display'>x^2</script>", "x^2", True),
        (
            (
                "<span class='MathJax_Preview'>x2</span><span class='MathJax'><nobr>x2</nobr></span>"
                "<script type='math/tex' id='MathJax-Element-1'>x^2</script>"
            ),
            "x^2",
            False,
        ),
        (f'<span class="MathJax" data-mathml="<math>{X2.replace(chr(34), "")}</math>"><nobr>x2</nobr></span>', "x^{2}", False),
        (
            f"<mjx-container display='true'><svg></svg><mjx-assistive-mml><math>{X2}</math></mjx-assistive-mml></mjx-container>",
            "x^{2}",
            True,
        ),
        (
            (
                f"<span class='katex'><span class='katex-mathml'><math><semantics>{X2}{TEX}</semantics></math></span>"
                "<span class='katex-html' aria-hidden='true'>x2</span></span>"
            ),
            "x^2",
            False,
        ),
        (
            (
                f"<span class='katex-display'><span class='katex'><span class='katex-mathml'><math>{X2}{TEX}"
                "</math></span><span class='katex-html'>x2</span></span></span>"
            ),
            "x^2",
            True,
        ),
        (
            (
                "<span class='mwe-math-element'><span style='display:none'><math alttext='{\\displaystyle x^{2}}'></math></span>"
                "<img class='mwe-math-fallback-image-inline' alt='{\\displaystyle x^{2}}'></span>"
            ),
            "x^{2}",
            False,
        ),
        (r"<span class='math'>\(x^2\)</span>", "x^2", False),
        (r"<div class='math'>\[x^2\]</div>", "x^2", True),
        ("$$x^2$$", "x^2", True),
        ("$x^2$", "x^2", False),
        ("<img class='latex' alt='x^2' src='a.png'>", "x^2", False),
        ("<img alt='$x^2$' src='a.png'>", "x^2", False),
        ("<img class='math' alt='m, a' src='a.png'>", "m, a", False),
        ("<div class='math'><p><img alt='F = m a' src='a.png'></p></div>", "F = m a", True),
        ("<img src='https://latex.codecogs.com/gif.latex?x%5E2'>", "x^2", False),
        ("<img src='https://s0.wp.com/latex.php?latex=x%5E2&bg=ffffff'>", "x^2", False),
    ],
)
def test_every_way_a_page_holds_a_formula(markup: str, latex: str, display: bool) -> None:
    page = read_page(f"<html><body><article>{FILLER}<p>Before {markup} after.</p>{FILLER}</article></body></html>".encode())
    (formula,) = find_formulas(page.text)
    assert (formula.latex, formula.display) == (latex, display)
    assert page.text.index("Before") < formula.start < page.text.index("after.")
    assert page.text.count("x2") == 0
    assert (page.metadata["formulas"], page.metadata["formulas_kept"]) == (1, 1)


@pytest.mark.parametrize(
    "form", ["<img class='math' alt='{}'>", "<math alttext='{}'></math>", "<script type='math/tex'>{}</script>"]
)
def test_none_of_many_is_passed_over(form: str) -> None:
    names = [f"a_{{{number}}}" for number in range(9)]
    body = " and ".join(form.format(name) for name in names)
    text = read_page(f"<body><article>{FILLER}<p>Let {body} be.</p>{FILLER}</article>".encode()).text
    assert [formula.latex for formula in find_formulas(text)] == names


def test_an_alignment_of_latexml_is_one_formula_a_row() -> None:
    rows = "".join(
        "<tr class='ltx_equation ltx_eqn_row'>"
        f"<td class='ltx_eqn_cell'><math alttext='\\displaystyle {left}'></math></td>"
        f"<td class='ltx_eqn_cell'><math alttext='\\displaystyle={right}'></math></td><td>({right})</td></tr>"
        for left, right in (("a", 1), ("b", 2))
    )
    text = read_page(f"<body>{FILLER}<table class='ltx_eqn_align'>{rows}</table>{FILLER}".encode()).text
    assert [formula.latex for formula in find_formulas(text) if formula.display] == [r"a =1 \tag{1}", r"b =2 \tag{2}"]


def test_raised_and_lowered_text() -> None:
    body = "x<sup>2</sup> + a<sub>10</sub>, the 4<sup>th</sup> of May<sup>3</sup>, <a>note<sup>1</sup></a> H<sub>2</sub>O"
    text = read_page(f"<body><article><p>{body}</p>{FILLER}</article>".encode()).text
    assert "x^2 + a_{10}, the 4th of May3, note1 H_2O" in text


@pytest.mark.parametrize(
    ("given", "clean"),
    [
        (r"\[ x \]", ("x", True)),
        (r"{\displaystyle {\frac {a}{b}}}", (r"{\frac {a}{b}}", False)),
        (r"{\displaystyle a}+{b}", (r"{\displaystyle a}+{b}", False)),
        ("a%\nb % comment\n", ("ab", False)),
        (r"5\%", (r"5\%", False)),
        (r"\displaystyle=3", ("=3", False)),
        ("$ $", ("$ $", False)),
        ("\ue0003\ue001", ("3", False)),
    ],
)
def test_clean_latex(given: str, clean: tuple[str, bool]) -> None:
    assert clean_latex(given) == clean
