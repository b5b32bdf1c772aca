"""How long things take, on real orders; run by hand, never by the test suite."""
