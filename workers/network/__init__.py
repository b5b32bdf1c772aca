"""Keeps the network: shops, distributors, who sponsors whom, and what tier held when.

consumes   shop.register, distributor.register, distributor.change
publishes  shop.registered, shop.refused, distributor.registered, distributor.changed, distributor.refused
owns       network.shops, network.distributors (published views: contracts.network.view)
refuses    conflict, own_sponsor, sponsor_unknown, distributor_unknown, out_of_order
"""
