"""Names the shop that fills a queue which it shares with others: they wait for it, and only operations can end that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger()

WINDOW_S = 60.0
BUSY_MESSAGES = 10_000
"""In a window: about 170 a second, a tenth of what a process handles."""

MOST_OF_IT = 0.8


@dataclass(slots=True)
class Shares:
    """Counts the messages of each shop in one queue, for a window at a time."""

    queue: str
    _since_s: float = 0.0
    _counts: Counter[str] = field(default_factory=Counter)

    def count(self, shops: Iterable[str], now_s: float) -> None:
        if now_s - self._since_s > WINDOW_S:
            self._report()
            self._since_s = now_s
            self._counts.clear()
        self._counts.update(shops)

    def _report(self) -> None:
        total = self._counts.total()
        if total < BUSY_MESSAGES or len(self._counts) < 2:
            return
        [(shop, messages)] = self._counts.most_common(1)
        if messages >= MOST_OF_IT * total:
            log.warning(
                "shop_fills_queue",
                queue=self.queue,
                shop=shop,
                messages=messages,
                of_others=total - messages,
                within_s=WINDOW_S,
                consequence="the others wait; `tributary identity disable-shop` ends the shop's login at once",
            )
