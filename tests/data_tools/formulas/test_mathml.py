import pytest
from resiliparse.parse.html import HTMLTree

from data_tools.formulas.mathml import given_latex, presentation_to_latex
from data_tools.formulas.normal_form import normal_form


def latex(markup: str) -> str:
    return presentation_to_latex(HTMLTree.parse(f"<body><math>{markup}</math>").body.query_selector("math"))


ROOT = (
    "<mi>x</mi><mo>=</mo><mfrac><mrow><mo>−</mo><mi>b</mi><mo>±</mo><msqrt><msup><mi>b</mi><mn>2</mn></msup><mo>−</mo><mn>4</mn>"
    "<mo>&#x2062;</mo><mi>a</mi><mi>c</mi></msqrt></mrow><mrow><mn>2</mn><mi>a</mi></mrow></mfrac>"
)
TABLE = (
    "<mtable><mtr><mtd><mi>a</mi></mtd><mtd><mi>b</mi></mtd></mtr><mtr><mtd><mi>c</mi></mtd><mtd><mi>d</mi></mtd></mtr></mtable>"
)


@pytest.mark.parametrize(
    ("markup", "wanted"),
    [
        (ROOT, r"x=\frac{-b\pm\sqrt{b^{2}-4ac}}{2a}"),
        (
            "<munderover><mo>∑</mo><mrow><mi>i</mi><mo>=</mo><mn>1</mn></mrow><mi>n</mi></munderover><mi>i</mi>",
            r"\sum_{i=1}^{n}i",
        ),
        ("<munder><mi>lim</mi><mrow><mi>x</mi><mo>→</mo><mi>∞</mi></mrow></munder>", r"\lim_{x\to\infty}"),
        (f"<mo>(</mo>{TABLE}<mo>)</mo>", r"\begin{pmatrix}a & b \\ c & d\end{pmatrix}"),
        (f"<mo>[</mo><mrow>{TABLE}</mrow><mo>]</mo>", r"\begin{bmatrix}a & b \\ c & d\end{bmatrix}"),
        (f"<mi>f</mi><mo>=</mo><mo>{{</mo>{TABLE}", r"f=\begin{cases}a & b \\ c & d\end{cases}"),
        (f"<mfenced open='|' close='|'>{TABLE}</mfenced>", r"\begin{vmatrix}a & b \\ c & d\end{vmatrix}"),
        (TABLE, r"\begin{matrix}a & b \\ c & d\end{matrix}"),
        ("<mo>(</mo><mfrac linethickness='0'><mi>n</mi><mi>k</mi></mfrac><mo>)</mo>", r"\binom{n}{k}"),
        ("<mo>(</mo><mfrac><mn>1</mn><mn>2</mn></mfrac><mo>)</mo>", r"\left(\frac{1}{2}\right)"),
        ("<mi>f</mi><mo>(</mo><mi>x</mi><mo>)</mo>", "f(x)"),
        ("<mover><mi>x</mi><mo>^</mo></mover><mover><mi>v</mi><mo>→</mo></mover>", r"\hat{x}\vec{v}"),
        ("<mover><mrow><mi>A</mi><mi>B</mi></mrow><mo>¯</mo></mover>", r"\overline{AB}"),
        ("<munder><mrow><mi>a</mi></mrow><mo>⏟</mo></munder>", r"\underbrace{a}"),
        ("<mover><mo>=</mo><mtext>def</mtext></mover>", r"\overset{\text{def}}{=}"),
        ("<msup><mi>f</mi><mo>′</mo></msup><msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup>", "f'x_{i}^{2}"),
        ("<msup><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><mn>2</mn></msup>", "{a+b}^{2}"),
        ("<mroot><mi>x</mi><mn>3</mn></mroot>", r"\sqrt[3]{x}"),
        (
            "<mmultiscripts><mi>C</mi><mi>k</mi><none/><mprescripts/><none/><mi>n</mi></mmultiscripts>",
            "{}^{n}C_{k}",
        ),
        ("<semantics><mi>x</mi><annotation-xml><apply/></annotation-xml></semantics>", "x"),
        ("<apply><plus/><ci>x</ci></apply>", "x"),
        ("<mo>{</mo><mi>x</mi><mo>}</mo>", r"\{x\}"),
        ("<mi>a</mi><mo>≡</mo><mi>b</mi><mo>(</mo><mo>mod</mo><mi>n</mi><mo>)</mo>", r"a\equiv b\pmod{n}"),
        ("", ""),
        ("<mfrac></mfrac>", r"\frac{}{}"),
    ],
)
def test_presentation_elements(markup: str, wanted: str) -> None:
    assert latex(markup) == wanted


def test_what_somebody_wrote_comes_first() -> None:
    page = HTMLTree.parse(
        '<body><math alttext="b"><semantics><mi>c</mi><annotation encoding="application/x-tex">a</annotation></semantics></math>'
        '<math alttext="b"><mi>c</mi></math><math><annotation encoding="StarMath 5.0">no</annotation><mi>c</mi></math>'
    )
    assert [given_latex(math) for math in page.body.get_elements_by_tag_name("math")] == ["a", "b", None]


def test_nesting_without_end_is_text() -> None:
    assert latex("<mrow>" * 3000 + "<mi>x</mi>") == "x"
    assert latex("<msqrt>" * 400 + "<mi>x</mi>").startswith(r"\sqrt{\sqrt{")


def test_most_real_formulas_read_from_presentation_equal_their_latex(shared_data) -> None:
    same = total = 0
    for page in sorted((shared_data / "planetmath/html").glob("11A[01]*.html")):
        for math in HTMLTree.parse(page.read_text(errors="replace")).body.get_elements_by_tag_name("math"):
            total += 1
            same += normal_form(presentation_to_latex(math)) == normal_form(given_latex(math))
    assert total > 500
    assert same / total > 0.95
