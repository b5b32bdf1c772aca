"""A second implementation of the commissions, written from their description, slow and with exact fractions.

`oracle` and `reading` share no code and no author with `contracts.plans`. Only `terms` and `comparison` import both
sides.
"""
