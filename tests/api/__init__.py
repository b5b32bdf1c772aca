"""The HTTP API on real servers, spoken to by a real client and a real browser."""
