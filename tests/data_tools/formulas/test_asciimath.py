import pytest

from data_tools.formulas.asciimath import asciimath_to_latex


@pytest.mark.parametrize(
    ("given", "latex"),
    [
        ("sum_(i=1)^n i^3=((n(n+1))/2)^2", r"\sum_{i=1}^{n}i^{3}=\left( \frac{n(n+1)}{2} \right)^{2}"),
        ("sqrt(x+1)/2", r"\frac{\sqrt{x+1}}{2}"),
        ("root(3)(x)", r"\sqrt[3]{x}"),
        ("[[a,b],[c,d]]", r"\begin{bmatrix}a & b \\ c & d\end{bmatrix}"),
        ("((1,0),(0,1))", r"\begin{pmatrix}1 & 0 \\ 0 & 1\end{pmatrix}"),
        ("{(x, if x>0),(-x, if x<=0):}", r"\begin{cases}x & \text{ if }x>0 \\ -x & \text{ if }x\leq0\end{cases}"),
        ("lim_(x->oo) f(x)", r"\lim_{x\to\infty}f(x)"),
        ("abs(x) != norm(y)", r"\left| x \right|\neq\left\| y \right\|"),
        ('x = "if it is" y', r"x=\text{if it is}y"),
        ("AA x in RR, EE y", r"\forall x\in\mathbb{R},\exists y"),
        ("e^(i pi)+1=0", r"e^{i\pi}+1=0"),
        ("(a,b]", "(a,b]"),
        ("a/b/c", r"\frac{a}{b}/c"),
        ("hat(ab) vec x", r"\hat{ab}\vec{x}"),
        ("50% of $3", r"50\%of\$3"),
        ("))((", "))(("),
        ("", ""),
    ],
)
def test_asciimath_is_latex(given: str, latex: str) -> None:
    assert asciimath_to_latex(given) == latex


NESTED_MATRICES = "[[" * 28 + "x" + ",1],[1,1]]" * 28


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "given",
    ["(" * 4000, "[[" * 2000, "sqrt " * 2000, "[[a,b],[" * 300 + "c", "x/" * 3000, "{:" * 900, NESTED_MATRICES],
)
def test_nesting_without_end_takes_no_time_without_end(given: str) -> None:
    assert asciimath_to_latex(given)
