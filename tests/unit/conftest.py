"""Properties look at the same examples on every machine, so that a red build is red for everyone."""

from hypothesis import settings

settings.register_profile("unit", derandomize=True, deadline=None, max_examples=80)
settings.load_profile("unit")
