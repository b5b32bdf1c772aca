"""Real receivers of notifications on loopback: a mail server, webhooks, chat robots, and servers that misbehave.

Each keeps a book of what it received, and checks signatures with code that is not ours.
"""
