"""What happened in a run, in order: stored as it happens, formatted only on demand."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from infra.ports.store import Document


@dataclass(slots=True)
class History:
    """`now_ms` is virtual time since the start. Details are stored unchanged and formatted later."""

    happened: list[tuple[int, str, str, Any]] = field(default_factory=list)

    def add(self, now_ms: int, who: str, what: str, detail: Any = "") -> None:
        self.happened.append((now_ms, who, what, detail))

    def lines(self) -> Iterator[str]:
        for now_ms, who, what, detail in self.happened:
            yield f"{now_ms / 1000:>10.3f}  {who:<28} {what:<18} {_text(detail)}"

    def digest(self) -> str:
        """The same for the same history."""
        digest = hashlib.blake2b(digest_size=16)
        for line in self.lines():
            digest.update(line.encode())
        return digest.hexdigest()


def _text(detail: Any) -> str:
    if not isinstance(detail, dict):
        return str(detail)
    return " | ".join(f"{kind} {', '.join(map(_item, detail[kind]))}" for kind in _KINDS if detail.get(kind))


_KINDS = ("handled", "repeats", "retried", "dead", "emitted")


def _item(item: Document | str) -> str:
    if isinstance(item, str):
        return item
    rest = item.get("outcome") or item.get("reason") or ""
    tries = f" try {item['attempt']}" if "attempt" in item else ""
    about = f" {item['about']}" if "about" in item else ""
    return f"{item['type']}{about} ({item['id'][-36:]}) {rest}{tries}".rstrip()


@dataclass(slots=True)
class Log:
    """Replaces structlog in the runtime: log lines become part of the history."""

    history: History
    clock: Any
    halvings: list[str] = field(default_factory=list)

    def bind(self, **_: Any) -> Log:
        return self

    def _record(self, event: str, **fields: Any) -> None:
        text = ", ".join(f"{name}={value}" for name, value in fields.items() if name not in ("server",))
        who = self.clock.current.name if self.clock.current else ""
        self.history.add(self.clock.now_ms, who, f"log {event}", text)

    debug = info = error = _record

    def warning(self, event: str, **fields: Any) -> None:
        if event == "batch_halved":
            self.halvings.append(fields["error"])
        self._record(event, **fields)
