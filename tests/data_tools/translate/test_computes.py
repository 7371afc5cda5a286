"""Whether a program computes what it prints."""

import pytest

from data_tools.translate.computes import computes, echoes


@pytest.mark.parametrize(
    "code",
    [
        "print(42)",
        "x = 42\nprint(x)",
        "print('42')",
        "print(f'Result: {42}')",
        "x = 5\ny = x\nprint('a', y)",
        "print(int('42'))",
        "from sympy import *\nprint(Rational(1, 2))",
        "def f():\n    return 42\nprint(f())",
        "print('The' + 'answer')",
        "x = [1, 2]\nprint(x)",
        "print(6 * 7)\nprint(41)",
        "a = 2\nb = 3\nc = a + b\nprint(5)",
        "42",
        "x = 6 * 7",
        "",
        "def f(:",
    ],
)
def test_literals(code):
    assert not computes(code)


@pytest.mark.parametrize(
    "code",
    [
        "print(6 * 7)",
        "from sympy import Rational\nprint(Rational(2, 100))",
        "x = 6\ny = x * 7\nprint(y)",
        "from sympy import *\nx = symbols('x')\nprint(solve(x**2 - 1, x))",
        "def f(n):\n    return n * 2\nprint(f(3))",
        "s = 0\nfor i in range(5):\n    s += i\nprint(s)",
        "if 2 + 2 == 4:\n    print(4)",
        "def main():\n    x = 6 * 7\n    print(x)\nmain()",
        "x = 6 * 7\nx",
        "import math\nprint(math.comb(10, 3))",
        "print(f'{6 * 7}')",
        "r = [i * i for i in range(3)]\nprint(r)",
        "import numpy as np\nprint(np.linalg.inv([[1, 2], [3, 4]]))",
        "total = sum([1, 2])\nprint('Total:', total)",
        "class A:\n    def f(self): return 1 + 1\nprint(A().f())",
        "from sympy import Matrix\nA = Matrix([[1, 2], [3, 4]])\nprint(A.det())",
        "x = 5\nwhile x < 10:\n    x = x + 1\nprint(x)",
        "a, b = 3, 4\nprint((a**2 + b**2) ** 0.5)",
        "if __name__ == '__main__':\n    print(sum(range(4)))",
    ],
)
def test_computations(code):
    assert computes(code)


@pytest.mark.parametrize(
    ("code", "output", "echoed"),
    [
        ("print(simplify(4*acot(5) - acot(239)))", "-acot(239) + 4*acot(5)", True),
        ("print(Integral(x, x))", "Integral(x, x)", True),
        ("print(expand((x + 1)**2))", "x**2 + 2*x + 1", False),
        ("print(6 * 7)", "42", False),
        ("e = x*y\nf = e\nprint(f.simplify())", "x*y", True),
        ("print(integrate(1, (t, 0, 2*pi)))", "2*pi", False),
        ("print(sqrt(8))", "2*sqrt(2)", False),
        ("print(", "x + 1", False),
    ],
)
def test_an_expression_handed_back_is_an_echo(code, output, echoed):
    assert echoes(code, output) is echoed


def test_code_nested_deeper_than_can_be_followed_is_judged_all_the_same():
    long_sum = "x = 1\nprint(" + "x + " * 2000 + "x)"
    assert computes(long_sum)
    assert not echoes(long_sum, "2001*x")
    assert not computes("print(x" + ".real" * 2000 + ")")
