"""Blocks of one trajectory: one namespace, last-expression display, and outputs that belong to their block."""

import pytest

from data_tools.sandbox.outcome import Limits
from data_tools.sandbox.sandbox import Sandbox


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(Limits(cpu_seconds=0.5), workers=2) as started:
        yield started


@pytest.fixture
def session(sandbox):
    with sandbox.session() as begun:
        yield begun


def test_blocks_share_a_namespace(session):
    assert session.run("def double(n):\n    return 2 * n\nx = 21").output == ""
    assert session.run("double(x)").display == "42"
    assert session.run("print(x)\n_").output == "21\n42"


def test_an_exception_leaves_the_session_alive(session):
    session.run("x = 1")
    failed = session.run("x = 2\ny")
    assert (failed.status, failed.error) == ("exception", "NameError: name 'y' is not defined")
    assert 'File "<block 2>", line 2' in failed.stderr
    assert session.run("x").display == "2"


def test_exit_ends_a_block_and_not_the_session(session):
    assert session.run("import sys; sys.exit(0)").status == "ok"
    assert session.run("1 + 1").display == "2"


def test_a_timeout_ends_the_session_and_says_so(session):
    stuck = session.run("print('before')\nwhile True: pass")
    assert (stuck.status, stuck.stdout) == ("cpu", "before\n")
    assert not session.alive
    assert session.ended_by is stuck
    with pytest.raises(RuntimeError, match=r"the session has ended \(cpu\); begin another"):
        session.run("1")


def test_each_block_has_its_own_budget(session):
    """Five blocks of 0.2 CPU-seconds each: twice the budget of one."""
    burn = "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass\n'done'"
    assert [session.run(burn).display for _ in range(5)] == ["'done'"] * 5


def test_a_pause_between_blocks_costs_nothing(sandbox):
    import time

    with sandbox.session(Limits(cpu_seconds=0.05)) as session:
        session.run("x = 1")
        time.sleep(0.8)
        assert session.run("x").display == "1"


def test_output_belongs_to_the_block_that_printed_it(session):
    outputs = [session.run(f"print({number})\n{number} * 10").output for number in range(20)]
    assert outputs == [f"{number}\n{number * 10}" for number in range(20)]


def test_a_reply_sent_ahead_ends_the_session(session):
    """What a nonce is for: the forged reply was written before the block it wants to answer was asked for."""
    forged = '{"nonce": "0123456789abcdef", "status": "ok", "display": "forged"}'
    forging = session.run(f"import os, struct\nb = {forged!r}.encode()\nn = os.write(4, struct.pack('!I', len(b)) + b)")
    assert (forging.status, forging.display) == ("exception", "")
    assert "no reply" in forging.error
    assert not session.alive


def test_a_process_that_leaves_ends_the_session(session):
    left = session.run("import os; os._exit(0)")
    assert left.status == "exception"
    assert not session.alive


def test_a_crash_ends_the_session(session):
    crashed = session.run("import os; os.abort()")
    assert (crashed.status, crashed.exit_signal) == ("signal", 6)
    assert not session.alive


def test_functions_can_be_called_in_a_session(session):
    assert [session.call("math:factorial", n).value for n in range(5)] == [1, 1, 2, 6, 24]
    assert session.call("operator:truediv", 1, 0).status == "exception"
    assert session.alive


def test_sessions_side_by_side_do_not_see_each_other(sandbox):
    with sandbox.session() as one, sandbox.session() as two:
        one.run("x = 1; open('f', 'w').write('1')")
        assert two.run("x").error == "NameError: name 'x' is not defined"
        assert two.run("import os; os.listdir('.')").display == "[]"
        assert one.run("x").display == "1"


def test_a_thread_left_behind_is_counted(session):
    """Its CPU time goes to the block that runs while it does."""
    session.run("import threading\nthreading.Thread(target=lambda: [0 for _ in iter(int, 1)], daemon=True).start()")
    outcome = session.run("import time\nwhile True: time.sleep(0.01)")
    assert outcome.status == "cpu"
