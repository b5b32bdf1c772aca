"""Addresses outside that people define: which are allowed, how they are sealed, how messages to them are signed."""
