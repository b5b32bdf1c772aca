"""The template's tests run in the copy that it is added to."""

collect_ignore = ["template"]
