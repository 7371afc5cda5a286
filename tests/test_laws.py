"""The laws of the house that import-linter cannot see: hardware in one room, only megatron.core, plain names."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repository import ROOT

PACKAGES = ("megatron_mathcoder", "data_tools", "checkpoints_convert")
SOURCES = sorted(path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
HARDWARE_ROOM = "megatron_mathcoder/platforms/"

ALLOWED = {
    ("megatron_mathcoder/config/schema.py", "'cuda'"),  # the word a recipe may say: platform.name
}
"""The only hardware words outside the hardware room: (file, word)."""


def dotted(node: ast.expr) -> str:
    """``a.b.c`` for an attribute chain on a name, "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (parent := dotted(node.value)):
        return f"{parent}.{node.attr}"
    return ""


def imported_names(tree: ast.AST) -> set[str]:
    """Names bound by import statements anywhere in the file."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    return {(alias.asname or alias.name).split(".")[0] for node in imports for alias in node.names}


def hardware_words(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, word) for each mention of a device, a collective backend or the environment; comments do not count."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and dotted(node) in ("torch.cuda", "os.environ", "os.getenv"):
            yield node.lineno, dotted(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "cuda":
            yield node.lineno, ".cuda("
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if node.value in ("cuda", "nccl", "gloo") or node.value.startswith("cuda:"):
                yield node.lineno, repr(node.value)
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name.startswith("torch.cuda"))
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from ((node.lineno, name) for name in names if name.startswith(("torch.cuda", "os.environ", "os.getenv")))


def patches(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, target) for each assignment into something that was imported."""
    imported = imported_names(tree)
    for node in ast.walk(tree):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        elif isinstance(node, ast.Call) and dotted(node.func) == "setattr":
            yield from ((node.lineno, f"setattr({dotted(a)}") for a in node.args[:1] if dotted(a).split(".")[0] in imported)
        for target in targets:
            if isinstance(target, ast.Attribute) and dotted(target).split(".")[0] in imported:
                yield node.lineno, f"{dotted(target)} ="


def foreign_megatron(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, module) for each import from Megatron outside megatron.core."""
    for node in ast.walk(tree):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            modules = [f"megatron.{a.name}" for a in node.names] if node.module == "megatron" else [node.module]
        for module in modules:
            if module.split(".")[0] == "megatron" and module.split(".")[:2] != ["megatron", "core"]:
                yield node.lineno, module


def parse(source: str) -> ast.AST:
    return ast.parse((ROOT / source).read_text(encoding="utf-8"), filename=source)


def outside_the_hardware_room() -> list[str]:
    return [source for source in SOURCES if not source.startswith(HARDWARE_ROOM)]


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("x = torch.cuda.is_available()", "torch.cuda"),
        ("import torch.cuda", "torch.cuda"),
        ("from torch.cuda import Stream", "torch.cuda.Stream"),
        ("from torch import cuda", "torch.cuda"),
        ("model = model.cuda()", ".cuda("),
        ("d = 'cuda'", "'cuda'"),
        ("d = f'cuda:{i}'", "'cuda:'"),
        ("init(backend='nccl')", "'nccl'"),
        ('init("gloo")', "'gloo'"),
        ("rank = os.environ['RANK']", "os.environ"),
        ("from os import environ as e", "os.environ"),
        ("rank = os.getenv('RANK')", "os.getenv"),
    ],
)
def test_the_search_finds_every_way_to_say_hardware(code, word):
    assert [found for _, found in hardware_words(ast.parse(code))] == [word]


def test_the_search_leaves_prose_alone():
    assert list(hardware_words(ast.parse('"""Not torch.cuda, not "nccl"."""\n# "gloo"\nx = "on cuda or cpu"'))) == []


@pytest.mark.parametrize(
    ("code", "target"),
    [
        ("import torch\ntorch.compile = None", "torch.compile ="),
        ("import a.b\na.b.c += 1", "a.b.c ="),
        ("from a import B\nB.method = None", "B.method ="),
        ("import a\nsetattr(a, 'b', 1)", "setattr(a"),
    ],
)
def test_the_search_finds_patches(code, target):
    assert [found for _, found in patches(ast.parse(code))] == [target]


def test_the_search_finds_foreign_megatron():
    found = [name for _, name in foreign_megatron(ast.parse("import megatron.training\nfrom megatron import legacy, core"))]
    assert found == ["megatron.training", "megatron.legacy"]
    assert list(foreign_megatron(ast.parse("from megatron.core import x\nimport megatron_mathcoder.model"))) == []


def test_law_2_hardware_words_only_in_platforms():
    found = {(source, word, line) for source in outside_the_hardware_room() for line, word in hardware_words(parse(source))}
    assert [f"{source}:{line}: {word}" for source, word, line in sorted(found) if (source, word) not in ALLOWED] == []


def test_law_2_no_exception_outlives_its_reason():
    found = {(source, word) for source in outside_the_hardware_room() for _, word in hardware_words(parse(source))}
    assert found >= ALLOWED


def test_law_2_nothing_outside_platforms_patches():
    found = [f"{source}:{line}: {what}" for source in outside_the_hardware_room() for line, what in patches(parse(source))]
    assert found == []


def test_law_3_from_megatron_only_core():
    assert [f"{source}:{line}: {name}" for source in SOURCES for line, name in foreign_megatron(parse(source))] == []


def test_law_1_every_room_has_a_floor():
    """A new package under megatron_mathcoder/ that no contract names would be free to import anything."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    named = " | ".join(next(c["layers"] for c in contracts if c["type"] == "layers"))
    floors = {name.strip(" ()") for name in named.split("|")}
    package = ROOT / "megatron_mathcoder"
    rooms = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()} - {"__init__"}
    assert {f"megatron_mathcoder.{room}" for room in rooms} <= floors


def test_law_1_data_tools_and_converters_import_no_torch():
    modules = [
        s.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for s in SOURCES if not s.startswith("megatron_")
    ]
    program = (
        "import importlib, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "heavy = {'torch', 'megatron', 'transformers'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_file_is_named_after_nothing():
    empty_names = {"utils", "util", "helpers", "helper", "common", "misc", "base"}
    assert [source for source in SOURCES if Path(source).stem in empty_names] == []
