"""The contenders that Tributary is compared with: the same orders and guarantees, as other teams would write them."""
