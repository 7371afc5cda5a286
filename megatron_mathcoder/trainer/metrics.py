"""What a run tells while it runs.

Decides: the rows of ``metrics.jsonl`` (one a step) and ``validation.jsonl`` (one per validation and part), the TensorBoard
tags, and what rank 0 shows in the terminal.
Does not: compute any of it. Only rank 0 writes.
"""

import json
import os
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from megatron_mathcoder.config.run_folder import METRICS_FILE, VALIDATION_FILE, read_rows
from megatron_mathcoder.config.schema import LoggingSection

LINE_EVERY_SECONDS = 10.0
"""Where no progress bar can be drawn, a line is printed this often."""


class Metrics:
    """Writer of a run's metrics; use as a context manager on rank 0."""

    def __init__(self, folder: Path, section: LoggingSection, total_steps: int, resumed_step: int) -> None:
        """Open the files in ``folder``; rows after ``resumed_step`` belong to lost work and are dropped."""
        folder.mkdir(parents=True, exist_ok=True)
        self._steps = _reopen(folder / METRICS_FILE, resumed_step)
        self._validations = _reopen(folder / VALIDATION_FILE, resumed_step)
        self._board = _tensorboard(folder / "tensorboard", resumed_step) if section.tensorboard else None
        self._display = _Display(total_steps, resumed_step, bar=section.progress_bar)

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

    def log_step(self, row: dict[str, float], mfu: float | None) -> None:
        """Write one step's row and show it. ``mfu`` is the share of the device's peak rate, if that is known."""
        _write_row(self._steps, row)
        if self._board is not None:
            for name, value in row.items():
                self._board.add_scalar(f"train/{name}", value, row["step"])
        self._display.show_step(row, mfu)

    def log_validation(self, step: int, part: str, loss: float, samples: int) -> None:
        """Write and show the held-out loss of one part after ``step`` steps."""
        _write_row(self._validations, {"step": step, "part": part, "loss": loss, "samples": samples})
        if self._board is not None:
            self._board.add_scalar(f"validation/{part}", loss, step)
        self._display.say(f"step {step}: validation loss {loss:.4f} on {part} ({samples} samples)")

    def say(self, text: str) -> None:
        """Print one line above the progress bar."""
        self._display.say(text)


def _reopen(path: Path, last_step: int) -> TextIO:
    rows = read_rows(path)
    # A run without a checkpoint begins again, with the validation before its first step.
    kept = [row for row in rows if row["step"] <= last_step] if last_step else []
    temporary = path.with_suffix(".tmp")
    temporary.write_text("".join(json.dumps(row) + "\n" for row in kept))
    temporary.replace(path)
    return path.open("a")


def _write_row(stream: TextIO, row: dict[str, Any]) -> None:
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

    def show_step(self, row: dict[str, float], mfu: float | None) -> None:
        rate = f"{row['tokens_per_second']:,.0f} tokens/s" + (f", MFU {mfu:.1%}" if mfu is not None else "")
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {row['loss']:.4f}, {rate}")
            self._bar.update(1)
            return
        now, step = time.monotonic(), int(row["step"])
        if now - self._last_line >= LINE_EVERY_SECONDS or step == self._total:
            self._last_line = now
            remaining = (now - self._started) / (step - self._first) * (self._total - step)
            eta = f"{int(remaining // 3600)}:{int(remaining // 60) % 60:02}:{int(remaining) % 60:02}"
            self.say(f"step {step}/{self._total}  loss {row['loss']:.4f}  grad norm {row['grad_norm']:.3f}  {rate}  ETA {eta}")

    def say(self, text: str) -> None:
        if self._bar is not None:
            self._bar.write(text)
        else:
            print(text, flush=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
