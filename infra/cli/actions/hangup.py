"""Signals that end a command are treated like Ctrl-C, so that it always stops what it has started."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

_BURST_S = 5.0
"""A terminal that closes sends several signals, and none of them may interrupt the clean-up."""

_ending_since_s: float | None = None
_LIKE_CTRL_C = (signal.SIGTERM, signal.SIGHUP)


def end_like_ctrl_c(*numbers: signal.Signals) -> None:
    """Let SIGTERM and a closed terminal (SIGHUP) interrupt once. A signal that is ignored, as by `nohup`, stays so."""
    for number in numbers or _LIKE_CTRL_C:
        if signal.getsignal(number) == signal.SIG_DFL and threading.current_thread() is threading.main_thread():
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: Any) -> None:
    global _ending_since_s
    now_s = time.monotonic()
    if _ending_since_s is not None:
        if now_s - _ending_since_s > _BURST_S:
            # The clean-up does not finish, and the signal was sent again: end at once.
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        return
    _ending_since_s = now_s
    interrupting = signal.getsignal(signal.SIGINT)
    if callable(interrupting):
        # An event loop handles Ctrl-C itself. In a shell's background Ctrl-C is ignored, and has no handler.
        interrupting(signal.SIGINT, frame)
    else:
        raise KeyboardInterrupt
