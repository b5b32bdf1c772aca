"""A second opinion on the money: the rules worked out again from their description, slowly and with exact fractions.

`oracle` and `reading` share no code and no author with `contracts.commissions`. Only `terms` and `comparison` know
both sides.
"""
