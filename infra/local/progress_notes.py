"""Notes about a long step: a line at least every ten seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Notify = Callable[[str], None]
SILENT_MAX_S = 10.0


@contextmanager
def progress_notes(
    notify: Notify, *, silent_max_s: float = SILENT_MAX_S, state: Callable[[], str] = lambda: ""
) -> Iterator[Notify]:
    """Yields a function to call instead of `notify`. After `silent_max_s` without a line, a note is added.

    `state` may add details to that note, such as a count. Lines of several threads are not mixed.
    """
    began_s = last_s = time.monotonic()
    changed = threading.Condition()
    over = False

    def note(line: str) -> None:
        nonlocal last_s
        with changed:
            notify(line)
            last_s = time.monotonic()
            changed.notify()

    def note_silence() -> None:
        nonlocal last_s
        with changed:
            while not over:
                now_s = time.monotonic()
                if now_s - last_s >= silent_max_s:
                    details = state()
                    notify(f"… still at work after {now_s - began_s:.0f} s{f': {details}' if details else ''}.")
                    last_s = now_s
                changed.wait(last_s + silent_max_s - now_s)

    thread = threading.Thread(target=note_silence, daemon=True)
    thread.start()
    try:
        yield note
    finally:
        with changed:
            over = True
            changed.notify()
        thread.join()
