"""Keeps how distributors are paid and who they are, in values that it cannot open.

consumes   payee.set-method, payee.remove-method, payee.allow-duplicate, payee.waive-cooling-off;
           payee.submit-identity, payee.decide-identity; payout.failed, payout.returned
publishes  payee.changed, payee.approved, payee.refused
owns       payee_registry.payees, payee_registry.accounts (published views: contracts.payees.view)
refuses    invalid_message, time_in_future, conflict; unknown_rail, currency_not_supported, duplicate_destination,
           nothing_to_allow, not_cooling_off, unknown_method, unknown_identity; same_person, payee_approves_own,
           changed_meanwhile
proves     I15: accounts, names and id numbers are sealed; an account of several distributors, and what was decided
           about a payee, has the approvals of other persons
"""
