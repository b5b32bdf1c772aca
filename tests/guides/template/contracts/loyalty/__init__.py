"""Loyalty: points that distributors earn by what they sell."""
