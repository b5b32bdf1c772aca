"""A bank for tests, with books of its own: what it credited is what was paid, whatever our ledger says.

It speaks the dialects of WeChat Pay, PayPal and an ISO 20022 bank, with signatures made and checked by code that is not
ours where such code is kept.
"""
