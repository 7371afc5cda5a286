"""The command line: every verb exists, help is light, and each kind of failure has its line and its exit status."""

import errno
import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from megatron_mathcoder import cli
from megatron_mathcoder.config.errors import DataError, MathCoderError
from tests.repository import ROOT


@pytest.fixture
def verb(monkeypatch) -> Callable[[Callable[[list[str]], int]], None]:
    """Make ``mathcoder try`` call the given function."""

    def install(function: Callable[[list[str]], int]) -> None:
        monkeypatch.setitem(cli.VERBS, "try", cli.Verb("tests.a_verb:run", "only here"))
        monkeypatch.setitem(sys.modules, "tests.a_verb", type("Module", (), {"run": staticmethod(function)}))

    return install


def raising(error: BaseException) -> Callable[[list[str]], int]:
    def run(argv: list[str]) -> int:
        raise error

    return run


def python(program: str, **kwargs) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, **kwargs)


@pytest.mark.parametrize("name", cli.VERBS)
def test_every_verb_leads_to_a_function_that_explains_itself(name, capsys):
    module, function = cli.VERBS[name].target.split(":")
    assert callable(getattr(importlib.import_module(module), function))
    with pytest.raises(SystemExit) as caught:
        cli.main([name, "--help"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: mathcoder {name}")


def test_every_function_that_calls_itself_a_verb_is_one():
    sources = [path.read_text() for package in cli.OUR_PACKAGES for path in (ROOT / package).rglob("*.py")]
    named = {name for source in sources for name in re.findall(r'prog="mathcoder ([\w-]+)"', source)}
    assert named == set(cli.VERBS)


def test_help_names_every_verb(capsys):
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    for name, verb in cli.VERBS.items():
        assert f"  {name} " in text
        assert verb.help in text


def test_the_readme_lists_every_verb():
    rows = re.findall(r"^\| `([\w-]+)` \|", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    assert sorted(rows) == sorted(cli.VERBS)


def test_help_imports_the_standard_library_and_two_files_of_ours():
    """What keeps ``--help`` under half a second: measured by what is loaded, not by a clock."""
    done = python(
        "import sys\n"
        "before = set(sys.modules)\n"
        "from megatron_mathcoder.cli import main\n"
        "main(['--help'])\n"
        "for name in sorted(set(sys.modules) - before):\n"
        "    if name.partition('.')[0] not in sys.stdlib_module_names: print(name, file=sys.stderr)"
    )
    ours = ["megatron_mathcoder", "megatron_mathcoder.cli", "megatron_mathcoder.config", "megatron_mathcoder.config.errors"]
    assert done.stderr.splitlines() == ours


def test_python_dash_m_is_the_same_command():
    done = subprocess.run(
        [sys.executable, "-m", "megatron_mathcoder", "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, cli.usage(), "")


def test_help_of_a_verb_is_asked_for_in_either_order(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["help", "train"])
    assert capsys.readouterr().out.startswith("usage: mathcoder train")
    assert cli.main(["help", "trian"]) == 2
    assert capsys.readouterr().err == "mathcoder: unknown verb 'trian'; did you mean 'train'?\n"


def test_no_verb_prints_help_and_fails(capsys):
    assert cli.main([]) == 2
    assert capsys.readouterr().out == cli.usage()


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("mathcoder 0.")


@pytest.mark.parametrize(
    ("typed", "suggestion"),
    [
        ("tokenise", "did you mean 'tokenize'?"),
        ("export-hg", "did you mean 'export-hf'?"),
        ("qqq", f"one of: {', '.join(sorted(cli.VERBS))}"),
    ],
)
def test_unknown_verb(typed, suggestion, capsys):
    assert cli.main([typed]) == 2
    assert capsys.readouterr().err == f"mathcoder: unknown verb {typed!r}; {suggestion}\n"


def test_a_verbs_status_and_arguments_pass_through(verb):
    seen = []
    verb(lambda argv: seen.append(argv) or 7)
    assert cli.main(["try", "--a", "b"]) == 7
    assert seen == [["--a", "b"]]


def test_a_persons_mistake_is_one_line_and_2(verb, capsys):
    verb(raising(DataError("corpus.jsonl is empty; name a file with documents")))
    assert cli.main(["try"]) == 2
    assert capsys.readouterr().err == "mathcoder try: corpus.jsonl is empty; name a file with documents\n"


def test_an_error_class_may_choose_its_status(verb):
    class OutOfTime(MathCoderError):
        exit_status = 75

    verb(raising(OutOfTime("time is up; run it again")))
    assert cli.main(["try"]) == 75


def test_traceback_on_request(verb, capsys):
    verb(raising(DataError("broken")))
    assert cli.main(["--traceback", "try"]) == 2
    text = capsys.readouterr().err
    assert "Traceback (most recent call last)" in text
    assert text.endswith("mathcoder try: broken\n")


def test_interrupt_is_130(verb, capsys):
    verb(raising(KeyboardInterrupt()))
    assert cli.main(["try"]) == 130
    assert capsys.readouterr().err == "\nmathcoder try: interrupted\n"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "No space left on device: a file without a name; free some space, or write to another disk",
        ),
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "x.toml"),
            "No such file or directory: x.toml; check the path",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "/root/x"),
            "Permission denied: /root/x; choose a path you may use, or ask for the permission",
        ),
        (
            ModuleNotFoundError("No module named 'torch'", name="torch"),
            "torch is not installed; mathcoder doctor says what to install",
        ),
    ],
)
def test_what_the_machine_refuses_is_one_line_and_2(verb, capsys, error, line):
    verb(raising(error))
    assert cli.main(["try"]) == 2
    assert capsys.readouterr().err == f"mathcoder try: {line}\n"


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a defect"),
        OSError(errno.EIO, "Input/output error"),
        ModuleNotFoundError("No module named 'data_tools.typo'", name="data_tools.typo"),
    ],
)
def test_defects_keep_their_traceback(verb, error):
    verb(raising(error))
    with pytest.raises(type(error)):
        cli.main(["try"])


def test_a_reader_that_leaves_is_no_error():
    """``mathcoder … | head`` must not print a traceback."""
    program = (
        "import sys\n"
        "from megatron_mathcoder import cli\n"
        "sys.modules['a_verb'] = type('Module', (), {'run': lambda argv: print('line\\n' * 100_000) or 0})\n"
        "cli.VERBS['try'] = cli.Verb('a_verb:run', '')\n"
        "sys.exit(cli.main(['try']))"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_a_broken_pipe_to_a_child_is_a_defect():
    """Only our own output's reader may leave quietly: a dead worker process must be seen."""
    done = python(
        "import os, sys\n"
        "from megatron_mathcoder import cli\n"
        "def run(argv):\n"
        "    reader, writer = os.pipe()\n"
        "    os.close(reader)\n"
        "    os.write(writer, b'work')\n"
        "sys.modules['a_verb'] = type('Module', (), {'run': run})\n"
        "cli.VERBS['try'] = cli.Verb('a_verb:run', '')\n"
        "sys.exit(cli.main(['try']))"
    )
    assert done.returncode == 1
    assert "BrokenPipeError" in done.stderr
