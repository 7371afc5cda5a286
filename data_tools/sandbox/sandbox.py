"""The sandbox: runs Python that a model wrote, in processes that can do nothing but calculate.

Decides: one zygote per core, started with an empty environment and cloned; the walls are tried before the first use and must
reach the floor; a run whose process could not be set up is tried once more on new zygotes.
Does not: hold secrets. The caller may; nothing of the caller's memory, environment or files reaches a zygote.

    with Sandbox() as sandbox:
        sandbox.run("print(6 * 7)").stdout           # "42\\n"
        sandbox.call("math:gcd", 12, 18).value       # 6
        with sandbox.session() as session:
            session.run("x = 6")
            session.run("x * 7").display             # "42"
"""

import json
import queue
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from data_tools.pool import available_cpus
from data_tools.sandbox.confined import ConfinedProcess, SetupFailed
from data_tools.sandbox.outcome import Limits, Outcome
from data_tools.sandbox.session import Session
from data_tools.sandbox.walls import DEFAULT_FLOOR, WALLS
from megatron_mathcoder.config.errors import PlatformError

START_SECONDS = 300.0
"""Importing the preloaded packages on a cold file system can take a minute; longer means it hangs."""
PRELOAD = (
    "numpy",
    "numpy.random",
    "sympy",
    # What solve, integrate and simplify import when they are first called: 70 ms of each run.
    "sympy.tensor.tensor",
    "sympy.integrals.manualintegrate",
    "sympy.integrals.heurisch",
    "sympy.integrals.risch",
    "sympy.physics.units",
)
MAIN = (
    "import sys; sys.path.insert(0, sys.argv[1]); from data_tools.sandbox.zygote import main; "
    "main(int(sys.argv[2]), *sys.argv[3:])"
)
ENVIRONMENT = {
    # "." is the scratch folder of whoever asks.
    "HOME": ".",
    "TMPDIR": ".",
    "MPLCONFIGDIR": ".",
    "MPLBACKEND": "Agg",
    "PYTHONUTF8": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    # One thread each: there is a zygote per core, and a snippet's CPU time counts all threads.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


class _Zygotes:
    """One first zygote with its clones. ``idle`` holds the control socket of each that has no run."""

    def __init__(self, workers: int, floor: tuple[str, ...], preload: tuple[str, ...], hash_seed: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mathcoder-sandbox-"))
        self.folder.chmod(0o711)
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self.controls: list[socket.socket] = []
        self.idle: queue.Queue[socket.socket] = queue.Queue()
        ours, theirs = _control_pair()
        command = [sys.executable, "-s", "-P", "-c", MAIN, str(Path(__file__).parents[2]), str(theirs.fileno())]
        self._process = subprocess.Popen(
            [*command, str(self.folder), ",".join(floor), ",".join(preload)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._complaints,
            env=ENVIRONMENT | {"PYTHONHASHSEED": str(hash_seed)},
            pass_fds=(theirs.fileno(),),
            cwd="/",
            start_new_session=True,
        )
        theirs.close()
        self._add(ours)
        self.preloaded: list[str] = self._await_ready(ours)["preloaded"]
        for _ in range(workers - 1):
            mine, clones = _control_pair()
            socket.send_fds(ours, [b'{"op": "clone"}'], [clones.fileno()])
            clones.close()
            self._add(mine)

    def _add(self, control: socket.socket) -> None:
        self.controls.append(control)
        self.idle.put(control)

    def _await_ready(self, control: socket.socket) -> dict[str, Any]:
        control.settimeout(START_SECONDS)
        try:
            data = control.recv(65536)
        except TimeoutError:
            data = b""
        control.settimeout(None)
        if not data:
            self.stop()
            self._complaints.seek(0)
            last = self._complaints.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise PlatformError(
                f"the sandbox's interpreter {sys.executable} did not start with an empty environment ({last or 'no message'}); "
                "install the packages into an environment of their own (python -m venv) that needs no variables to run"
            )
        message: dict[str, Any] = json.loads(data)
        return message

    def stop(self) -> None:
        """Let go of the zygotes, which end with all their children, and remove their folder."""
        for control in self.controls:
            control.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Sandbox:
    """Runs code in confined processes. Thread-safe: up to ``workers`` runs go on at a time, further ones wait; sessions do not
    count.

    ``floor`` names the walls that must stand; ``preload`` the packages imported before forking; ``hash_seed`` fixes the order
    of sets, so that results are the same on every machine. Raises PlatformError when the floor is not reached.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        workers: int = 0,
        floor: Iterable[str] = DEFAULT_FLOOR,
        preload: Iterable[str] = PRELOAD,
        hash_seed: int = 0,
    ) -> None:
        self.limits = limits or Limits()
        self.workers = workers or available_cpus()
        self.floor = tuple(floor)
        if unknown := [name for name in self.floor if name not in WALLS]:
            raise PlatformError(f"the sandbox has no wall {unknown[0]!r}; the walls are {', '.join(WALLS)}")
        self._settings = (self.workers, self.floor, tuple(preload), hash_seed)
        self._lock = threading.Lock()
        self._next = 0
        self._zygotes = _Zygotes(*self._settings)
        self.walls: dict[str, str] = {}
        try:
            self._check_walls()
        except BaseException:
            self.close()
            raise

    def _check_walls(self) -> None:
        try:
            built, leaks = self._probe()
        except SetupFailed as error:
            raise PlatformError(f"the sandbox cannot start: {error}; {self._remedy()}") from None
        self.walls = {name: built[name] or leaks.get(name, "") for name in WALLS}
        for name in self.floor:
            if self.walls[name]:
                raise PlatformError(f"the sandbox's wall {name} is down: {self.walls[name]}; {self._remedy()}")

    def _probe(self) -> tuple[dict[str, str], dict[str, str]]:
        control = self._zygotes.controls[0]
        process = ConfinedProcess(control, Limits())
        try:
            process.wait_ready()
            outcome = process.ask({"call": "data_tools.sandbox.probe:try_walls", "arguments": [], "last": True})
        finally:
            process.close()
        if outcome.status != "ok":
            raise SetupFailed(f"its self-test ended with {outcome.status}: {outcome.error}")
        return process.walls, outcome.value

    def _remedy(self) -> str:
        return (
            "use a machine with Linux 5.13 or newer and Landlock on, or say which walls suffice with --sandbox-floor "
            f"(evaluation.sandbox_floor in a recipe; now {','.join(self.floor)})"
        )

    def describe(self) -> str:
        """Return one line: which walls stand, and why the others do not."""
        up = ", ".join(name for name, reason in self.walls.items() if not reason)
        down = "; ".join(f"no {name} ({reason})" for name, reason in self.walls.items() if reason)
        return f"sandbox: {up}" + (f"; {down}" if down else "")

    def run(self, code: str, *, display: bool = False, name: str = "<snippet>", limits: Limits | None = None) -> Outcome:
        """Run a program of its own. ``display`` also gives the last expression's value, as a notebook would show it.

        ``name`` is the file's name in tracebacks.
        """
        return self._one_off({"code": code, "name": name, "display": display}, limits)

    def call(self, target: str, *arguments: Any, limits: Limits | None = None) -> Outcome:
        """Call ``module:function`` of an installed package with JSON data; ``outcome.value`` is what it returned, as JSON data.

        For functions we trust on text we do not: parsers and comparers that hang, crash or evaluate.
        """
        return self._one_off({"call": target, "arguments": list(arguments)}, limits)

    def run_many(self, codes: Iterable[str], *, display: bool = False) -> Iterator[Outcome]:
        """Yield the outcome of each program in order, ``workers`` at a time."""
        with ThreadPoolExecutor(self.workers) as threads:
            yield from threads.map(lambda code: self.run(code, display=display), codes)

    def session(self, limits: Limits | None = None) -> Session:
        """Begin a session: blocks that share a namespace, each with the limits. Raises PlatformError when it cannot be set
        up."""
        for attempt in (1, 2):
            zygotes = self._zygotes
            self._next += 1
            try:
                return Session(zygotes.controls[self._next % self.workers], limits or self.limits)
            except SetupFailed as error:
                if attempt == 2:
                    raise PlatformError(f"the sandbox could not begin a session: {error}") from None
                self._renew(zygotes)
        raise AssertionError("unreachable")

    def _one_off(self, request: dict[str, Any], limits: Limits | None) -> Outcome:
        reason = ""
        for _ in range(2):
            zygotes = self._zygotes
            control = zygotes.idle.get()
            process = None
            try:
                process = ConfinedProcess(control, limits or self.limits)
                process.wait_ready()
                return process.ask(request | {"last": True})
            except SetupFailed as error:
                reason = str(error)
            finally:
                if process is not None:
                    process.close()
                zygotes.idle.put(control)
            self._renew(zygotes)
        return Outcome(status="setup-failed", error=reason)

    def _renew(self, broken: _Zygotes) -> None:
        """Start new zygotes in place of ``broken``, unless another thread has done so."""
        with self._lock:
            if self._zygotes is broken:
                broken.stop()
                self._zygotes = _Zygotes(*self._settings)

    def close(self) -> None:
        """End all zygotes, sessions and runs."""
        self._zygotes.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()


def _control_pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
