"""Keeps the network: shops, distributors with their sponsors and tiers over time, teams and their leaders.

consumes   shop.register, distributor.register, distributor.change, distributor.move,
           team.create, team.change-leader, team.join, team.leave
publishes  shop.registered, shop.refused, distributor.registered, distributor.changed, distributor.moved,
           distributor.refused, team.created, team.leader-changed, team.joined, team.left, team.refused
owns       network.shops, network.distributors, network.teams (published views: contracts.network.view);
           network.trees
refuses    invalid_message, time_in_future, conflict, own_sponsor, sponsor_unknown, distributor_unknown,
           out_of_order, cycle, team_unknown, leader_unknown, not_a_member
proves     I4: the sponsor tree is sound
"""
