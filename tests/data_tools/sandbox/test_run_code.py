"""The verb: one JSON object, an exit status a script can use, and one line for each mistake a person can make."""

import json

import pytest

from data_tools.sandbox import run_code
from data_tools.sandbox.channel import MAX_MESSAGE_BYTES
from megatron_mathcoder import cli


@pytest.fixture
def typed(tmp_path, capsysbinary):
    """Run the verb on a file with the given bytes; return exit status, standard output and standard error."""

    def run(content: bytes, *arguments: str):
        path = tmp_path / "code.py"
        path.write_bytes(content)
        status = cli.main(["run-code", str(path), *arguments])
        captured = capsysbinary.readouterr()
        return status, captured.out.decode(), captured.err.decode()

    return run


def test_one_json_object(typed):
    status, out, err = typed(b"sum(range(10**6))\nprint('\xcf\x80')\nimport sys; print('e', file=sys.stderr)")
    assert status == 0
    assert out.count("\n") == 1
    found = json.loads(out)
    assert found.keys() == {"file", *run_code.FIELDS}
    assert (found["status"], found["stdout"], found["stderr"], found["error"]) == ("ok", "π\n", "e\n", "")
    assert 0 < found["cpu_seconds"] < 5
    assert found["max_rss_bytes"] > 2**20
    assert err.startswith("sandbox: rlimits, ")


@pytest.mark.parametrize(
    ("content", "status", "error"),
    [
        (b"1/0", "exception", "ZeroDivisionError: division by zero"),
        (b"def f(:", "exception", "SyntaxError: invalid syntax"),
        (b"while True: pass", "cpu", "over its budget of 0.2 CPU-seconds"),
        (b"import os; os.abort()", "signal", "killed by signal 6"),
    ],
)
def test_code_that_does_not_reach_its_end(typed, content, status, error):
    code, out, _ = typed(content, "--timeout_seconds", "0.2")
    found = json.loads(out)
    assert (code, found["status"]) == (1, status)
    assert found["error"].endswith(error)


def test_a_budget_too_small_for_anything_is_the_codes_not_the_sandboxs(typed):
    code, out, _ = typed(b"sum(range(10**7))", "--timeout_seconds", "1e-6")
    assert (code, json.loads(out)["status"]) == (1, "cpu")


def test_code_that_asks_a_person_finds_nobody(typed):
    code, out, _ = typed(b"print(input('n? '))")
    found = json.loads(out)
    assert (code, found["stdout"], found["error"]) == (1, "n? ", "EOFError: EOF when reading a line")


def test_an_empty_file_ends_well(typed):
    status, out, _ = typed(b"")
    assert status == 0
    assert json.loads(out)["status"] == "ok"


def test_a_declared_encoding_is_honoured(typed):
    _, out, _ = typed(b"# -*- coding: latin-1 -*-\nprint('\xfc')")
    assert json.loads(out)["stdout"] == "ü\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x7fELF\x00\x01", "holds a NUL byte; name a text file"),
        (b"x = '\xff\xfe'", "is no Python source: "),
        (b"# " * MAX_MESSAGE_BYTES, "is it a program?"),
    ],
)
def test_what_is_no_program(typed, content, message):
    status, out, err = typed(content)
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_what_is_no_file(tmp_path, capsys):
    assert cli.main(["run-code", str(tmp_path / "none.py")]) == 2
    assert capsys.readouterr().err == f"mathcoder run-code: '{tmp_path}/none.py' does not exist; name a Python file\n"
    assert cli.main(["run-code", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"mathcoder run-code: '{tmp_path}' is no file; name a Python file\n"


@pytest.mark.parametrize("seconds", ["0", "-1", "inf", "nan", "ten"])
def test_seconds_must_be_a_positive_number(seconds, capsys):
    with pytest.raises(SystemExit):
        cli.main(["run-code", "x.py", "--timeout_seconds", seconds])
    assert f"{seconds!r} is not a number of seconds above 0" in capsys.readouterr().err


def test_an_unknown_wall_is_named(capsys):
    with pytest.raises(SystemExit):
        cli.main(["run-code", "x.py", "--sandbox-floor", "seccomp,moat"])
    assert "'moat' is no wall; the walls are rlimits, own_user" in capsys.readouterr().err
