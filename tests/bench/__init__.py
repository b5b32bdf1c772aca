"""Benchmarks on real orders; run by hand, never by the test suite."""
