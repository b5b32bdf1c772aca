"""Making, renewing and ending a shop's login at the broker, together with the queue that the shop reads."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from infra.adapters.rabbitmq_admin import BrokerAdmin
from infra.ports.store import Store, Transaction
from infra.ports.time import Time
from infra.shops.logins import shop_binding, shop_login, shop_queue
from infra.shops.readers import READERS


class ShopLogins:
    """Each method raises BrokerUnavailable and StoreUnavailable, and may be repeated."""

    def __init__(self, admin: BrokerAdmin, store: Store, time: Time) -> None:
        self._admin = admin
        self._store = store
        self._time = time

    async def save(self, shop_id: str, secret: str) -> int:
        """The shop's login has this password from now on; connections under another one are closed. Returns how many
        of them are left, see `BrokerAdmin.end_connections`.
        """
        login = shop_login(shop_id)
        await self._admin.declare(shop_queue(shop_id), shop_binding(shop_id))
        await self._admin.save_login(login, secret)
        await self._note(shop_id, ends=False)
        return await self._admin.end_connections(login.name)

    async def end(self, shop_id: str) -> int:
        """The login is gone, and nothing more is copied to the shop's queue, which keeps what is in it. Returns how
        many of its connections are left.
        """
        login = shop_login(shop_id)
        await self._admin.delete_login(login.name)
        await self._note(shop_id, ends=True)
        return await self._admin.end_connections(login.name)

    async def _note(self, shop_id: str, *, ends: bool) -> None:
        now = self._time.now()

        async def work(tx: Transaction) -> None:
            await tx.replace(READERS.name, [{"_id": shop_id, "changed_at": now, "ended_at": now if ends else None}])

        await self._store.transact(work)


def shop_address(rabbitmq_url: str, shop_id: str, secret: str) -> str:
    """The broker's address with the shop's login; host, port and virtual host are those of `rabbitmq_url`."""
    parts = urlsplit(rabbitmq_url)
    login = f"{quote(shop_login(shop_id).name, safe='')}:{quote(secret, safe='')}"
    return parts._replace(netloc=f"{login}@{parts.netloc.rpartition('@')[2]}").geturl()
