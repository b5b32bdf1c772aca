"""The workers: one package each, with the same modules. `ls workers/` lists them."""
