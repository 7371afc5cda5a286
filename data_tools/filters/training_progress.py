"""How far native code is that reads a file over and over and says nothing: fastText, while it trains with one thread.

Decides: it is read off the file's offset in this process, which Linux tells; elsewhere nothing is shown.
Does not: slow the work down: it looks twice a second, from a thread.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data_tools.progress import Progress

LOOK_SECONDS = 0.5


@contextmanager
def passes_shown(label: str, path: Path, passes: int) -> Iterator[None]:
    """Show how much of so many passes over ``path`` is done while the block runs."""
    is_over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(label, path.resolve(), passes, is_over), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


def _watch(label: str, path: Path, passes: int, is_over: threading.Event) -> None:
    size = path.stat().st_size
    finished = last = 0
    with Progress(label, passes * size, "passes") as progress:
        while not is_over.wait(LOOK_SECONDS):
            offset = _offset(path)
            if offset is None:
                continue
            finished += offset < last
            last = offset
            progress.show(min(finished * size + offset, passes * size), finished)


def _offset(path: Path) -> int | None:
    """Return where this process is in the file, None when it has not opened it."""
    try:
        for descriptor in Path("/proc/self/fd").iterdir():
            if descriptor.is_symlink() and descriptor.readlink() == path:
                return int(Path(f"/proc/self/fdinfo/{descriptor.name}").read_text().split()[1])
    except OSError:
        pass  # closed in between, or no Linux
    return None
