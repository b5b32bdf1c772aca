"""The rails of payouts: a file for each, which composes its requests and reads its answers, callbacks and files."""
