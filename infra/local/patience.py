"""A step that takes long says so: at least every ten seconds there is a line about it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Notify = Callable[[str], None]
SILENT_MAX_S = 10.0


@contextmanager
def patience(
    notify: Notify, *, silent_max_s: float = SILENT_MAX_S, state: Callable[[], str] = lambda: ""
) -> Iterator[Notify]:
    """Yields a `notify` to use in its place. After `silent_max_s` without a line it says that the step goes on.

    `state` may add what is known of it by then, such as a count. Lines come from any thread, whole.
    """
    began_s = last_s = time.monotonic()
    changed = threading.Condition()
    over = False

    def spoken(line: str) -> None:
        nonlocal last_s
        with changed:
            notify(line)
            last_s = time.monotonic()
            changed.notify()

    def keep_on() -> None:
        nonlocal last_s
        with changed:
            while not over:
                now_s = time.monotonic()
                if now_s - last_s >= silent_max_s:
                    known = state()
                    notify(f"… still at work after {now_s - began_s:.0f} s{f': {known}' if known else ''}.")
                    last_s = now_s
                changed.wait(last_s + silent_max_s - now_s)

    thread = threading.Thread(target=keep_on, daemon=True)
    thread.start()
    try:
        yield spoken
    finally:
        with changed:
            over = True
            changed.notify()
        thread.join()
