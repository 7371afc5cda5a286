from data_tools.program_text.imports import parse_tolerantly
from data_tools.program_text.relevance import maths_relevance


def relevance(code: str) -> float:
    tree = parse_tolerantly(code)
    assert tree is not None
    return maths_relevance(tree)


def test_importing_scipy_alone_is_no_mathematics() -> None:
    reader = "from scipy.io import wavfile\nrate, data = wavfile.read('a.wav')\nopen('b').write(str(rate))\nprint(data)\n"
    integral = "from scipy.integrate import quad\narea, error = quad(lambda x: x ** 2, 0, 1)\nexact = 1 / 3\nprint(area)\n"
    assert relevance(reader) == 0
    assert relevance(integral) >= 0.25


def test_each_kind_of_statement_counts_once() -> None:
    assert relevance("import sympy\nx = sympy.Symbol('x')\ny = 3\n") == 0.5
    assert relevance("import sympy as s\nfrom math import pi\na = pi\nb = s.pi\n") == 1.0
    assert relevance("def f(a, b):\n    'Docstring.'\n    return a * b\n") == 1.0
    assert relevance("s = 'a' + name\nt = [1] * n\n") == 0.0
    assert relevance("if a:\n    b = 2 ** c\n") == 0.5
    assert relevance("") == 0.0
