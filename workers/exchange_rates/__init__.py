"""Keeps exchange rates: tables that one person proposes, another approves, and that never change.

consumes   exchange-rates.publish, exchange-rates.approve, exchange-rates.reject
publishes  exchange-rates.proposed, exchange-rates.approved, exchange-rates.rejected, exchange-rates.refused
owns       exchange_rates.tables, exchange_rates.sources (published views: contracts.exchange_rates.view)
refuses    invalid_message, time_in_future, conflict; base_differs, older_than_known, implausible;
           unknown_table, digest_mismatch, same_person, changed_meanwhile, already_decided
proves     I17: exchange rates are what a second person approved, and none jumps unless that was confirmed
"""
