"""Simulation by seed: the real runtime and every worker, on servers in memory, in virtual time.

One seed decides everything: the traffic, which suspended operation continues next, and which faults happen when. So a
seed that fails always fails, and `python -m tests.simulation --seed N --verbose` prints its whole history.
"""
