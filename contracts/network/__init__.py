"""The network: shops, distributors and who sponsors whom."""
