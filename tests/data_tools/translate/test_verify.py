# ruff: noqa: E501
"""Three verdicts: every case of MathCoder2's rule that kept what is wrong, and two thousand pairs of results and outputs,
right and wrong."""

import random
import re
from fractions import Fraction

import pytest

from data_tools.sandbox.outcome import Outcome
from data_tools.translate.verify import judge, others, verify

COMPUTED = "print(6 * 7)"

KEPT_BY_MATHCODER2 = [
    ("$12$", "13"), ("x = 5", "7"), ("1,200", "5"), ("50%", "0.7"), ("12 cm", "99"), (r"\frac{1}{3}", "0.9"),
    ("$2$", "3"), ("x = 2", "3"), ("1/2", "0.7"), (r"4\pi/3", "99"), ("12,000", "5"), ("50%", "1"),
    ("2", "1\n3"), ("nan", "5"), ("0.003", "0.009"),
]  # fmt: skip

REFUTED = [
    ("123456789012", "123456789013"), (r"\frac{1}{3}", "1/4"), ("[0, 1)", "[0, 1]"), (r"\{1,2\}", "{1, 3}"), ("(1, 2)", "(2, 1)"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", "Matrix([[1, 2], [3, 5]])"), ("x > 3", "(3 <= x) & (x < oo)"), ("3.14", "3.2"),
    ("120 km", "120 m"), ("x^2+1", "x**2 + 2"), ("33", "33.4"), ("True", "False"), (r"\sqrt{2}", "1.42"), ("0", "0.001"),
    ("a_{n+1}", "a_n_minus_1"), ("5 m/s", "6"), ("3/x", "2/x"), ("x^2 + y^2 = 25", "Eq(x**2 + y**2, 26)"), (r"\approx 33", "34.2"), ("2, 3", "[2, 4]"), ("1.5 + 2i", "(1.5-2j)"),
]  # fmt: skip

VERIFIED = [
    ("$12$", "12"), ("x = 5", "5"), ("1,200", "1200"), ("50%", "0.5"), (r"50\%", "50.0"), ("12 cm", "12"),
    (r"\frac{1}{3}", "0.3333333333333333"), (r"\frac{1}{3}", "1/3"), (r"\frac{5}{6}", "Fraction(5, 6)"), ("1000000", "1000000.02"),
    (r"\frac{4\pi}{3}", "4*pi/3"), (r"4\pi/3", "4.1887902047863905"), ("x = 2, y = 3", "{x: 2, y: 3}"),
    ("x=2, y=3", "[{x: 2, y: 3}]"), ("2, 3", "[2, 3]"), (r"x = \pm 2", "[-2, 2]"), (r"\{1, 2\}", "{2, 1}"),
    ("[0, 1)", "Interval.Ropen(0, 1)"), (r"(3, \infty)", "(3 < x) & (x < oo)"), (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", "[[1 2]\n [3 4]]"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", "Matrix([[1, 2], [3, 4]])"), (r"\langle 1,2,3\rangle", "Matrix([[1], [2], [3]])"),
    ("3.14", "3.14159265"), ("0", "1.2246467991473532e-16"), (r"\approx 33", "33.333"), ("3 + 4i", "(3+4j)"),
    ("The area is 25 cm^2", "Area: 25"), ("e^2", "exp(2)"), ("(x+1)^2", "x**2 + 2*x + 1"), ("y = 2x + 1", "2*x + 1"),
    (r"\ln 2", "0.6931471805599453"), (r"\frac{x^3}{3} + C", "x**3/3"), (r"1.5 \times 10^{8}", "150000000.0"), ("2^{10} = 1024", "1024"),
    ("5", "x = 5"), ("5", "The answer is 5"), ("5", "Result: 5.0"), ("5", "np.float64(5.0)"), (r"120^\circ", "120"),
    (r"\$45.50", "45.5"), ("x^2 + y^2 = 25", "Eq(x**2 + y**2, 25)"), ("2, 3", "2\n3"), (r"\infty", "oo"), ("True", "True"),
    (r"\sqrt{2} \approx 1.414", "1.4142135623730951"), ("(1, 2, 3)", "[1 2 3]"), ("(2,3)", "{a: 2, b: 3}"), ("f'(x) = 3x^2", "3*x**2"),
    (r"\frac{2}{i}", "2/i"), (r"\frac{a_k\cdot x+1}{1\cdot x + 0}", "a_k + 1/x"), (r"60 \text{ km/h}", "60"),
    (r"\alpha^2 + \beta^2", "alpha**2 + beta**2"), (r"2|\lambda|", "2*Abs(lambda_)"), ("9 + N", "N_ + 9"), ("u^2 + 2uvi - v^2", "u**2 + 2*I*u*v - v**2"), (r"108^\circ", "3*pi/5"), ("(x + y)^2 - 2xy", "x**2 + y**2"),
    ("5", "step 1: 2\nstep 2: 3\nanswer: 5"), ("a_{n+1}", "a_n_plus_1"), ("2a_{n-1} + 1", "2*a_n_minus_1 + 1"), ("3/x", "6/(2*x)"),
    ("5 m/s", "5"), ("2e + 1", "1 + 2*E"), ("9.8 m/s^2", "9.8"), (r"2^4 \cdot 3 \cdot 5", "240"),
]  # fmt: skip


def ran(output: str) -> Outcome:
    return Outcome(status="ok", stdout=output)


@pytest.mark.parametrize(("result", "output"), KEPT_BY_MATHCODER2 + REFUTED)
def test_wrong_pairs_are_refuted(result, output):
    assert judge(result, output).verdict == "refuted"


@pytest.mark.parametrize(("result", "output"), VERIFIED)
def test_right_pairs_are_verified(result, output):
    assert verify(result, COMPUTED, ran(output), ran(output)).verdict == "verified"


@pytest.mark.parametrize(
    ("result", "output", "reason"),
    [
        ("5", "", "nothing was printed"),
        ("2", " \n", "nothing was printed"),
        ("", "5", "no result was stated"),
        ("2", "2\n7", "an earlier line agrees and the last one does not"),
        (r"\text{the series converges}", "True", "the stated result is not a value that can be read"),
        ("7", "Traceback is not a number at all", "the printed result is not a value that can be read"),
        (r"\log x + \log y", "log(x*y)", "equal for positive values alone"),
        ("0", "nan", "the program found no value"),
        ("x", "sqrt(x**2)", "equal for positive values alone"),
        (r"\frac{\pi}{4}", "2*acoth(5)", "the output has a function that is not computed here: acoth"),
    ],
)
def test_what_cannot_be_judged_says_why(result, output, reason):
    found = judge(result, output)
    assert (found.verdict, found.reason) == ("unverifiable", reason)


@pytest.mark.parametrize("status", ["exception", "cpu", "wall", "memory", "output", "signal"])
def test_code_that_did_not_run_verifies_nothing(status):
    found = verify("42", COMPUTED, Outcome(status=status, stdout="42"), None)
    assert (found.verdict, found.reason) == ("unverifiable", f"did not run: {status}")


def test_a_printed_literal_shows_nothing():
    assert verify("42", "x = 42\nprint(f'The answer is {x}')", ran("The answer is 42"), None).reason == "prints a literal"


def test_an_expression_handed_back_shows_nothing():
    assert verify("2x + 3", "x = symbols('x')\nprint(2*x + 3)", ran("2*x + 3"), None).reason == "prints its own expression"


def test_what_holds_for_positive_values_needs_them_declared():
    code = "x, y = symbols('x y', positive=True)\nprint(simplify(log(x) + log(y)))"
    assert verify(r"\log(xy)", code, ran("log(x*y)"), ran("log(x*y)")).verdict == "verified"
    assert verify(r"\log x + \log y", code, ran("log(x*y)"), ran("log(x*y)")).verdict == "verified"
    assert verify(r"\log x - \log y", code, ran("log(x*y)"), ran("log(x*y)")).verdict == "refuted"


def test_two_runs_must_agree():
    assert verify("42", COMPUTED, ran("42"), ran("41")).reason == "two runs differ"
    assert verify("42", COMPUTED, ran("42"), Outcome(status="cpu")).reason == "two runs differ"
    assert verify(r"\{1, 2\}", COMPUTED, ran("{1, 2}"), ran("{2, 1}")).verdict == "verified"


def test_a_comparison_that_notices_nothing_is_no_verdict(monkeypatch):
    monkeypatch.setattr("data_tools.translate.verify._right", lambda *_: True)
    assert verify("42", COMPUTED, ran("42"), ran("42")).reason == "another result would pass too"


def test_long_and_odd_texts_end_soon():
    for text in ("9" * 5000, "(" * 2000, "is " * 3000, "1 " * 3000, "{" * 500, "=" * 3000, "a: " * 1500, "\n".join("12" * 300),
                 str(list(range(40))) + " done", "[" + "1, " * 5000, "9" * 20_000, "1e" * 10_000, "alpha" * 4000):  # fmt: skip
        assert judge(text, text).verdict in ("verified", "unverifiable", "refuted")
        assert judge("42", text).verdict in ("unverifiable", "refuted")


def test_a_result_of_thousands_of_digits_is_judged():
    digits = "1" + "0" * 5000
    assert verify(digits, "print(10**5000)", ran(digits), ran(digits)).verdict == "verified"
    assert verify(digits, "print(10**5000)", ran(digits[:-1] + "1")).verdict == "unverifiable"


def right_pairs(count: int) -> list[tuple[str, str]]:
    """Results as a book states them with outputs as Python prints them, of every kind, with seeded numbers."""
    draw = random.Random(20261125)
    pairs = []
    for _ in range(count):
        a, b, c, d = (draw.randint(2, 99) for _ in range(4))
        big = draw.randint(10**12, 10**30)
        fraction = Fraction(a, b * 7 + 1)
        n, m = fraction.numerator, fraction.denominator
        decimal = round(a + b / 100 + 0.001, 3)
        pairs += [
            (f"{a}", f"{a}"), (f"${a}$", f"{a}.0"), (f"x = {-a}", f"{-a}"), (f"{a},{b:03d}", f"{a * 1000 + b}"), (f"{big}", f"{big}"),
            (rf"\frac{{{n}}}{{{m}}}", f"{n}/{m}"), (rf"-\dfrac{{{n}}}{{{m}}}", f"{-n / m}"), (f"{n}/{m}", f"Fraction({n}, {m})"),
            (f"{decimal}", f"{decimal}"), (f"{decimal:.1f}", f"{decimal}"), (rf"{a}\%", f"{a / 100}"), (f"{a}.5%", f"{a}.5"),
            (rf"{a} \text{{ cm}}", f"{a}"), (rf"\${a}.50", f"{a}.5"), (f"({a}, {b})", f"({a}, {b})"), (f"{a}, {b}", f"[{b}, {a}]"),
            (rf"\{{{a}, {a + b}\}}", f"{{{a + b}, {a}}}"), (rf"[{a}, {a + b})", f"Interval.Ropen({a}, {a + b})"),
            (rf"\begin{{bmatrix}}{a}&{b}\\{c}&{d}\end{{bmatrix}}", f"Matrix([[{a}, {b}], [{c}, {d}]])"),
            (rf"{a}\sqrt{{{b * b + 1}}}", f"{a}*sqrt({b * b + 1})"), (rf"\frac{{{a}\pi}}{{{b}}}", f"{a * 3.141592653589793 / b}"),
            (f"x = {a}, y = {-b}", f"{{x: {a}, y: {-b}}}"), (f"{a}x^2 - {b}x + {c}", f"{a}*x**2 - {b}*x + {c}"),
            (f"y = {a}x + {b}", f"Eq(y, {a}*x + {b})"), (f"{a} + {b}i", f"({a}+{b}j)"), (f"2^{{{a}}}", f"{2**a}"),
            (f"{a}", f"remainder = {a}"),
        ]  # fmt: skip
    return pairs


NUMBER = re.compile(r"\d+(?:\.\d+)?")


def with_other_sign(result: str) -> str:
    first = NUMBER.search(result)
    assert first is not None
    before = result[: first.start()]
    return (before[:-1] if before.endswith("-") else before + "-") + result[first.start() :]


def tenfold(result: str) -> str:
    return NUMBER.sub(lambda match: f"{match[0]}0" if "." not in match[0] else f"{float(match[0]) * 10:.1f}", result, count=1)


WRONG = {
    "the last number raised": lambda result: others(result)[0],
    "the first number raised": lambda result: others(result)[-1],
    "the other sign": with_other_sign,
    "ten times as much": tenfold,
}


def verdict_of(result: str, output: str) -> str:
    return verify(result, COMPUTED, ran(output), ran(output)).verdict


def test_two_thousand_pairs():
    """The bars: at most 2 % of the right ones lost, at least 95 % of the wrong ones of each kind rejected."""
    pairs = right_pairs(20)
    assert len(pairs) > 500
    lost = [pair for pair in pairs if verdict_of(*pair) != "verified"]
    assert len(lost) <= 0.02 * len(pairs), lost[:20]
    for kind, change in WRONG.items():
        passed = [(change(result), output) for result, output in pairs if verdict_of(change(result), output) == "verified"]
        assert len(passed) <= 0.05 * len(pairs), (kind, passed[:20])
        print(f"{kind}: {len(pairs) - len(passed)} of {len(pairs)} rejected")
    print(f"right: {len(pairs) - len(lost)} of {len(pairs)} verified")
