import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_tools.document import Document, Dropped
from data_tools.sources.installed_packages import InstalledPackages

LONG = "x = 1  # " + "mathematics " * 20


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the folder of an importable package ``invented_algebra`` that fails when it is imported."""
    folder = tmp_path / "invented_algebra"
    (folder / "tests").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (folder / "groups.py").write_text(
        f'r"""Groups.\n\n    .. math:: g g^{{-1}} = e\n"""\n\nclass Group:\n    """A set with :math:`\\\\cdot`.\n\n'
        f'    >>> Group()\n    """\n    def order(self):\n        "{"The number of elements. " * 10}"\n\n{LONG}\n'
    )
    (folder / "copy.py").write_bytes((folder / "groups.py").read_bytes())
    (folder / "old.py").write_text("print 'python 2'\n" + LONG)
    (folder / "latin.py").write_bytes(b"# coding: latin-1\n# \xe9l\xe9ment " + LONG.encode() + b"\r\n")
    (folder / "binary.py").write_bytes(b"\xff\xfe" + LONG.encode())
    (folder / "tests" / "test_groups.py").write_text(LONG)
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    assert "invented_algebra" not in sys.modules


def test_modules_become_code_and_prose_or_are_dropped_with_a_reason(package: Path) -> None:
    source = InstalledPackages(["invented_algebra"])
    items = [item for piece in source.slices for item in piece.documents(lambda done: None)]
    kept = {
        item.id.removeprefix("invented_algebra-unversioned/invented_algebra/"): item
        for item in items
        if isinstance(item, Document)
    }
    dropped = {item.file.removeprefix("invented_algebra/"): item.reason for item in items if isinstance(item, Dropped)}
    assert list(kept) == ["copy.py", "copy.py#docstrings", "latin.py", "old.py"]
    assert dropped.keys() == {"__init__.py", "binary.py", "groups.py", "tests/test_groups.py"}
    assert dropped["__init__.py"] == "too short"
    assert dropped["binary.py"].startswith("undecodable source: ")
    assert dropped["groups.py"] == "duplicate: same as invented_algebra/copy.py"
    assert dropped["tests/test_groups.py"] == "test module"
    assert kept["copy.py"].text == (package / "groups.py").read_text()
    assert kept["latin.py"].text == f"# coding: latin-1\n# élément {LONG}\n"
    assert kept["copy.py#docstrings"].text == (
        "# invented_algebra.copy\n\nGroups.\n\n$$g g^{-1} = e$$\n\n## invented_algebra.copy.Group\n\nA set with $\\cdot$.\n\n"
        ">>> Group()\n\n### invented_algebra.copy.Group.order\n\n" + "The number of elements. " * 9 + "The number of elements.\n"
    )
    assert kept["copy.py#docstrings"].metadata == {
        "kind": "prose",
        "provenance": {
            "source": "installed_packages",
            "file": "invented_algebra/copy.py",
            "package": "invented_algebra",
            "version": None,
            "licence": None,
        },
    }
    (entry,) = source.inputs
    assert (entry["package"], entry["files"], len(entry["sha256"])) == ("invented_algebra", 7, 64)


def test_a_changed_module_changes_the_hash(package: Path) -> None:
    before = InstalledPackages(["invented_algebra"]).inputs
    (package / "old.py").write_text(LONG)
    assert InstalledPackages(["invented_algebra"]).inputs != before


def test_version_and_licence_come_from_the_installation() -> None:
    (entry,) = InstalledPackages(["numpy"]).inputs
    import numpy

    assert entry["version"] == numpy.__version__
    assert "BSD" in entry["licence"]
