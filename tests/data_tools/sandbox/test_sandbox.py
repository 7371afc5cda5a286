"""What a caller sees: typed outcomes, nothing shared between runs, nothing left behind, and no verdict from a failed setup."""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_tools.sandbox import channel, seccomp
from data_tools.sandbox.channel import MAX_MESSAGE_BYTES
from data_tools.sandbox.outcome import Limits
from data_tools.sandbox.sandbox import Sandbox
from data_tools.sandbox.syscalls import NUMBERS
from megatron_mathcoder.config.errors import PlatformError
from tests.repository import ROOT

LIMITS = Limits(cpu_seconds=2)


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(LIMITS, workers=2) as started:
        yield started


def test_a_program_runs_as_python_would_run_it(sandbox):
    code = "import sys\nif __name__ == '__main__':\n    print('main')\n    print('oops', file=sys.stderr)\n"
    outcome = sandbox.run(code)
    assert (outcome.status, outcome.stdout, outcome.stderr, outcome.error) == ("ok", "main\n", "oops\n", "")
    assert outcome.display == ""


def test_an_exception_leaves_what_was_printed_and_its_own_traceback(sandbox):
    outcome = sandbox.run("print(1)\n1 / 0", name="mine.py")
    assert (outcome.status, outcome.stdout, outcome.error) == ("exception", "1\n", "ZeroDivisionError: division by zero")
    assert 'File "mine.py", line 2' in outcome.stderr
    assert "snippet" not in outcome.stderr


def test_a_syntax_error_shows_no_frame_of_ours(sandbox):
    outcome = sandbox.run("x = 1\ndef f(:\n", name="f.py")
    assert outcome.error == "SyntaxError: invalid syntax"
    assert outcome.stderr.splitlines()[0] == '  File "f.py", line 2'


def test_code_too_long_to_be_sent_is_no_crash_of_the_caller(sandbox):
    long = "x = 1 #" + "é" * (MAX_MESSAGE_BYTES // 6)
    assert sandbox.run(long).error.startswith("not run: a message of ")
    with sandbox.session() as session:
        assert session.run(long).status == "exception"
        assert session.run("6 * 7").display == "42"


def test_text_of_any_language_arrives_as_it_was_printed(sandbox):
    assert sandbox.run("print('π ≈ ∑ ü 中')").stdout == "π ≈ ∑ ü 中\n"


def test_comments_and_strings_are_left_alone(sandbox):
    assert sandbox.run('x = """\n#1\n# two\n"""\nprint(x)').stdout == "\n#1\n# two\n\n"


def test_output_up_to_the_limit_is_kept_whole_and_beyond_it_is_cut(sandbox):
    limits = Limits(cpu_seconds=2, output_bytes=300_000)
    whole = sandbox.run("print('x' * 299_999)", limits=limits)
    assert (whole.status, len(whole.stdout)) == ("ok", 300_000)
    cut = sandbox.run("print('x' * 300_000)", limits=limits)
    assert (cut.status, len(cut.stdout)) == ("output", 300_000)


def test_the_cpu_budget_counts_the_code_and_not_the_machine(sandbox):
    outcome = sandbox.run("import time\ntime.sleep(0.3)\nprint('rested')", limits=Limits(cpu_seconds=0.2))
    assert (outcome.status, outcome.stdout) == ("ok", "rested\n")
    assert outcome.cpu_seconds < 0.2 < outcome.wall_seconds


def test_what_was_printed_before_a_limit_is_kept(sandbox):
    outcome = sandbox.run("print('before')\nwhile True: pass", limits=Limits(cpu_seconds=0.2))
    assert (outcome.status, outcome.stdout) == ("cpu", "before\n")


def test_the_wall_clock_is_never_less_than_ten_times_the_cpu_budget():
    assert Limits(cpu_seconds=3, wall_seconds=1).wall == 30
    assert Limits(cpu_seconds=3, wall_seconds=90).wall == 90


def test_a_run_leaves_nothing_for_the_next_one(sandbox):
    vandal = "import builtins, sys, math\nbuiltins.print = lambda *a: None\nmath.pi = 3\nsys.path.clear()\nopen('left', 'w')"
    assert sandbox.run(vandal).status == "ok"
    outcome = sandbox.run("import math, os\nprint(math.pi > 3, os.listdir('.'))")
    assert outcome.stdout == "True []\n"


def test_nothing_of_the_callers_environment_is_there(monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "abc123")
    with Sandbox(LIMITS, workers=1) as sandbox:
        outcome = sandbox.run("import os; print(sorted(os.environ))")
    assert "SECRET_TOKEN" not in outcome.stdout
    assert "HOME" in outcome.stdout


def test_code_and_answers_of_others_are_not_in_the_memory_it_was_forked_from(sandbox):
    """The zygote hands pipes on unread; a process can look through all its objects and find no other run's data."""
    secret = "-".join(["gold", "answer", "1729"])
    sandbox.call("builtins:len", secret)
    sandbox.run(f"x = {secret!r}")
    look = (
        "import gc\ngc.unfreeze()\nwanted = '-'.join(['gold', 'answer'])\n"
        "held = [o for o in gc.get_objects() if isinstance(o, (dict, list, tuple)) and len(o) < 100]\n"
        "print(len(held) > 1000, sum(wanted in repr(o) for o in held if o is not globals()))"
    )
    assert sandbox.run(look).stdout == "True 0\n"


def test_random_numbers_differ_between_runs(sandbox):
    for code in ("import random; print(random.random())", "import numpy; print(numpy.random.random())"):
        assert sandbox.run(code).stdout != sandbox.run(code).stdout


def test_many_programs_come_back_in_order(sandbox):
    codes = [f"print({number})" if number % 3 else "import os; os.abort()" for number in range(30)]
    outcomes = list(sandbox.run_many(codes))
    assert [outcome.stdout for outcome in outcomes] == ["" if number % 3 == 0 else f"{number}\n" for number in range(30)]
    assert {outcome.status for outcome in outcomes[::3]} == {"signal"}


def test_a_trusted_function_is_called_with_data(sandbox):
    assert sandbox.call("math:gcd", 12, 18).value == 6
    assert sandbox.call("data_tools.document:reason_kind", "a: b").value == "a"
    failed = sandbox.call("math:gcd", "x")
    assert (failed.status, failed.value) == ("exception", None)
    assert failed.error.startswith("TypeError: ")
    assert sandbox.call("time:sleep", 60, limits=Limits(cpu_seconds=0.05)).status == "wall"
    assert sandbox.call("builtins:open", "/etc/passwd").status == "exception"


def test_a_value_that_is_no_json_data_is_an_exception(sandbox):
    assert sandbox.call("builtins:complex", 1, 2).status == "exception"


def test_nothing_outlives_its_sandbox():
    sandbox = Sandbox(LIMITS, workers=2)
    folder = sandbox._zygotes.folder
    group = sandbox._zygotes._process.pid
    session = sandbox.session()
    session.run("import threading, time; threading.Thread(target=time.sleep, args=(99,)).start()")
    sandbox.close()
    assert not folder.exists()
    assert processes_of_session(group) == []
    session.close()


def test_nothing_outlives_a_killed_caller(tmp_path):
    program = (
        "from data_tools.sandbox.sandbox import Sandbox\n"
        "sandbox = Sandbox(workers=2)\n"
        "session = sandbox.session()\n"
        "print(sandbox._zygotes._process.pid, sandbox._zygotes.folder, flush=True)\n"
        "session.run('while True: pass')"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as caller:
        assert caller.stdout is not None
        group, folder = caller.stdout.readline().split()
        caller.kill()
    wait_until(lambda: not Path(folder).exists() and not Path(f"/proc/{group}").exists())
    assert processes_of_session(int(group)) == []


def test_a_killed_zygote_is_replaced_and_costs_no_verdict():
    with Sandbox(LIMITS, workers=2) as sandbox:
        os.kill(sandbox._zygotes._process.pid, signal.SIGKILL)
        assert [sandbox.run(f"print({n})").stdout for n in range(4)] == ["0\n", "1\n", "2\n", "3\n"]


def test_a_setup_that_fails_is_no_verdict_and_is_mended():
    """Without its scratch folder no process can be set up; new zygotes make a new one."""
    with Sandbox(LIMITS, workers=1) as sandbox:
        shutil.rmtree(sandbox._zygotes.folder)
        assert sandbox.run("print(1)").status == "ok"


def test_a_setup_that_keeps_failing_is_said_to_have_failed(monkeypatch):
    with Sandbox(LIMITS, workers=1) as sandbox:
        shutil.rmtree(sandbox._zygotes.folder)
        monkeypatch.setattr(sandbox, "_renew", lambda broken: None)
        outcome = sandbox.run("print(1)")
        assert outcome.status == "setup-failed"
        assert "No such file" in outcome.error
        with pytest.raises(PlatformError, match="could not begin a session"):
            sandbox.session()


def test_an_unknown_wall_is_refused():
    with pytest.raises(PlatformError, match="no wall 'moat'; the walls are rlimits"):
        Sandbox(floor=("moat",))


def test_without_landlock_it_refuses_and_says_what_to_do(tmp_path):
    """A filter that answers ENOSYS to Landlock makes this machine one of the many without it."""
    done = without_landlock("run-code", tmp_path / "x.py")
    assert (done.returncode, done.stdout) == (2, "")
    assert "mathcoder run-code: the sandbox cannot start: " in done.stderr
    assert "landlock: landlock_create_ruleset: Function not implemented; use a machine with Linux 5.13" in done.stderr
    assert "(evaluation.sandbox_floor in a recipe; now rlimits,no_new_privs,landlock,seccomp)" in done.stderr
    lower = without_landlock("run-code", tmp_path / "x.py", "--sandbox-floor", "rlimits,no_new_privs,seccomp")
    assert lower.returncode == 0, lower.stderr
    assert json.loads(lower.stdout)["stdout"] == "1\n"
    assert "no landlock (landlock_create_ruleset: Function not implemented)" in lower.stderr


def without_landlock(*arguments: object) -> subprocess.CompletedProcess[str]:
    Path(str(arguments[1])).write_text("print(1)")
    call = NUMBERS["landlock_create_ruleset"][seccomp.machine_column()[0]]
    program = (
        "import ctypes, struct, sys\n"
        "from data_tools.sandbox import linux\n"
        f"steps = [(0x20, 0, 0, 0), (0x15, 0, 1, {call}), (6, 0, 0, {seccomp.ENOSYS}), (6, 0, 0, {seccomp.ALLOW})]\n"
        "code = b''.join(struct.pack('HBBI', *s) for s in steps)\n"
        "kept = ctypes.create_string_buffer(code)\n"
        "wanted = ctypes.create_string_buffer(struct.pack('HxxxxxxQ', len(steps), ctypes.addressof(kept)))\n"
        "linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)\n"
        "linux.syscall('seccomp', 1, 0, ctypes.c_void_p(ctypes.addressof(wanted)))\n"
        "from megatron_mathcoder.cli import main\n"
        f"sys.exit(main({[str(argument) for argument in arguments]!r}))"
    )
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_the_filter_is_made_for_both_processors(monkeypatch):
    sizes = set()
    for machine in ("x86_64", "aarch64"):
        monkeypatch.setattr("platform.machine", lambda machine=machine: machine)
        code = seccomp.program(1234)
        assert len(code) % 8 == 0
        assert len(code) // 8 < 4096, "the kernel takes at most 4096 instructions"
        sizes.add(len(code))
    assert len(sizes) == 2
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(PlatformError, match="no system-call table for 'riscv64'"):
        seccomp.program(1)


def test_a_message_is_taken_whole_or_not_at_all():
    data = channel.pack({"a": 1}) + channel.pack({"b": "ü"})
    buffer = bytearray()
    found = []
    for byte in data:
        buffer.append(byte)
        if (message := channel.unpack(buffer)) is not None:
            found.append(message)
    assert found == [{"a": 1}, {"b": "ü"}]
    with pytest.raises(ValueError, match="announced"):
        channel.unpack(bytearray(b"\xff" * 8))
    with pytest.raises(ValueError, match="no object"):
        channel.unpack(bytearray(b"\0\0\0\x02[]"))


def processes_of_session(session: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            # Each run has a session of its own, but all have the zygote's control group; the folder's name is in its arguments.
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def wait_until(condition) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_structs_are_those_of_the_kernel():
    assert ctypes.sizeof(seccomp._Program) == 16
