"""Corridors: from which country to which one money is sent, by which rail, in which currencies, and how much."""
