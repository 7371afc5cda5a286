import pytest

from tests.data_tools.formulas.test_mathml import latex


@pytest.mark.parametrize(
    ("markup", "wanted"),
    [
        ("<mi>ℝ</mi><mi>𝐱</mi><mi mathvariant='fraktur'>g</mi><mi>𝒞</mi>", r"\mathbb{R}\mathbf{x}\mathfrak{g}\mathcal{C}"),
        ("<mi>sin</mi><mi>θ</mi><mi>sin</mi><mi>a</mi><mi>foo</mi>", r"\sin\theta\sin a\operatorname{foo}"),
        ("<mi>a</mi><mo>≤</mo><mi>b</mi><mo>∉</mo><mi>C</mi>", r"a\leq b\notin C"),
        ("<mtext>if </mtext><mi>x</mi><mtext> is 5%</mtext>", r"\text{if }x\text{ is 5\%}"),
        ("<mi mathvariant='normal'>d</mi><mi>x</mi>", r"\mathrm{d}x"),
        ("<mn>3.5</mn><mn mathvariant='bold'>0</mn>", r"3.5\mathbf{0}"),
        ("<mo>max</mo><mi>a</mi><mo>foo</mo><mi>b</mi>", r"\max a\operatorname{foo}b"),
        ("<ms>a b</ms><mtext>\u00a0</mtext><mi>x</mi>", r"\text{a b}\ x"),
        ("<mi>a</mi><mspace width='1em'/><mi>b</mi><mspace width='2em'/><mi>c</mi><mspace width='0.2em'/>", r"a\quad b\qquad c"),
    ],
)
def test_elements_that_hold_characters(markup: str, wanted: str) -> None:
    assert latex(markup) == wanted
