"""Orders: what a shop asks for, and what became of it."""
