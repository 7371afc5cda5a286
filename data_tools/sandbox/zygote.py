"""The zygote: a small process with numpy and sympy imported that forks one child for each run and watches over it.

Decides: when a run is over its limits (the CPU clock of the whole process, then the wall clock, then the scratch folder), and
what the kernel said of its end. It never sees code, output or answers: those go between the caller and the child through pipes
that it hands on unread, so a child cannot find another run's data in the memory it was forked from.
Does not: measure a run (``child.py``), talk to the network, log, or survive its caller: when the control socket closes, it kills
what is left and ends.

Protocol on the control socket (one JSON datagram each): ``spawn`` with five file descriptors (standard output, standard error,
requests, replies, watch) or ``clone`` with one, which makes another zygote. On a run's watch socket: ``arm`` and ``disarm``
around each block, ``kill``; the answers are ``used`` after ``disarm``, and ``end`` when the process is gone.
"""

import array
import fcntl
import gc
import importlib
import json
import os
import resource
import select
import shutil
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from data_tools.sandbox import linux, namespaces, snippet, walls
from data_tools.sandbox.child import Child
from data_tools.sandbox.outcome import Limits

TICK_SECONDS = 0.02
SETUP_SECONDS = 60.0
SCRATCH_TICKS = 10
MAX_DATAGRAM = 65536


class Zygote:
    """The loop. ``control`` is a SOCK_SEQPACKET socket to the caller."""

    def __init__(self, control: socket.socket, scratch_root: Path, floor: tuple[str, ...], plan: walls.Plan) -> None:
        self._control, self._scratch_root, self._floor, self._plan = control, scratch_root, floor, plan
        self._children: dict[int, Child] = {}
        self._count = 0
        self._proc_is_ours = namespaces.proc_shows_own_ids()
        self._wakeup, self._wakeup_writer = os.pipe()
        for end in (self._wakeup, self._wakeup_writer):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wakeup_writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> None:
        """Work until the caller is gone, then kill what is left."""
        while True:
            watches = {child.watch.fileno(): child for child in self._children.values()}
            armed = any(child.deadline is not None for child in self._children.values())
            poll = select.poll()
            for descriptor in (self._control.fileno(), self._wakeup, *watches):
                poll.register(descriptor, select.POLLIN)
            for descriptor, _ in poll.poll(1000 * TICK_SECONDS if armed else None):
                if descriptor == self._wakeup:
                    self._drain_wakeup()
                elif descriptor in watches:
                    self._obey_watch(watches[descriptor])
                elif not self._obey_control():
                    self._end()
                    return
            self._enforce()
            self._reap()

    def _drain_wakeup(self) -> None:
        try:
            while os.read(self._wakeup, 4096):
                pass
        except BlockingIOError:
            pass

    def _obey_control(self) -> bool:
        data, descriptors = _receive_with_descriptors(self._control)
        if not data:
            return False
        message = json.loads(data)
        if message["op"] == "clone":
            self._clone(descriptors[0])
        else:
            self._spawn(Limits(**message["limits"]), descriptors)
        return True

    def _clone(self, descriptor: int) -> None:
        if os.fork():
            os.close(descriptor)
            return
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        self._control.close()
        for child in self._children.values():
            child.watch.close()
        os.close(self._wakeup)
        os.close(self._wakeup_writer)
        scratch_root = self._scratch_root / f"zygote-{os.getpid()}"
        scratch_root.mkdir(mode=0o711)
        Zygote(socket.socket(fileno=descriptor), scratch_root, self._floor, self._plan).serve()
        os._exit(0)

    def _spawn(self, limits: Limits, descriptors: list[int]) -> None:
        self._count += 1
        scratch = self._scratch_root / f"{self._count}"
        *child_ends, watch_end = descriptors
        watch = socket.socket(fileno=watch_end)
        parent = os.getpid()
        try:
            scratch.mkdir(mode=0o700)
            if os.geteuid() == 0:
                os.chown(scratch, walls.OWN_USER_ID, walls.OWN_USER_ID)
            pid = os.fork()
        except OSError as error:
            _tell(watch, {"op": "end", "failed": str(error)})
            watch.close()
            for descriptor in child_ends:
                os.close(descriptor)
            return
        if pid == 0:
            self._become_child(limits, child_ends, scratch, parent)
        for descriptor in child_ends:
            os.close(descriptor)
        now = time.monotonic()
        # Building the walls must end too, and costs the code nothing.
        self._children[pid] = Child(pid, watch, scratch, limits, now, deadline=now + max(limits.wall, SETUP_SECONDS))

    def _become_child(self, limits: Limits, descriptors: list[int], scratch: Path, parent: int) -> None:
        """Arrange descriptors 0 to 4, build the walls, and hand over to ``snippet``. Never returns."""
        replies = 4
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            os.setsid()
            sources = (os.open(os.devnull, os.O_RDONLY), *descriptors)
            high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 64) for descriptor in sources]
            for target, descriptor in enumerate(high):
                os.dup2(descriptor, target)
            os.closerange(5, min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 65536))
            os.umask(0o077)
            os.chdir(scratch)
            built = walls.raise_walls(self._plan, limits, parent, str(scratch), self._floor)
            snippet.tell_ready(replies, built)
        except BaseException as error:
            snippet.tell_setup_failed(replies, error)
            os._exit(1)
        snippet.serve(3, replies)

    def _obey_watch(self, child: Child) -> None:
        data = child.watch.recv(MAX_DATAGRAM)
        message: dict[str, Any] = json.loads(data) if data else {"op": "kill", "why": "caller gone"}
        if message["op"] == "arm":
            child.cpu_base, child.starved_base, child.began = child.cpu_seconds(), self._starved(child), time.monotonic()
            child.deadline = child.began + child.limits.wall
            child.is_set_up = True
        elif message["op"] == "disarm":
            child.deadline = None
            cpu, wall = child.cpu_seconds() - child.cpu_base, time.monotonic() - child.began
            _tell(child.watch, {"op": "used", "cpu": cpu, "wall": wall})
        else:
            self._kill(child, message["why"])

    def _enforce(self) -> None:
        now = time.monotonic()
        for child in self._children.values():
            if child.deadline is None or child.killed:
                continue
            child.ticks += 1
            if child.is_set_up and child.cpu_seconds() - child.cpu_base > child.limits.cpu_seconds:
                self._kill(child, "cpu")
            elif now > child.deadline + self._starved(child) - child.starved_base:
                self._kill(child, "wall")
            elif child.ticks % SCRATCH_TICKS == 0 and child.is_over_scratch():
                self._kill(child, "output")

    def _starved(self, child: Child) -> float:
        return child.starved_seconds() if self._proc_is_ours else 0.0

    def _kill(self, child: Child, why: str) -> None:
        # The process is not reaped yet, so its id cannot belong to another.
        child.killed = child.killed or why
        os.kill(child.pid, signal.SIGKILL)

    def _reap(self) -> None:
        while self._children:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._children.pop(pid, None)
            if child is None:
                continue
            shutil.rmtree(child.scratch, ignore_errors=True)
            end = {
                "op": "end",
                "exit": os.waitstatus_to_exitcode(status),
                "killed": child.killed,
                "cpu": usage.ru_utime + usage.ru_stime - child.cpu_base,
                "wall": time.monotonic() - child.began,
                "rss": usage.ru_maxrss * 1024,
            }
            _tell(child.watch, end)
            child.watch.close()

    def _end(self) -> None:
        for child in list(self._children.values()):
            self._kill(child, "caller gone")
        while self._children:
            time.sleep(TICK_SECONDS / 10)
            self._reap()
        shutil.rmtree(self._scratch_root, ignore_errors=True)


def _tell(watch: socket.socket, message: dict[str, Any]) -> None:
    try:
        watch.send(json.dumps(message).encode())
    except OSError:
        # The caller let go of this run; nobody wants to know.
        return


def _receive_with_descriptors(control: socket.socket) -> tuple[bytes, list[int]]:
    descriptors = array.array("i")
    room = socket.CMSG_LEN(8 * descriptors.itemsize)
    data, ancillary, _, _ = control.recvmsg(MAX_DATAGRAM, room, socket.MSG_CMSG_CLOEXEC)
    for _, kind, payload in ancillary:
        if kind == socket.SCM_RIGHTS:
            descriptors.frombytes(payload[: len(payload) - len(payload) % descriptors.itemsize])
    return data, list(descriptors)


def main(control_descriptor: int, scratch_root: str, floor: str, preload: str) -> None:
    """Be the first zygote. ``floor`` and ``preload`` are comma-separated; a package that is not installed is passed over."""
    reason = namespaces.enter()
    control = socket.socket(fileno=control_descriptor)
    plan = walls.make_plan(reason)
    loaded = []
    for name in filter(None, preload.split(",")):
        try:
            importlib.import_module(name)
            loaded.append(name)
        except ModuleNotFoundError:
            continue
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    control.send(json.dumps({"op": "ready", "preloaded": loaded}).encode())
    gc.collect()
    gc.freeze()
    Zygote(control, Path(scratch_root), tuple(filter(None, floor.split(","))), plan).serve()
