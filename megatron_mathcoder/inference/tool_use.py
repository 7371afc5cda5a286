"""Code-executing inference: a model writes, its code is run, its output goes back into the text, and so on for some rounds.

Decides: what is asked when. All problems that wait for the model are asked together; while a problem's code runs, the others
go on. Each problem has a namespace of its own; a block that takes too long is ended alone.
Does not: grade, or know a model's kind: any ``LanguageModel`` serves.
"""

import queue
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from data_tools.llm.interface import LanguageModel, Reply, Request, Sampling
from data_tools.sandbox.outcome import Outcome
from data_tools.sandbox.sandbox import Sandbox
from megatron_mathcoder.config.errors import DataError
from megatron_mathcoder.inference.code_session import CodeSession, shown
from megatron_mathcoder.inference.tool_format import CLIPPED_CHARACTERS, Block, ToolFormat, clipped

WINDOW = 64
"""Problems under way at a time, unless a model takes more at once."""


@dataclass(slots=True)
class Trajectory:
    """A problem on its way. ``ended``: ``answer``, ``rounds`` (used up), ``length`` (cut off) or ``failed`` (``error`` says
    why)."""

    id: str
    prompt: str
    blocks: list[Block] = field(default_factory=list)
    text: str = ""
    rounds: int = 0
    ended: str = ""
    error: str = ""

    @property
    def completion(self) -> str:
        """The last block that has words: where an answer stands."""
        spoken = [block.content for block in self.blocks if block.kind in ("text", "execution") and block.content.strip()]
        return spoken[-1] if spoken else ""

    def to_row(self) -> dict[str, Any]:
        """Return the trajectory as JSON data; ``trajectory_from_row`` reads it back."""
        row = asdict(self)
        return row | {"completion": self.completion}


def trajectory_from_row(row: dict[str, Any]) -> Trajectory:
    """Return the trajectory that ``to_row`` wrote."""
    values = {name: row[name] for name in ("id", "prompt", "text", "rounds", "ended", "error")}
    return Trajectory(**values, blocks=[Block(**block) for block in row["blocks"]])


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolLoop:
    """How to go about it. ``sampling`` is that of one round; the format adds its stops. ``window``: problems at a time.

    Without a sandbox nothing is run: each problem gets one text, which the model ends by itself.
    """

    model: LanguageModel
    sandbox: Sandbox | None
    format: ToolFormat
    sampling: Sampling
    rounds: int = 8
    output_characters: int = CLIPPED_CHARACTERS
    window: int = WINDOW

    def run(self, problems: Iterable[tuple[str, str]]) -> Iterator[Trajectory]:
        """Yield a finished trajectory for each (id, prompt), in the order they end."""
        yield from _Run(self, iter(problems)).finished()


class _Run:
    """The state of one ``ToolLoop.run``: who waits for the model, whose code is running."""

    def __init__(self, loop: ToolLoop, problems: Iterator[tuple[str, str]]) -> None:
        self._loop, self._problems = loop, problems
        stops = tuple(dict.fromkeys((*loop.format.stops, *loop.sampling.stop)))
        with_stops = replace(loop.sampling, stop=stops, extra=loop.sampling.extra | loop.format.extra)
        self._sampling = with_stops if loop.sandbox else loop.sampling
        self._sessions: dict[str, CodeSession] = {}
        self._under_way: dict[str, Trajectory] = {}
        self._ready: list[Trajectory] = []
        self._executed: queue.SimpleQueue[tuple[Trajectory, Future[Outcome]]] = queue.SimpleQueue()
        self._running = 0

    def finished(self) -> Iterator[Trajectory]:
        with ThreadPoolExecutor(self._loop.sandbox.workers if self._loop.sandbox else 1) as threads:
            try:
                while self._refill():
                    for reply in self._loop.model.complete(self._requests()):
                        yield from self._take_in(reply, threads)
                    yield from self._take_executed(wait=not self._ready and self._running > 0)
            finally:
                for session in self._sessions.values():
                    session.close()

    def _refill(self) -> bool:
        """Begin problems up to the window; return whether any is under way."""
        while len(self._under_way) < self._loop.window and (problem := next(self._problems, None)) is not None:
            trajectory = Trajectory(problem[0], self._loop.format.prompt(problem[1]))
            if trajectory.id in self._under_way:
                raise DataError(f"problem {trajectory.id!r} comes twice; give each problem an id of its own")
            self._under_way[trajectory.id] = trajectory
            self._ready.append(trajectory)
        return bool(self._under_way)

    def _requests(self) -> Iterator[Request]:
        """Yield what waits for the model now; what becomes ready while the model draws is drawn too."""
        while self._refill() and self._ready:
            trajectory = self._ready.pop(0)
            yield Request(trajectory.prompt + trajectory.text, self._sampling, tag=trajectory.id)

    def _take_in(self, reply: Reply, threads: ThreadPoolExecutor) -> Iterator[Trajectory]:
        trajectory = self._under_way[reply.request.tag]
        if reply.outcome != "ok":
            # A text that has grown too long for the model is cut off, not lost.
            kind = "length" if trajectory.blocks and reply.outcome == "failed" else "failed"
            yield from self._end(trajectory, kind, reply.error)
            return
        choice = reply.choices[0]
        trajectory.rounds += 1
        stopped = choice.finish_reason == "stop"
        if self._loop.sandbox is None:
            trajectory.text, trajectory.blocks = choice.text, [Block("text", choice.text)]
            yield from self._end(trajectory, "answer" if stopped else "length")
            return
        text, blocks, has_code = self._loop.format.read(choice.text, ended=not stopped)
        trajectory.text += text
        trajectory.blocks += blocks
        if has_code:
            session = self._sessions.setdefault(trajectory.id, CodeSession(self._loop.sandbox))
            future = threads.submit(session.run, blocks[-1].content)
            self._running += 1
            future.add_done_callback(lambda done: self._executed.put((trajectory, done)))
        elif not stopped:
            yield from self._end(trajectory, "length")
        elif not self._loop.format.goes_on(text, stopped):
            yield from self._end(trajectory, "answer")
        else:
            yield from self._again(trajectory)
        yield from self._take_executed(wait=False)

    def _take_executed(self, wait: bool) -> Iterator[Trajectory]:
        while self._running and (wait or not self._executed.empty()):
            trajectory, future = self._executed.get()
            wait = False
            self._running -= 1
            outcome = future.result()
            output = clipped(shown(outcome), self._loop.output_characters)
            trajectory.blocks.append(Block("execution", output, outcome.status))
            trajectory.text += self._loop.format.execution(output)
            if outcome.status == "setup-failed":
                yield from self._end(trajectory, "failed", outcome.error)
            else:
                yield from self._again(trajectory)

    def _again(self, trajectory: Trajectory) -> Iterator[Trajectory]:
        if trajectory.rounds >= self._loop.rounds:
            yield from self._end(trajectory, "rounds")
        else:
            self._ready.append(trajectory)

    def _end(self, trajectory: Trajectory, how: str, error: str = "") -> Iterator[Trajectory]:
        trajectory.ended, trajectory.error = how, error
        del self._under_way[trajectory.id]
        if (session := self._sessions.pop(trajectory.id, None)) is not None:
            session.close()
        yield trajectory


def replay(trajectory: Trajectory, sandbox: Sandbox, output_characters: int = CLIPPED_CHARACTERS) -> list[tuple[str, str]]:
    """Run a trajectory's code again, and return (recorded, now) of each execution that differs."""
    differing = []
    with CodeSession(sandbox) as session:
        for block, after in zip(trajectory.blocks, trajectory.blocks[1:], strict=False):
            if block.kind == "code" and after.kind == "execution":
                now = clipped(shown(session.run(block.content)), output_characters)
                differing += [(after.content, now)] if now != after.content else []
    return differing
