"""The network: shops, distributors, their sponsors, and teams."""
