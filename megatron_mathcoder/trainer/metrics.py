"""What a run tells while it runs.

Decides: the rows of ``metrics.jsonl`` (one a step), ``validation.jsonl`` (one per validation and part) and ``events.jsonl``
(skipped steps and rewinds), which of them a resumed run keeps, the TensorBoard tags, and what rank 0 shows in the terminal.
Does not: compute any of it. Only rank 0 writes. ``docs/train.md`` explains the columns.
"""

import json
import os
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from megatron_mathcoder.config.run_folder import EVENTS_FILE, METRICS_FILE, REWOUND_FILE, VALIDATION_FILE, read_rows
from megatron_mathcoder.config.schema import LoggingSection
from megatron_mathcoder.trainer.state import TrainState

Row = dict[str, Any]

MEASURED = (
    "tokens_per_second",
    "mfu",
    "seconds",
    "data_seconds",
    "forward_backward_seconds",
    "optimizer_seconds",
    "save_seconds",
    "validation_seconds",
    "slowest_rank",
    "slowest_over_median",
)
"""Columns of ``metrics.jsonl`` that are measured, and so differ between two runs that are equal to the last bit."""
LINE_EVERY_SECONDS = 10.0
"""Where no progress bar can be drawn, a line is printed this often."""


class Metrics:
    """Writer of a run's metrics; use as a context manager on rank 0."""

    def __init__(self, folder: Path, section: LoggingSection, total_steps: int, state: TrainState) -> None:
        """Open the files in ``folder``; what was written after ``state`` belongs to lost work and is dropped."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._cut_to(state.step)
        for name, column in ((EVENTS_FILE, "consumed_samples"), (REWOUND_FILE, "rewound_at")):
            # A rewind goes back in steps, never in the data.
            if (folder / name).exists():
                kept = [row for row in read_rows(folder / name) if row[column] <= state.consumed_samples]
                _rewrite(folder / name, kept).close()
        self._board = _tensorboard(folder / "tensorboard", state.step) if section.tensorboard else None
        self._display = _Display(total_steps, state.step, bar=section.progress_bar)

    def _cut_to(self, step: int) -> dict[str, list[Row]]:
        """Open both files with the rows up to ``step`` (0 = none, since a validation comes first); return the others."""
        cut: dict[str, list[Row]] = {}
        streams = []
        for name in (METRICS_FILE, VALIDATION_FILE):
            kept: list[Row] = []
            cut[name] = []
            for row in read_rows(self._folder / name):
                (kept if step and row["step"] <= step else cut[name]).append(row)
            streams.append(_rewrite(self._folder / name, kept))
        self._steps, self._validations = streams
        return cut

    def __enter__(self) -> "Metrics":
        """Return self."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close all files."""
        self._display.close()
        for stream in (self._steps, self._validations):
            stream.close()
        if self._board is not None:
            self._board.close()

    def log_step(self, row: Row, note: str) -> None:
        """Write one step's row and show it, with a ``note`` of what is unusual about it."""
        _write_row(self._steps, row)
        if self._board is not None:
            for name, value in row.items():
                if value is not None:
                    self._board.add_scalar(f"train/{name}", value, row["step"])
        self._display.show_step(row, note)

    def log_event(self, event: Row, text: str) -> None:
        """Write one row of ``events.jsonl`` and say ``text``."""
        _append(self._folder / EVENTS_FILE, [event])
        self._display.say(text)

    def rewind(self, step: int, consumed_samples: int) -> None:
        """Move the rows after ``step`` to ``rewound.jsonl``; the run goes on from there, with the data from now on."""
        for stream in (self._steps, self._validations):
            stream.close()
        cut = self._cut_to(step)
        moved = [{**row, "rewound_at": consumed_samples, "file": name} for name, rows in cut.items() for row in rows]
        _append(self._folder / REWOUND_FILE, moved)
        self._display.go_back_to(step)

    def log_validation(self, step: int, part: str, loss: float, samples: int) -> None:
        """Write and show the held-out loss of one part after ``step`` steps."""
        _write_row(self._validations, {"step": step, "part": part, "loss": loss, "samples": samples})
        if self._board is not None:
            self._board.add_scalar(f"validation/{part}", loss, step)
        self._display.say(f"step {step}: validation loss {loss:.4f} on {part} ({samples} samples)")

    def say(self, text: str) -> None:
        """Print one line above the progress bar."""
        self._display.say(text)


def _rewrite(path: Path, rows: list[Row]) -> TextIO:
    """Replace a file of rows, whole, and open its end."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text("".join(json.dumps(row) + "\n" for row in rows))
    temporary.replace(path)
    return path.open("a")


def _append(path: Path, rows: list[Row]) -> None:
    with path.open("a") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)


def _write_row(stream: TextIO, row: Row) -> None:
    stream.write(json.dumps(row) + "\n")
    stream.flush()


def _tensorboard(folder: Path, resumed_step: int) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=resumed_step + 1)


class _Display:
    """A progress bar where standard error is a terminal, else a line now and then."""

    def __init__(self, total_steps: int, first_step: int, bar: bool) -> None:
        self._total = total_steps
        self._first = first_step
        self._started = time.monotonic()
        self._last_line = 0.0
        self._bar = None
        if bar and sys.stderr.isatty():
            from tqdm import tqdm

            # A terminal that does not know its size says 0, and tqdm would draw nothing.
            known = os.get_terminal_size(sys.stderr.fileno()).columns > 0
            size: dict[str, Any] = {"dynamic_ncols": True} if known else {"ncols": 100, "nrows": 24}
            self._bar = tqdm(total=total_steps, initial=first_step, unit="step", smoothing=0.05, **size)

    def show_step(self, row: Row, note: str) -> None:
        rate = f"{row['tokens_per_second']:,.0f} tokens/s" + (f", MFU {row['mfu']:.1%}" if row["mfu"] is not None else "")
        loss = "not finite" if row["loss"] is None else f"{row['loss']:.4f}"
        rate += f", {note}" if note else ""
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {loss}, {rate}")
            self._bar.update(1)
            return
        now, step = time.monotonic(), int(row["step"])
        if now - self._last_line >= LINE_EVERY_SECONDS or step == self._total:
            self._last_line = now
            remaining = (now - self._started) / max(step - self._first, 1) * (self._total - step)
            eta = f"{int(remaining // 3600)}:{int(remaining // 60) % 60:02}:{int(remaining) % 60:02}"
            norm = "not finite" if row["grad_norm"] is None else f"{row['grad_norm']:.3f}"
            self.say(f"step {step}/{self._total}  loss {loss}  grad norm {norm}  {rate}  ETA {eta}")

    def go_back_to(self, step: int) -> None:
        self._started, self._first = time.monotonic(), step
        if self._bar is not None:
            self._bar.n = step
            self._bar.refresh()

    def say(self, text: str) -> None:
        if self._bar is not None:
            self._bar.write(text)
        else:
            print(text, flush=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
