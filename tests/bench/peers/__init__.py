"""What Tributary is measured against: the same orders and guarantees, as other teams would write them."""
