import time

import pytest

from data_tools.formulas.find import Formula, count_formulas, find_formulas


@pytest.mark.parametrize(
    ("text", "latex", "display"),
    [
        ("a $x^2$ b", "x^2", False),
        ("a $$x$$ b", "x", True),
        (r"a \(x\) b", "x", False),
        (r"a \[ x \] b", "x", True),
        (r"a \(x\ \) b", "x", False),
        (r"a $$x \\ $$ b", r"x \\", True),
        (r"\begin{align*} a &= b \\ \text{if $c$} \end{align*}", r"a &= b \\ \text{if $c$}", True),
        (r"\begin{equation}\begin{split}x\end{split}\end{equation}", r"\begin{split}x\end{split}", True),
        ("$a\nb$", "a\nb", False),
        (r"$a \$ b$", r"a \$ b", False),
        (r"$$x \text{ if $y$ holds}$$", r"x \text{ if $y$ holds}", True),
    ],
)
def test_each_delimiter(text: str, latex: str, display: bool) -> None:
    (formula,) = find_formulas(text)
    assert (formula.latex, formula.display) == (latex, display)
    assert text[formula.start : formula.end].strip() == text[formula.start : formula.end]


@pytest.mark.parametrize(
    "text",
    ["It costs $5 and $10.", "from $5, $6 or $7 to $8", "US$ 5 or $ 6", r"\$5\$", "$a\n\nb$", "a $5–$10 note", r"\\[2pt] x \\]"],
)
def test_prices_and_escaped_dollars_are_no_formulas(text: str) -> None:
    assert list(find_formulas(text)) == []


def test_order_and_positions() -> None:
    text = r"$a$ and \[b\] and $c$"
    assert list(find_formulas(text)) == [Formula("a", False, 0, 3), Formula("b", True, 8, 13), Formula("c", False, 18, 21)]


@pytest.mark.parametrize("piece", ["$a", "$$a ", r"\[a", r"\(a", r"\begin{align}a", "$$$", "{$", r"\begin{equation}" + "x" * 50])
def test_opening_delimiters_without_end_take_linear_time(piece: str) -> None:
    times = []
    for length in (40_000, 160_000):
        text = piece * (length // len(piece))
        begin = time.process_time()
        count_formulas(text)
        times.append(time.process_time() - begin)
    # Quadratic would be 16 times.
    assert times[1] < 10 * times[0] + 0.5
