"""Keeps the rules: proposed, approved by a second person, in force from a date on, and within their market's limits.

consumes   rules.propose, rules.approve, rules.activate, rules.retire, market.define
publishes  rules.proposed, rules.approved, rules.activated, rules.retired, rules.refused,
           market.defined, market.refused
owns       rule_book.rules, rule_book.markets (published views: contracts.rules.view), rule_book.turns
refuses    invalid_message, time_in_future, amount_precision, conflict; not_proposed, digest_mismatch,
           same_person, changed_meanwhile; not_approved, proposal_expired, market_unknown, market_limit, retroactive;
           not_active, already_retired, ends_before_it_begins, earlier_rules_return; levels_beyond_three, rules_in_force
proves     I3: no rule set promises more than its pool
proves     I8: rules in force are what a second person approved, within their market's limits
"""
