"""The workers: one package each, the same rooms in every one. `ls workers/` is the roster."""
