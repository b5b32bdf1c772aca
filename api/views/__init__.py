"""Reads from the published collections, one room for each noun; the filter of who asks is part of every query."""
