"""Python's search for garbage cycles, made rare."""

from __future__ import annotations

import gc

_SELDOM = (50_000, 20, 50)
"""The first is a number of objects, more than a batch keeps; Python's default of 700 is reached by an order or two."""


def start_quickly() -> None:
    """Make Python search for garbage cycles seldom while a process starts.

    Nearly all objects of imports stay; searching them again and again takes a fifth of the time to start.
    """
    gc.set_threshold(*_SELDOM)


def collect_seldom() -> None:
    """Make Python search for garbage cycles seldom, and never among the objects that exist now.

    A batch, or a slice of a rehearsal, creates tens of thousands of objects that reference counting frees; searching
    them, and all modules, takes a quarter of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_SELDOM)
