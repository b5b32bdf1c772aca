"""Keeps the rules: numbered, immutable, each in force from a moment on.

consumes   rules.publish
publishes  rules.published, rules.refused
owns       rule_book.rules (a published view: contracts.rules.view)
refuses    conflict, amount_precision
"""
