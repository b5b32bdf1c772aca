"""The HTTP API on real servers, with a real client and a real browser."""
