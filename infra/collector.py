"""Python's search for garbage cycles, made rare."""

from __future__ import annotations

import gc

_AFTER_OBJECTS = 50_000
"""More than a batch keeps at a time; Python's own 700 are those of an order or two."""


def collect_seldom() -> None:
    """Have Python look for garbage cycles seldom, and never again among what is there now.

    A batch, or a slice of a rehearsal, makes tens of thousands of objects that die by reference counting; looking
    through them, and through all modules, takes a quarter of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_AFTER_OBJECTS, 20, 50)
