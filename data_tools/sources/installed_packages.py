"""Mathematical code and prose that every installation carries: the modules of packages that do mathematics.

Decides: each module gives a code document (the file as it is) and, when it has docstrings, a prose document (they, in order,
under the names they explain, with LaTeX between dollars). Test modules, copies of an earlier file and texts under
``MIN_CHARACTERS`` are dropped with that reason.
Does not: import the packages. Two prose documents cannot be equal, since each begins with its module's name; so dropping equal
files leaves no exact duplicates.
"""

import argparse
import ast
import hashlib
import importlib.metadata
import importlib.util
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_tools.document import Document, Dropped
from data_tools.inputs import grouped
from data_tools.program_text.imports import parsed
from data_tools.program_text.source_text import python_text
from data_tools.sources.restructured_text import to_prose
from megatron_mathcoder.config.errors import DataError

NAME = "installed_packages"
DEFAULT_PACKAGES = ("sympy", "mpmath", "networkx", "numpy", "scipy")
MIN_CHARACTERS = 200
CHOICES = frozenset({"test module", "duplicate", "too short"})
SLICE_BYTES = 2**21
"""About a second of work, so that two workers end together."""

_TEST_FOLDERS = frozenset({"tests", "testing", "test"})


@dataclass(frozen=True, slots=True)
class Module:
    """One ``.py`` file. ``name`` is its path below site-packages, ``dropped_for`` why it is not read (None: it is)."""

    path: str
    name: str
    bytes: int
    package: str
    version: str | None
    licence: str | None
    dropped_for: str | None

    @property
    def dotted_name(self) -> str:
        """The module's import name."""
        return self.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@dataclass(frozen=True, slots=True)
class ModuleSlice:
    """Some modules, read one after the other."""

    modules: tuple[Module, ...]

    @property
    def bytes(self) -> int:
        """Total size of the files."""
        return sum(module.bytes for module in self.modules)

    def documents(self, report_bytes: Callable[[int], None]) -> Iterator[Document | Dropped]:
        """Yield one or two items per module."""
        done = 0
        for module in self.modules:
            yield from _documents_of(module)
            done += module.bytes
            report_bytes(done)


def _documents_of(module: Module) -> Iterator[Document | Dropped]:
    code_id = f"{module.package}-{module.version or 'unversioned'}/{module.name}"
    if module.dropped_for:
        yield Dropped(code_id, module.dropped_for, module.name, 0)
        return
    try:
        code = python_text(Path(module.path).read_bytes())
    except ValueError as error:
        yield Dropped(code_id, str(error), module.name, 0)
        return
    yield _kept_or_dropped(module, code_id, code, "code")
    prose = _docstrings(module.dotted_name, code)
    if prose is not None:
        yield _kept_or_dropped(module, f"{code_id}#docstrings", prose, "prose")


def _kept_or_dropped(module: Module, document_id: str, text: str, kind: str) -> Document | Dropped:
    if len(text.strip()) < MIN_CHARACTERS:
        return Dropped(document_id, "too short", module.name, 0)
    if "\0" in text:
        return Dropped(document_id, "NUL character in text", module.name, 0)
    provenance = {
        "source": NAME,
        "file": module.name,
        "package": module.package,
        "version": module.version,
        "licence": module.licence,
    }
    return Document(document_id, text, {"kind": kind, "provenance": provenance})


def _docstrings(module_name: str, code: str) -> str | None:
    """Return the module's docstrings as one text with headings, or None when it has none or does not parse."""
    tree = parsed(code)
    if tree is None:
        return None
    sections = [
        f"{'#' * min(depth, 4)} {name}\n\n{to_prose(inspect.cleandoc(text)).rstrip()}"
        for name, depth, text in _walk(tree, module_name)
    ]
    return "\n\n".join(sections) + "\n" if sections else None


def _walk(node: ast.AST, name: str, depth: int = 1) -> Iterator[tuple[str, int, str]]:
    """Yield (dotted name, heading depth, raw docstring) of a module or class and what it defines, in source order."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        text = ast.get_docstring(node, clean=False)
        if text and text.strip():
            yield name, depth, text
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _walk(child, f"{name}.{child.name}", depth + 1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add INPUT, to say that there is none, and ``--packages``."""
    parser.add_argument("inputs", nargs="*", metavar="INPUT", help="none: this source reads what is installed")
    packages = ",".join(DEFAULT_PACKAGES)
    parser.add_argument("--packages", metavar="A,B", help=f"packages to read (default: those installed of {packages})")


def from_options(options: argparse.Namespace) -> "InstalledPackages":
    """Make the source. Raises DataError for an INPUT, and as ``InstalledPackages`` does."""
    if options.inputs:
        raise DataError(f"--source {NAME} reads no INPUT, but {options.inputs[0]!r} was given; leave one of the two out")
    return InstalledPackages(options.packages.split(",") if options.packages else None)


class InstalledPackages:
    """Source of the modules of ``packages``; of ``DEFAULT_PACKAGES``, as far as installed, when None.

    Raises DataError: a named package, or every default one, is not installed.
    """

    def __init__(self, packages: Sequence[str] | None) -> None:
        wanted = tuple(packages or DEFAULT_PACKAGES)
        folders = {name: folder for name in wanted if (folder := _folder(name)) is not None}
        missing = [name for name in wanted if name not in folders]
        if (missing and packages) or not folders:
            raise DataError(
                f"package {missing[0]!r} is not installed here; pip install {' '.join(missing)}, or name others with --packages"
            )
        if missing:
            print(f"not installed, so not read: {', '.join(missing)}")
        self.settings: dict[str, Any] = {"source": NAME, "packages": list(folders), "min_characters": MIN_CHARACTERS}
        self.choices = CHOICES
        self.inputs: list[dict[str, Any]] = []
        modules: list[Module] = []
        seen: dict[bytes, str] = {}
        for name, folder in folders.items():
            found, entry = _modules_of(name, folder, seen)
            modules += found
            self.inputs.append(entry)
        groups = grouped(modules, lambda module: 0 if module.dropped_for else module.bytes, SLICE_BYTES)
        self.slices = [ModuleSlice(group) for group in groups]


def _folder(name: str) -> Path | None:
    """Return a top-level package's folder, without importing it."""
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    return Path(next(iter(spec.submodule_search_locations))) if spec and spec.submodule_search_locations else None


def _modules_of(package: str, folder: Path, seen: dict[bytes, str]) -> tuple[list[Module], dict[str, Any]]:
    """List a package's modules, marking those that are dropped, and hash them all for the manifest."""
    version, licence = _version_and_licence(package)
    digest = hashlib.sha256()
    modules = []
    for path in sorted(folder.rglob("*.py")):
        raw = path.read_bytes()
        name = path.relative_to(folder.parent).as_posix()
        content = hashlib.sha256(raw).digest()
        digest.update(name.encode() + b"\0" + content)
        dropped_for = "test module" if _TEST_FOLDERS.intersection(path.relative_to(folder).parts) else None
        if dropped_for is None and seen.setdefault(content, name) != name:
            dropped_for = f"duplicate: same as {seen[content]}"
        modules.append(Module(str(path), name, len(raw), package, version, licence, dropped_for))
    total = sum(module.bytes for module in modules)
    entry = {"package": package, "version": version, "licence": licence, "files": len(modules), "bytes": total}
    return modules, entry | {"sha256": digest.hexdigest()}


def _version_and_licence(package: str) -> tuple[str | None, str | None]:
    try:
        metadata = importlib.metadata.metadata(package)
    except importlib.metadata.PackageNotFoundError:
        return None, None
    classifiers = [
        item.rsplit("::", 1)[1].strip() for item in metadata.get_all("Classifier") or [] if item.startswith("License ::")
    ]
    named = _field(metadata, "License-Expression") or _field(metadata, "License")
    # Some packages put the whole licence text into the field; then its first line or the classifier names it.
    return metadata["Version"], named.split("\n")[0][:100] or (classifiers[0] if classifiers else None)


def _field(metadata: importlib.metadata.PackageMetadata, name: str) -> str:
    return metadata[name].strip() if name in metadata else ""
