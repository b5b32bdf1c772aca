"""The template's tests run in the copy of the tree, not here."""

collect_ignore = ["template"]
