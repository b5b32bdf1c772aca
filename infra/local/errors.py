"""The one error of the local stack."""


class StackError(Exception):
    """The environment does not allow what was asked; the message is a sentence that says what to do next."""
