"""What shops and workers share: versioned messages, money, and the shape of a decision.

This package depends on pydantic and the standard library only, so that a shop may vendor it as it is.
"""
