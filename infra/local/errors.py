"""The one error of the local stack."""


class StackError(Exception):
    """The environment does not allow the request; the message is a sentence that states what to do next."""
