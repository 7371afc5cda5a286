import pytest

from data_tools.program_text.imports import MATHS_PACKAGES, imported_packages


@pytest.mark.parametrize(
    ("code", "packages"),
    [
        # What the published line splitting misses.
        ("import numpy as np, scipy", ["scipy"]),
        ("import asyncio, scipy", ["scipy"]),
        ("def f():\n\timport sympy\n", ["sympy"]),
        ("import os; import sympy", ["sympy"]),
        ("import sympy # from x", ["sympy"]),
        ("import fractions as basis", ["fractions"]),
        ("import scipy.linalg as last", ["scipy"]),
        # Other ways to write it.
        ("from scipy.integrate import quad", ["scipy"]),
        ("import os, \\\n    statistics", ["statistics"]),
        ("from fractions import (\n    Fraction,\n)", ["fractions"]),
        ("try: import cmath\nexcept ImportError: pass", ["cmath"]),
        ("try:\n    import sympy\nexcept ImportError:\n    sympy = None", ["sympy"]),
        ("m = __import__('sympy')", ["sympy"]),
        ("import importlib\nm = importlib.import_module('scipy.stats')", ["scipy"]),
        ("import statistics, sympy, cmath", ["sympy", "cmath", "statistics"]),
        # What is no import of the package.
        ("import sympy_addons", []),
        ("from .fractions import x", []),
        ("from mine.sympy import x", []),
        ("from mine import sympy", []),
        ('"""\nimport sympy\n"""\nx = 1', []),
        ("# import sympy", []),
        ("s = 'import sympy'", []),
        ("sympy = 3", []),
        ("", []),
    ],
)
def test_imports_are_found_and_nothing_else(code: str, packages: list[str]) -> None:
    assert imported_packages(code, MATHS_PACKAGES) == packages


@pytest.mark.parametrize(
    ("code", "packages"),
    [
        ("import sympy\nprint 'hello'", ["sympy"]),
        ("print 'x'; import scipy", ["scipy"]),
        ("exec 'import sympy'\nprint 1", []),
        ('print """\nimport sympy\n"""\nimport cmath', ["cmath"]),
        ("%matplotlib inline\nimport sympy", ["sympy"]),
        ("!pip install scipy\nimport statistics as st", ["statistics"]),
        ("x = (1,\nimport sympy", ["sympy"]),
        ("x = 'unclosed\nimport scipy.stats", ["scipy"]),
        (">>> import sympy\n>>> sympy.pi", ["sympy"]),
        ("try: import scipy\nexcept ImportError, e: pass", ["scipy"]),
        ("print 1\nfrom fractions import Fraction, \\\n  gcd", ["fractions"]),
        ("raise E, 'x'\nimport os as scipy_like, fractions", ["fractions"]),
        ("print 1 # import sympy", []),
        ("print 1\nfrom . import sympy", []),
    ],
)
def test_python_2_and_broken_cells_are_read_by_statement(code: str, packages: list[str]) -> None:
    assert imported_packages(code, MATHS_PACKAGES) == packages


def test_the_list_is_the_callers() -> None:
    assert imported_packages("import numpy, sympy", ("numpy",)) == ["numpy"]
    assert imported_packages("import numpy", MATHS_PACKAGES) == []


def test_hostile_programs_end() -> None:
    for code in ("(" * 100_000 + "\nimport sympy", "'" * 99_999 + "import sympy", "import sympy\n" + "\\\n" * 50_000 + "print 1"):
        imported_packages(code, MATHS_PACKAGES)
