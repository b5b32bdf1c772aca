"""Keeps the catalogue: products, the categories that commission rates may depend on, and tags.

consumes   product.define; category.define, category.remove; tag.define, tag.remove
publishes  product.defined, product.refused; category.defined, category.removed, category.refused;
           tag.defined, tag.removed, tag.refused
owns       catalog.products, catalog.categories, catalog.tags (published views: contracts.catalog.view)
refuses    conflict, in_use, invalid_message, not_defined, outdated, tag_unknown, time_in_future
proves     I4: every tag is defined and counts the products that have it
"""
