"""Python's search for garbage cycles, made rare."""

from __future__ import annotations

import gc

_AFTER_OBJECTS = 50_000
"""More than a batch keeps; Python's default of 700 is reached by an order or two."""


def collect_seldom() -> None:
    """Make Python search for garbage cycles seldom, and never among the objects that exist now.

    A batch, or a slice of a rehearsal, creates tens of thousands of objects that reference counting frees; searching
    them, and all modules, takes a quarter of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_AFTER_OBJECTS, 20, 50)
