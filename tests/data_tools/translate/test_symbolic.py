"""The embedded translator: every program is run here and its output compared with what the text says."""

import contextlib
import io
import json
import random
import time
from pathlib import Path

import pytest

from data_tools.formulas.own_commands import Command, commands_from, used_commands
from data_tools.translate.computation import Computation
from data_tools.translate.symbolic import translate


def run(code: str) -> str:
    """What a program of ours prints; the translator wrote it, so it is run in this process."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "snippet", "exec"), {"__name__": "__main__"})
    return out.getvalue().strip()


def only(text: str) -> Computation:
    completion = translate(text)
    assert [each.reason for each in completion.unparsed] == []
    (found,) = completion.computations
    assert found.span is not None
    return found


@pytest.mark.parametrize(
    ("latex", "expression", "result", "printed"),
    [
        (r"\frac{1}{2}(5)(4+2) = \boxed{15}", r"\frac{1}{2}(5)(4+2)", "15", "15"),
        (r"BC = \sqrt{3^2+4^2} = 5", r"\sqrt{3^2+4^2}", "5", "5"),
        (r"\sqrt{(-3-3)^2+(-12-(-4))^2}=10", r"\sqrt{(-3-3)^2+(-12-(-4))^2}", "10", "10"),
        (r"2^{10} = 1{,}024", "2^{10}", "1{,}024", "1024"),
        (r"1{,}000 \times 3 = 3,000", r"1{,}000 \times 3", "3,000", "3000"),
        (r"\binom{14}{5}=2002", r"\binom{14}{5}", "2002", "2002"),
        (r"{5 \choose 2} + 3! = 16", r"{5 \choose 2} + 3!", "16", "16"),
        (r"\gcd(12, 18) = 6", r"\gcd(12, 18)", "6", "6"),
        (r"\operatorname{lcm}(4, 6, 10) = 60", r"\operatorname{lcm}(4, 6, 10)", "60", "60"),
        (r"\left\lfloor \frac{1000}{11} \right\rfloor = 90", r"\left\lfloor \frac{1000}{11} \right\rfloor", "90", "90"),
        (r"|3 - 8| = 5", "|3 - 8|", "5", "5"),
        (r"\log_2 8 + \log 1000 = 6", r"\log_2 8 + \log 1000", "6", "6"),
        (r"\ln(e^3) = 3", r"\ln(e^3)", "3", "3"),
        (r"\sin 30^\circ = \frac12", r"\sin 30^\circ", r"\frac12", "1/2"),
        (r"180^\circ - 60^\circ = 120^\circ", r"180^\circ - 60^\circ", r"120^\circ", "120"),
        (r"(1+i)^2 = 2i", "(1+i)^2", "2i", "2*I"),
        (r"e^{i\pi} + 1 = 0", r"e^{i\pi} + 1", "0", "0"),
        (r"3\frac{1}{2} + \frac12 = 4", r"3\frac{1}{2} + \frac12", "4", "4"),
        (r"0.\overline{3} \cdot 3 = 1", r"0.\overline{3} \cdot 3", "1", "1"),
        (r"2^33^2 = 72", "2^33^2", "72", "72"),
        (r"\sqrt{2} \approx 1.414", r"\sqrt{2}", "1.414", "1.414"),
        (r"\frac{2}{3} \approx 66.7\%", r"\frac{2}{3}", r"66.7\%", "66.7%"),
        (r"\frac{3}{8} + \frac18 = 50\%", r"\frac{3}{8} + \frac18", r"50\%", "50%"),
        (r"12 \cdot 3 = 36\text{ cm}^2", r"12 \cdot 3", r"36\text{ cm}^2", "36"),
        (r"17 \bmod 5 = 2", r"17 \bmod 5", "2", "2"),
        (r"7^{100} \equiv 1 \pmod{4}", r"7^{100} \bmod 4", "1", "1"),
        (r"2^{10} \equiv 4 \equiv -1 \pmod 5", r"2^{10} \bmod 5", "-1", "-1"),
        (r"\sum_{k=1}^{100} k = 5050", r"\sum_{k=1}^{100} k", "5050", "5050"),
        (r"\sum_{i=1}^{3} i^2 = 14", r"\sum_{i=1}^{3} i^2", "14", "14"),
        (r"\sum_{k=1}^n k = \frac{n(n+1)}{2}", r"\sum_{k=1}^n k", r"\frac{n(n+1)}{2}", "n*(n + 1)/2"),
        (r"\prod_{k=1}^{5} k = 120", r"\prod_{k=1}^{5} k", "120", "120"),
        (r"\sum_{n=0}^\infty \frac{1}{2^n} = 2", r"\sum_{n=0}^\infty \frac{1}{2^n}", "2", "2"),
        (r"\int_0^1 x^2\,dx = \frac13", r"\int_0^1 x^2\,dx", r"\frac13", "1/3"),
        (r"\int_1^e \frac{dx}{x} = 1", r"\int_1^e \frac{dx}{x}", "1", "1"),
        (r"\int x^2 \, dx = \frac{x^3}{3} + C", r"\int x^2 \, dx", r"\frac{x^3}{3} + C", "C + x**3/3"),
        (r"\int_0^\infty e^{-x}\,dx = 1", r"\int_0^\infty e^{-x}\,dx", "1", "1"),
        (r"\frac{d}{dx} x^3 = 3x^2", r"\frac{d}{dx} x^3", "3x^2", "3*x**2"),
        (r"\frac{d^2}{dx^2} (x^3 + x) = 6x", r"\frac{d^2}{dx^2} (x^3 + x)", "6x", "6*x"),
        (r"\lim_{x\to 0} \frac{\sin x}{x} = 1", r"\lim_{x\to 0} \frac{\sin x}{x}", "1", "1"),
        (r"\lim_{x\to c} \frac{x^2-c^2}{x-c} = 2c", r"\lim_{x\to c} \frac{x^2-c^2}{x-c}", "2c", "2*c"),
        (r"\begin{vmatrix}1&2\\3&4\end{vmatrix} = -2", r"\begin{vmatrix}1&2\\3&4\end{vmatrix}", "-2", "-2"),
        (
            r"\begin{pmatrix}1&2\\3&4\end{pmatrix}\begin{pmatrix}1\\1\end{pmatrix} = \begin{pmatrix}3\\7\end{pmatrix}",
            r"\begin{pmatrix}1&2\\3&4\end{pmatrix}\begin{pmatrix}1\\1\end{pmatrix}",
            r"\begin{pmatrix}3\\7\end{pmatrix}",
            "Matrix([[3], [7]])",
        ),
        (r"(x+1)^2 = x^2+2x+1", "(x+1)^2", "x^2+2x+1", "x**2 + 2*x + 1"),
        (r"x^2 - 1 = (x-1)(x+1)", "x^2 - 1", "(x-1)(x+1)", "(x - 1)*(x + 1)"),
        (r"54 = 2 \cdot 3^3", r"2 \cdot 3^3", "54", "54"),
        (r"5625 = 5 \times 1125 = 5^4 \times 3^2", r"5^4 \times 3^2", "5625", "5625"),
        (r"35^{2} = 21^{2}+28^{2}", "35^{2}", "21^{2}+28^{2}", "1225"),
        (r"10 - 1 = 9 = 9^1", "10 - 1", "9", "9"),
        (r"\sqrt[3]{-8} = -2", r"\sqrt[3]{-8}", "-2", "-2"),
        (r"(-8)^{2/3} = 4", "(-8)^{2/3}", "4", "4"),
        (r"{{6}\over{4}} = \nicefrac{3}{2}", r"\frac{{6}}{{4}}", r"\frac{3}{2}", "3/2"),
        (
            r"\frac{2}{x^2-1} = \frac{1}{x-1} - \frac{1}{x+1}",
            r"\frac{2}{x^2-1}",
            r"\frac{1}{x-1} - \frac{1}{x+1}",
            "-1/(x + 1) + 1/(x - 1)",
        ),
        (r"(\sqrt{2} + \sqrt{3})^2 = 5 + 2\sqrt{6}", r"(\sqrt{2} + \sqrt{3})^2", r"5 + 2\sqrt{6}", "2*sqrt(6) + 5"),
        (r"A + \frac{p}{q} = \frac{qA + p}{q}", r"A + \frac{p}{q}", r"\frac{qA + p}{q}", "(A*q + p)/q"),
        ("-[-(p+q)] = p+q", "-[-(p+q)]", "p+q", "p + q"),
        (r"\frac{b^2+3b+2-b^2-b}{2} = b+1", r"\frac{b^2+3b+2-b^2-b}{2}", "b+1", "b + 1"),
        ("a - b + 3 = (a + 1) - (b - 2)", "(a + 1) - (b - 2)", "a - b + 3", "a - b + 3"),
        (r"2kr = r^2+k^2-(r-k)^2", "r^2+k^2-(r-k)^2", "2kr", "2*k*r"),
        (r"\sqrt{6 + 2\sqrt{5}} = 1 + \sqrt{5}", r"\sqrt{6 + 2\sqrt{5}}", r"1 + \sqrt{5}", "1 + sqrt(5)"),
        (r"\operatorname{acot} 1 = \frac{\pi}{4}", r"\operatorname{acot} 1", r"\frac{\pi}{4}", "pi/4"),
        (r"\mathop{\text{lcm}}(4,6) = 12", r"\mathop{\text{lcm}}(4,6)", "12", "12"),
        (r".\overline{7} \cdot 9 = 7", r".\overline{7} \cdot 9", "7", "7"),
        (r"\displaystyle 2 + 3 \pause = 5", "2 + 3", "5", "5"),
        (r"\log x + \log y = \log(xy)", r"\log x + \log y", r"\log(xy)", "log(x*y)"),
        (
            r"a_{n+1} + 2a_{n-1} + a_{n+1} = 2a_{n+1} + 2a_{n-1}",
            "a_{n+1} + 2a_{n-1} + a_{n+1}",
            "2a_{n+1} + 2a_{n-1}",
            "2*a_n_minus_1 + 2*a_n_plus_1",
        ),
    ],
)
def test_a_claim_becomes_a_program_that_prints_it(latex: str, expression: str, result: str, printed: str) -> None:
    text = f"We find that ${latex}$."
    found = only(text)
    assert (found.expression, found.result) == (expression, result)
    assert run(found.code) == printed


@pytest.mark.parametrize(
    ("text", "conditions", "printed"),
    [
        ("Let $x = 3$. Then $x^2 + 1 = 10$.", ("x = 3",), "10"),
        ("If $a = 2$ and $b = 5$, then $ab + 1 = 11$.", ("a = 2", "b = 5"), "11"),
        ("Let $f(x) = x^2 + 1$. Then $f(3) = 10$.", ("f(x) = x^2 + 1",), "10"),
        (
            r"$f(x) = \frac{1}{x}$, $g(x) = f(x) + 1$. So $g(3) = \frac{4}{3}$.",
            ("f(x) = \\frac{1}{x}", "g(x) = f(x) + 1"),
            "4/3",
        ),
        ("Let $f(x) = x^3$. Then $f'(x) = 3x^2$.", ("f(x) = x^3",), "3*x**2"),
        (r"Let $f(x) = x^3$. Then $f^{\prime}(x) = 3x^2$.", ("f(x) = x^3",), "3*x**2"),
        (r"Let $x = 18^\circ$. Then $6x = 108^\circ$.", (r"x = 18^\circ",), "3*pi/5"),
        (r"Let $x = -8$. Then $\sqrt[3]{x} = -2$.", ("x = -8",), "-2"),
    ],
)
def test_conditions_stated_nearby_are_used_and_named(text: str, conditions: tuple[str, ...], printed: str) -> None:
    found = only(text)
    assert found.conditions == conditions
    assert run(found.code) == printed


@pytest.mark.parametrize(
    ("text", "result", "printed"),
    [
        ("Solve $2x + 3 = 7$. We get $x = 2$.", "2", "2"),
        (r"\begin{align*} 3(y-1) &= 2y + 4 \\ y &= 7 \end{align*}", "7", "7"),
        ("From $x^2 - 5x + 6 = 0$ we get $x = 2$ or $x = 3$.", r"\{2, 3\}", "{2, 3}"),
    ],
)
def test_an_equation_and_all_its_solutions(text: str, result: str, printed: str) -> None:
    found = only(text)
    assert (found.title, found.result) == ("Solution of an equation", result)
    assert run(found.code) == printed


def test_a_wrong_value_is_recomputed_not_repeated() -> None:
    """A slip of the MATH test set: the discriminant there is 12."""
    found = only("The discriminant is $(-4)^2 + 4 \\cdot 1 \\cdot (-1) = 20$, which is positive.")
    assert (found.result, run(found.code)) == ("20", "12")


@pytest.mark.parametrize(
    "text",
    [
        "Let $x = 5$ and $y = x$.",
        "The equation $x^2 - 5x + 6 = 0$ has a root.",
        r"Of $f(x) = \frac{1}{1+x^2}$ we spoke. For the other one $f'(x) = 1 - \cos x$.",
        r"$\frac{d}{dx} x^2 = 5x$ and $\int_0^1 x^n\,dx = \frac{1}{n}$",
        "Consider $3x + 2 = 5x - 4$ and $(x+1)^2 = 2x + 3$.",
        "From $x^2 = 4$ we take $x = 2$, since $x$ is positive.",
        "Consider $f(x) = x^2 + 1$ and a line $y = 3x$.",
        "The area is $A = 12$.",
        "Suppose that $2 + 2 = 5$.",
        "In base 7 we have $5 + 4 = 12$.",
        r"In $\mathbb{Z}_7$ we have $5 + 4 = 2$.",
        r"Define $a * b$; then $4 * 3 = 17$.",
        r"To the nearest dollar $500 \cdot 103 = 51000$.",
        r"the Legendre symbol gives $(a/p)(b/p) = ab/p^2$",
        r"$x \neq 2 + 3$ and $2 < 3 + 4$",
        r"$\lim_{n\to\infty} x_n = 0$",
        r"$\int_a^b q_n(x)\,dx = 1$",
        r"$\lim_{n\to\infty} \sin(\pi n) = 0$",
        r"$(\mathbf{A}\mathbf{B})^{-1} = \mathbf{B}^{-1}\mathbf{A}^{-1}$",
        r"For matrices $A^{-1}(A - B) = 1 - A^{-1}B$.",
        r"Here $(xy)z = x(yz)$ and $a + (b + c) = (a + b) + c$.",
        r"Let $f(\mathbb{R}) = \mathbb{R}$. Then $f(0) = 0$, and $\mathbb{R}^2 = \mathbb{R} \times \mathbb{R}$.",
        r"We add $(11-10)+(13-12)$\\ and the rest, $+(11-10)+(13-12)+(15-14)=8$; note $500 \div 13 = 13 \cdot 38 + 6$.",
        r"Since $45 \div 4 \equiv 1 \pmod 4$ and $\frac13 + \frac1{13} \equiv 16 \pmod{19}$.",
        r"$\sqrt[3]{-x} + 3x = -\sqrt[3]{x} + 3x$",
        r"In a vector space $(a+b)v = av + bv$.",
        r"$3^{-2} = 3^{-2}$ and $x \not= 2 + 3$ and $2 \cdot 3 = 7 - 2$",
        r"$\sum_{r=1}^{n-1}\binom{n}{r} = 2^n-2$",
        r"cost: \$5 = 3 + 2 dollars",
        "```\nx = $2 + 2 = 4$\n```\n",
        r"\begin{verbatim}$2 + 2 = 4$\end{verbatim}",
        r"[asy] label($2+2=4$); [/asy]",
        "\\section{A}\n% $2 + 2 = 4$\n",
    ],
)
def test_what_is_not_claimed_gives_no_program(text: str) -> None:
    assert translate(text).computations == ()


@pytest.mark.parametrize(
    ("latex", "reason"),
    [
        (r"1 + 2 + \cdots + 100 = 5050", "ellipsis"),
        (r"\frac{-3 \pm \sqrt{5}}{2} = 1", "plus-minus"),
        (r"1011_2 = 8 + 3", "number in another base"),
        (r"\foo{3} = 4 + 1", "unknown command"),
        (r"2 + \text{some} + 3 = 5", "words in the mathematics"),
        (r"(1, 2) = (1, 2)", "list, tuple or interval"),
        (r"\sum_{d \mid 6} d = 12", "sum or product over a set"),
        (r"\frac{9^{9^9}}{3} = 5", "too large to compute"),
        (r"\sum_{k=1}^{10^9} \sin k = 3", "too large to compute"),
        (r"x \equiv 3 \pmod 8", "congruence without a value"),
        (r"A = B \cap C", "sets, not numbers"),
        (r"\sup A + 2 = 5", "bound of a set"),
        (r"3 + 4 = 8 \cdot 2 \pm 1", "plus-minus"),
    ],
)
def test_what_could_not_be_read_says_why(latex: str, reason: str) -> None:
    completion = translate(f"so ${latex}$")
    assert completion.computations == ()
    assert [each.reason for each in completion.unparsed] == [reason]


@pytest.mark.parametrize("given", [False, True])
def test_the_texts_own_commands_are_read(given: bool) -> None:
    commands = {
        r"\half": Command(0, r"\frac{1}{2}"),
        r"\size": Command(1, r"\lvert {#1} \rvert"),
        r"\lcm": Command(0, r"\mathrm{lcm}"),
    }
    preamble = r"\newcommand{\half}{\frac{1}{2}} \def\size#1{\lvert {#1} \rvert} \DeclareMathOperator{\lcm}{lcm} "
    text = r"So $\size{3-8} \cdot \half = \frac{5}{2}$ and $\lcm(4,6) = 12$."
    found = translate(text, commands) if given else translate(preamble + text)
    assert [(each.expression, each.result) for each in found.computations] == [
        (r"{\lvert {3-8} \rvert} \cdot {\frac{1}{2}}", r"\frac{5}{2}"),
        (r"\mathrm{lcm}(4,6)", "12"),
    ]
    assert [run(each.code) for each in found.computations] == ["5/2", "12"]


def test_a_rows_commands_are_read_and_other_fields_of_that_name_are_not() -> None:
    commands = {r"\half": Command(0, r"\frac{1}{2}"), r"\norm": Command(2, "|#1|_{#2}", "2")}
    assert commands_from(json.loads(json.dumps(used_commands(r"\norm{\half}", commands)))) == commands
    for other in (
        None,
        ["ls"],
        {"ls": [0, "x", None]},
        {r"\a": "x"},
        {r"\a": [0]},
        {r"\a": ["0", "x", None]},
        {"": [0, "x", None]},
    ):
        assert commands_from(other) == {}


def test_spans_point_at_the_passage() -> None:
    text = "Before. \\[\n\\begin{aligned} a &= 2 + 3 \\\\ &= 5 \\end{aligned}\n\\] After $4 \\cdot 5 = 20$."
    spans = [each.span for each in translate(text).computations]
    assert [text[begin:end] for begin, end in spans] == ["a &= 2 + 3 \\\\ &= 5", "4 \\cdot 5 = 20"]  # type: ignore[misc]


def test_a_step_repeated_in_a_text_is_shown_once() -> None:
    assert len(translate("$2+3=5$, again $2 + 3 = 5$, and $3+2=5$").computations) == 2


@pytest.mark.parametrize(
    "text",
    [
        "$" + "(" * 5000 + "1" + ")" * 5000 + " = 2$",
        "$" + "{" * 3000 + "$",
        "$" + r"\frac{1}{" * 600 + "2" + "}" * 600 + " = 3$",
        "$" + "9^" * 500 + "9 = 1$",
        "$" + "-" * 3000 + "1 = 1$",
        "$9" + "!" * 200 + " = 1$",
        "$" + "1+" * 100_000 + "1 = 5$",
        "$" * 100_000,
        "$x=" * 50_000,
        r"\begin{align}" * 3000,
        "\\(" * 50_000,
        r"$\sum_{a=1}^{999}\sum_{b=1}^{999}\sum_{c=1}^{999} \frac{1}{a+b+c} = 1$",
        r"$\int_0^1 \int_0^1 \int_0^1 \sin(xyz) \,dx\,dy\,dz = 1$",
        r"$\sum_{n=0}^\infty \sum_{m=0}^\infty \frac{1}{2^{n+m}} = 4$",
        r"$\begin{pmatrix}" + "&".join("1" * 200) + r"\end{pmatrix} = 1$",
        "[asy]" * 20_000,
        "```\n" * 20_000,
    ],
    ids=range(17),
)
def test_hostile_text_costs_bounded_time(text: str) -> None:
    begin = time.process_time()
    translate(text)
    assert time.process_time() - begin < 5


LARGE = "1" + "0" * 400


@pytest.mark.parametrize(
    "text",
    [
        rf"${LARGE} x = \pi$ and $x = 2$", f"${LARGE} + 1 = 1.5$", rf"$\sum_{{k=1}}^{{{LARGE}}} \frac1k = 5$",
        r"$2 \cdot " + "-" * 390 + "3 = 6$", "$" + r"\sin " * 390 + "1 = 1$",
        "$" + r"\sqrt" * 390 + "1 = 1$", "$5" + r"\%" * 390 + "= 1$", "$3" + "!" * 390 + "= 6$", "$2" + "^1" * 190 + "= 2$",
        "$" + r"\sum_{k=1}^2 " * 40 + "1 = 1$", "$" + r"\lim_{x\to 0} " * 40 + "x = 1$",
    ],
)  # fmt: skip
def test_numbers_beyond_floats_and_endless_nesting_give_no_claim(text: str) -> None:
    begin = time.process_time()
    assert translate(text).computations == ()
    assert time.process_time() - begin < 2


def test_a_remainder_of_a_number_beyond_floats_is_claimed() -> None:
    assert run(only(rf"${LARGE} \equiv 1 \pmod 3$").code) == "1"


def test_damaged_latex_never_raises() -> None:
    good = r"Let $f(x) = \frac{x^2+1}{2}$, so $f(3) = 5$ and \[ \int_0^1 x\,dx = \frac{1}{2}, \quad \binom{5}{2} = 10 \pmod 3 \]"
    choose = random.Random(0)
    for _ in range(800):
        at, length = choose.randrange(len(good)), choose.randrange(6)
        translate(good[:at] + choose.choice(["", "{", "}", "\\", "$", "^", "_", "&", "|", "d"]) + good[at + length :])


def test_real_solutions_hold(shared_data: Path) -> None:
    """Of the MATH solutions nothing is refuted but one slip of the data set: the discriminant there is 12."""
    rows = [json.loads(line) for line in (shared_data / "benchmarks/math_test.jsonl").read_text().splitlines()[:400]]
    found = [each for row in rows for each in translate(row["solution"]).computations]
    assert len(found) > 300
    whole = [each for each in found if each.result.isdigit() and "sympy" not in each.code]
    assert len(whole) > 80
    refuted = [(each.expression, each.result) for each in whole if run(each.code) != each.result]
    assert refuted == [(r"(-4)^2 + 4 \cdot 1 \cdot (-1)", "20")]
