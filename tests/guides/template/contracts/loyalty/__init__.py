"""Loyalty: points that distributors earn with their sales."""
