"""The catalogue: products and the categories that commission rates may depend on."""
