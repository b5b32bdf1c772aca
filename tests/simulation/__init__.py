"""Simulation by seed: the runtime and every worker as they are, on servers in memory, in virtual time.

One seed decides everything: the traffic, which suspended operation goes on next, and what goes wrong when. So a seed
that fails fails again, and `python -m tests.simulation --seed N --verbose` tells its whole history.
"""
