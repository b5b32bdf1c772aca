"""Decides which alerts go by which routes to people, when, and as one message; tries again what was not delivered.

consumes   alert.raised, alert.resolved; route.define, route.remove, route.test, silence.create, silence.end,
           alert.acknowledge; notification.delivered, notification.failed; clock.ticked
publishes  notification.due, notification.suppressed; route.defined, route.removed, route.tested, route.refused,
           route.failing, route.recovered; silence.created, silence.ended, silence.refused; alert.acknowledged,
           alert.acknowledge-refused
owns       notification.routes, notification.silences, notification.standings, notification.notices,
           notification.notifications (published views: contracts.notifications.view), notification.changes,
           notification.groups
refuses    invalid_message, time_in_future, conflict; unknown_route, too_many_routes, unknown_escalation, route_in_use;
           unknown_silence, silence_too_broad, silence_time, too_many_silences, conflicting_reference; unknown_alert,
           alert_not_open
proves     I10: each change of an alert is sent, suppressed with a reason, or waits no longer than it may, on each route
"""
