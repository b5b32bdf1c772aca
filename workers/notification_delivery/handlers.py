"""Which message asks for which call, and the rule of its answer. The calls themselves are adapters of infra."""

from contracts.notifications.v1 import NotificationDue
from contracts.webhooks.v1 import WebhookDue
from infra.runtime.worker import Worker, performs
from workers.notification_delivery.audit import audit
from workers.notification_delivery.decide import key_of, record, route_of
from workers.notification_delivery.repository import DeliveryRepository
from workers.notification_delivery.webhooks import key_of_webhook, report_webhook, shop_of

WORKER = Worker(
    name="notification_delivery",
    repository=DeliveryRepository,
    handlers=(
        performs(NotificationDue, key=key_of, owner=route_of, decide=record),
        performs(WebhookDue, key=key_of_webhook, owner=shop_of, decide=report_webhook),
    ),
    audits=(audit,),
)
