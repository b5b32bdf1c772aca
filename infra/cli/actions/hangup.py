"""Signals that end a command are treated like Ctrl-C, so that it ends what it has started, whatever ends it."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

_BURST_S = 5.0
"""A terminal that closes sends several signals, and none may interrupt the ending."""

_ending_since_s: float | None = None
_LIKE_CTRL_C = (signal.SIGTERM, signal.SIGHUP)


def end_like_ctrl_c(*numbers: signal.Signals) -> None:
    """A closed terminal (SIGHUP) and SIGTERM interrupt, once. What was set to be ignored, as `nohup` does, stays so."""
    for number in numbers or _LIKE_CTRL_C:
        if signal.getsignal(number) == signal.SIG_DFL and threading.current_thread() is threading.main_thread():
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: Any) -> None:
    global _ending_since_s
    now_s = time.monotonic()
    if _ending_since_s is not None:
        if now_s - _ending_since_s > _BURST_S:
            # The ending itself does not end: whoever asks again means it.
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        return
    _ending_since_s = now_s
    interrupting = signal.getsignal(signal.SIGINT)
    if callable(interrupting):
        # Where a loop runs, its own way to an interrupt; in a shell's background it is ignored, and so none.
        interrupting(signal.SIGINT, frame)
    else:
        raise KeyboardInterrupt
