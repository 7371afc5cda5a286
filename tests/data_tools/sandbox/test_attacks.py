"""Every attack ends as it may and gets nothing, as root and as an unprivileged user; harmless code in the same batch works.

An attack suite passes by itself when the sandbox fails to start, so each batch carries its positive controls.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.data_tools.sandbox import attacks_on_walls
from tests.data_tools.sandbox.attacks_on_endings import ENDINGS
from tests.data_tools.sandbox.attacks_on_limits import RESOURCES

HERE = Path(__file__).parent
CPU_SECONDS = 0.2
SECRET = "only the owner knows"
GROUPS = {**attacks_on_walls.GROUPS, "RESOURCES": RESOURCES, "ENDINGS": ENDINGS}
CONTROLS = {
    "print(6 * 7)": "42\n",
    "import sympy; x = sympy.symbols('x'); print(sympy.solve(x**2 - 5*x + 6))": "[2, 3]\n",
    "import numpy; print(int((numpy.eye(3) @ numpy.arange(3)).sum()))": "3\n",
    "f = open('x', 'w'); f.write('kept'); f.close(); print(open('x').read())": "kept\n",
    "import threading; t = threading.Thread(target=print, args=(1,)); t.start(); t.join()": "1\n",
    "import fractions, decimal, statistics, itertools, json; print(fractions.Fraction(1, 3))": "1/3\n",
}
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")


def command(user: str) -> list[str]:
    """Another user keeps the capability to read, since this interpreter may lie under root's home; a plain user has nothing to
    keep."""
    if user == "this user":
        return [sys.executable]
    if not shutil.which("setpriv"):
        pytest.skip("setpriv (util-linux) is not installed")
    capability = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *capability, sys.executable]


@pytest.fixture
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file that anyone may read, write and replace: file permissions protect nothing here."""
    folder = tmp_path_factory.mktemp("open")
    path = folder / "secret.txt"
    path.write_text(SECRET)
    path.chmod(0o666)
    for parent in (folder, folder.parent, folder.parent.parent):
        parent.chmod(0o777 if parent == folder else 0o755)
    return path


def run_batch(user: str, codes: list[str]) -> dict[str, Any]:
    done = subprocess.run(
        [*command(user), str(HERE / "run_batch.py"), str(CPU_SECONDS)],
        input=json.dumps(codes),
        capture_output=True,
        text=True,
        timeout=240,
        env=dict(os.environ) | {"SECRET_TOKEN": SECRET},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("user", ["this user", pytest.param("nobody", marks=ROOT_ONLY)])
def test_attacks_get_nothing(user, group, target):
    attacks = GROUPS[group]
    codes = [code.replace("{target!r}", repr(str(target))) for code, _ in attacks.values()]
    answer = run_batch(user, codes + list(CONTROLS))
    outcomes = answer["outcomes"]
    found = {}
    for (name, (_, allowed)), outcome in zip(attacks.items(), outcomes, strict=False):
        if outcome["status"] not in allowed or "PWNED" in outcome["stdout"] or SECRET in str(outcome):
            found[name] = {key: outcome[key] for key in ("status", "error", "stdout")}
    assert found == {}
    assert target.read_text() == SECRET
    assert [outcome["stdout"] for outcome in outcomes[len(attacks) :]] == list(CONTROLS.values())
    for wall in ("rlimits", "no_new_privs", "landlock", "seccomp"):
        assert answer["walls"][wall] == ""


def test_there_are_hundreds_of_attacks():
    assert sum(map(len, GROUPS.values())) > 350
