"""Servers for the tests of crash points: started once a test session, by the first module that needs them."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from infra.local import Endpoints
from tests.faults.crash_points import own_stack

_ENDPOINTS = pytest.StashKey[Endpoints]()


def endpoints(config: pytest.Config) -> Endpoints:
    """The addresses of the servers, which are stopped and removed when the session ends."""
    if _ENDPOINTS not in config.stash:
        servers = ExitStack()
        config.stash[_ENDPOINTS] = servers.enter_context(own_stack())
        config.add_cleanup(servers.close)
    return config.stash[_ENDPOINTS]
