import pytest

from data_tools.sources.restructured_text import to_prose


@pytest.mark.parametrize(
    ("docstring", "prose"),
    [
        (r"The value :math:`\alpha^2` is", r"The value $\alpha^2$ is"),
        ("See :func:`~sympy.core.add.Add` and :py:meth:`.flatten`.", "See sympy.core.add.Add and flatten."),
        ("See :ref:`the guide <guide-1>`.", "See the guide."),
        (".. math:: x = 1\n\nafter", "$$x = 1$$\n\nafter"),
        ("a\n\n.. math::\n\n   x = 1 \\\\\n   y = 2\n\nafter", "a\n\n$$x = 1 \\\\\ny = 2$$\n\nafter"),
        ("  .. math::\n     :label: eq\n\n     x\n  after", "  $$x$$\n  after"),
        ("plain `code` and ``literal`` and 2 :: 3", "plain `code` and ``literal`` and 2 :: 3"),
    ],
)
def test_mathematics_becomes_latex_between_dollars(docstring: str, prose: str) -> None:
    assert to_prose(docstring) == prose
