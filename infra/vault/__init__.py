"""The keys of payees: each under the master key, which is in a file and never in the database."""
