"""Orders: from placement to completion, cancellation or refund."""
