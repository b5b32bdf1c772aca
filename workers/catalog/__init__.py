"""Keeps the catalogue: products, and the categories that commission rates may depend on.

consumes   product.define
publishes  product.defined
owns       catalog.products (a published view: contracts.catalog.view)
refuses    nothing
"""
