"""The worked examples of the few-shot protocols, written for this project.

Decides: four examples for each family of benchmarks (word problems, mathematics, multiple choice): question, reasoning, a
program for it, and the answer. None is from a benchmark.
Does not: lay them out (``protocols``).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shot:
    """``program`` prints the answer. For a choice, ``answer`` is the letter and the question holds its options."""

    question: str
    reasoning: str
    program: str
    answer: str


WORD = (
    Shot(
        "A baker fills 6 trays with 14 rolls each and sells 59 of the rolls. How many rolls are left?",
        "The baker makes 6 * 14 = 84 rolls. After selling 59 of them, 84 - 59 = 25 rolls are left.",
        "made = 6 * 14\nleft = made - 59\nprint(left)",
        "25",
    ),
    Shot(
        "Nora walks 3 kilometres to school and the same way back on each of 5 days. On Saturday she walks 8 kilometres more. "
        "How many kilometres does she walk in all?",
        "On a school day she walks 3 + 3 = 6 kilometres. In 5 days that is 5 * 6 = 30. With Saturday it is 30 + 8 = 38.",
        "school_days = 5 * (3 + 3)\nprint(school_days + 8)",
        "38",
    ),
    Shot(
        "A lamp costs 40 euros. In a sale its price falls by a quarter, and a bulb for 6 euros is added. What does one pay?",
        "A quarter of 40 is 10, so the lamp costs 40 - 10 = 30 euros. With the bulb one pays 30 + 6 = 36 euros.",
        "price = 40 - 40 / 4\nprint(int(price + 6))",
        "36",
    ),
    Shot(
        "The sum of two numbers is 51. The larger is 9 more than the smaller. What is the smaller number?",
        "Let the smaller be s. Then s + (s + 9) = 51, so 2s = 42 and s = 21.",
        "from sympy import symbols, solve\ns = symbols('s')\nprint(solve(s + (s + 9) - 51, s)[0])",
        "21",
    ),
)

MATH = (
    Shot(
        "Find the sum of all real numbers $x$ with $x^2 - 7x + 4 = 0$.",
        "By Vieta's formulas the sum of the roots of $x^2 - 7x + 4$ is $7$. The discriminant $49 - 16 = 33$ is positive, so "
        "both roots are real.",
        "from sympy import symbols, solve, simplify\nx = symbols('x')\nprint(simplify(sum(solve(x**2 - 7*x + 4, x))))",
        "7",
    ),
    Shot(
        "A fair die is thrown twice. What is the probability that the sum is at most 3?",
        "Of the $36$ equally likely outcomes, $(1,1)$, $(1,2)$ and $(2,1)$ have a sum of at most $3$. The probability is "
        "$\\frac{3}{36} = \\frac{1}{12}$.",
        "from fractions import Fraction\ngood = sum(a + b <= 3 for a in range(1, 7) for b in range(1, 7))\n"
        "print(Fraction(good, 36))",
        "\\frac{1}{12}",
    ),
    Shot(
        "Simplify $\\sqrt{48} + \\sqrt{27}$.",
        "We have $\\sqrt{48} = 4\\sqrt{3}$ and $\\sqrt{27} = 3\\sqrt{3}$, and together they give $7\\sqrt{3}$.",
        "from sympy import sqrt\nprint(sqrt(48) + sqrt(27))",
        "7\\sqrt{3}",
    ),
    Shot(
        "What is the remainder when $3^{20}$ is divided by $7$?",
        "Modulo $7$ the powers of $3$ repeat with period $6$. "
        "Since $20 = 3 \\cdot 6 + 2$, we have $3^{20} \\equiv 3^2 = 9 \\equiv 2$.",
        "print(pow(3, 20, 7))",
        "2",
    ),
)

CHOICE = (
    Shot(
        "If $4t - 3 = 17$, what is the value of $2t$?\n(A) 5 (B) 7 (C) 10 (D) 20",
        "Adding $3$ gives $4t = 20$, so $t = 5$ and $2t = 10$, which is option (C).",
        "t = (17 + 3) / 4\nprint({5: 'A', 7: 'B', 10: 'C', 20: 'D'}[2 * t])",
        "C",
    ),
    Shot(
        "A line in the plane passes through $(0, 2)$ and $(3, 8)$. What is its slope?\n(A) 2 (B) 3 (C) 6 (D) $\\frac{1}{2}$",
        "The slope is $\\frac{8 - 2}{3 - 0} = 2$, which is option (A).",
        "slope = (8 - 2) / (3 - 0)\nprint({2: 'A', 3: 'B', 6: 'C', 0.5: 'D'}[slope])",
        "A",
    ),
    Shot(
        "A car uses 6 litres of fuel for 80 kilometres. How many litres does it use for 200 kilometres?\n"
        "(A) 12 (B) 14 (C) 18 (D) 15",
        "It uses $\\frac{6}{80}$ litres a kilometre, so $200 \\cdot \\frac{6}{80} = 15$ litres, which is option (D).",
        "litres = 200 * 6 / 80\nprint({12: 'A', 14: 'B', 18: 'C', 15: 'D'}[litres])",
        "D",
    ),
    Shot(
        "Which of these is a factor of $x^2 - 9$?\n(A) $x - 9$ (B) $x + 3$ (C) $x + 9$ (D) $x^2 + 3$",
        "As a difference of squares, $x^2 - 9 = (x - 3)(x + 3)$, so $x + 3$ is a factor, which is option (B).",
        "from sympy import symbols, div\nx = symbols('x')\n"
        "options = {'A': x - 9, 'B': x + 3, 'C': x + 9, 'D': x**2 + 3}\n"
        "print([letter for letter, f in options.items() if div(x**2 - 9, f)[1] == 0][0])",
        "B",
    ),
)

SHOTS: dict[str, tuple[Shot, ...]] = {"word": WORD, "math": MATH, "choice": CHOICE}
