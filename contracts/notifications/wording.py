"""What a notification says, in English and Chinese; every channel shows the same text.

A sentence is made from an alert's facts. An unknown kind, or one without all its facts, shows `detail` instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC

from contracts.fields import visible_text
from contracts.notifications.channel import Language
from contracts.notifications.v1 import Item, NotificationDue

LINE_LENGTH_MAX = 300
TITLE_LENGTH_MAX = 100
"""Title and one line have at most 1,600 bytes, so that they fit into the shortest message of a chat robot."""

NUMBER_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Words:
    """How one language speaks. `kinds` are titles; sentences are by kind and state."""

    kinds: dict[str, str]
    sentences: dict[tuple[str, str], str]
    severities: dict[str, str]
    reasons: dict[str, str]
    title: str
    since: str
    resolved: str
    test: str
    more: str
    number: str


@dataclass(frozen=True, slots=True)
class Text:
    """`lines` are one for each alert, `more` counts those without a line; readers recognise a repeat by `number`."""

    title: str
    lines: tuple[str, ...]
    more: int
    number: str
    language: Language

    def footer(self, dropped: int = 0) -> tuple[str, ...]:
        """What follows the lines, if the last `dropped` of them do not fit."""
        words = _WORDS[self.language]
        more = self.more + dropped
        counted = (words.more.format(more=more),) if more else ()
        return (*counted, words.number.format(number=self.number))


_WORDS: dict[Language, Words] = {
    "en": Words(
        kinds={
            "stock_low": "Stock is low",
            "stock_oversold": "Reserved beyond the stock",
            "dead_letter": "A message could not be handled",
            "dead_letters_of_shop": "Many unreadable messages of a shop",
            "payout_doubtful": "A payout whose outcome is not known",
            "payout_conflicting": "Conflicting reports of a payout",
            "payout_returned": "A payout came back",
            "rail_paused": "Payouts are paused",
        },
        sentences={
            ("stock_low", "open"): "Product {product_id}: {available} left, the threshold is {low_at}; order more.",
            ("stock_low", "resolved"): "Product {product_id}: {available} available again.",
            (
                "stock_oversold",
                "open",
            ): "Product {product_id}: {shortage} units short, {reserved} reserved and {on_hand} on hand; order more.",
            ("stock_oversold", "resolved"): "Product {product_id}: all reserved units are in stock again.",
            ("dead_letter", "open"): "{queue} could not handle a message ({reason}); see `tributary dead list`.",
            (
                "payout_doubtful",
                "open",
            ): "Payout {payout_id}: what became of {amount} {currency} by {rail} is not known ({code}); ask the rail, "
            "then `tributary payouts resolve`.",
            ("payout_doubtful", "resolved"): "Payout {payout_id}: what became of it is known: {outcome}.",
            (
                "payout_conflicting",
                "open",
            ): "Payout {payout_id}: a report of {rail} cannot be true ({code}); distributor {distributor_id} is on "
            "hold until a person releases it.",
            ("payout_conflicting", "resolved"): "Distributor {distributor_id}: {by} released the payouts.",
            (
                "payout_returned",
                "open",
            ): "Distributor {distributor_id}: {amount} {currency} of payout {payout_id} came back ({code}); the next "
            "statement has it.",
            ("payout_returned", "resolved"): "Distributor {distributor_id}: payout {payout_id} was paid.",
            ("rail_paused", "open"): "Rail {rail}: nothing is sent until {until} UTC ({reason}).",
            ("rail_paused", "resolved"): "Rail {rail}: payouts are sent again.",
        },
        severities={"info": "Info", "warning": "Warning", "critical": "Critical"},
        reasons={"repeated": "reminder", "escalated": "escalated", "resolved": "resolved", "test": "test"},
        title="Tributary: {severity}: {kind}",
        since="{sentence} (since {since} UTC)",
        resolved="Resolved: {sentence}",
        test="This is a test of route {route_id}.",
        more="and {more} more",
        number="No. {number}",
    ),
    "zh": Words(
        kinds={
            "stock_low": "库存不足",
            "stock_oversold": "预留超过库存",
            "dead_letter": "有消息无法处理",
            "dead_letters_of_shop": "店铺有大量无法读取的消息",
            "payout_doubtful": "付款结果不明",
            "payout_conflicting": "付款回报相互矛盾",
            "payout_returned": "付款被退回",
            "rail_paused": "付款通道已暂停",
        },
        sentences={
            ("stock_low", "open"): "商品 {product_id}：剩余 {available} 件，阈值 {low_at} 件，请补货。",
            ("stock_low", "resolved"): "商品 {product_id}：可用库存已恢复到 {available} 件。",
            (
                "stock_oversold",
                "open",
            ): "商品 {product_id}：缺 {shortage} 件（已预留 {reserved} 件，现有 {on_hand} 件），请补货。",
            ("stock_oversold", "resolved"): "商品 {product_id}：已预留的数量均有库存。",
            ("dead_letter", "open"): "队列 {queue} 有消息无法处理（{reason}），请运行 tributary dead list 查看。",
            (
                "payout_doubtful",
                "open",
            ): "付款 {payout_id}：{amount} {currency}（{rail}）的结果不明（{code}），请向付款通道核实，"
            "再运行 tributary payouts resolve。",
            ("payout_doubtful", "resolved"): "付款 {payout_id}：结果已明确：{outcome}。",
            (
                "payout_conflicting",
                "open",
            ): "付款 {payout_id}：{rail} 的回报不可能属实（{code}），分销商 {distributor_id} 的付款已冻结，"
            "待人工解除。",
            ("payout_conflicting", "resolved"): "分销商 {distributor_id}：{by} 已解除付款冻结。",
            (
                "payout_returned",
                "open",
            ): "分销商 {distributor_id}：付款 {payout_id} 的 {amount} {currency} 被退回（{code}），"
            "将计入下一张结算单。",
            ("payout_returned", "resolved"): "分销商 {distributor_id}：付款 {payout_id} 已到账。",
            ("rail_paused", "open"): "付款通道 {rail}：{until} UTC 之前暂停付款（{reason}）。",
            ("rail_paused", "resolved"): "付款通道 {rail}：已恢复付款。",
        },
        severities={"info": "提示", "warning": "警告", "critical": "严重"},
        reasons={"repeated": "提醒", "escalated": "升级", "resolved": "已恢复", "test": "测试"},
        title="Tributary：{severity}：{kind}",
        since="{sentence}（自 {since} UTC 起）",
        resolved="已恢复：{sentence}",
        test="这是通知路由 {route_id} 的测试消息。",
        more="另有 {more} 条",
        number="编号 {number}",
    ),
}

_SEVERITIES = ("info", "warning", "critical")


def text_of(due: NotificationDue) -> Text:
    words = _WORDS[due.language]
    lines = tuple(_cut(_line(item, words), LINE_LENGTH_MAX) for item in due.items)
    if not lines:
        lines = (words.test.format(route_id=due.route_id),)
    # Ids begin with a time, so their ends differ.
    number = visible_text(due.notification_id)[-NUMBER_LENGTH:]
    return Text(_cut(_title(due, words), TITLE_LENGTH_MAX), lines, due.more, number, due.language)


def _title(due: NotificationDue, words: Words) -> str:
    severity = max((item.severity for item in due.items), key=_SEVERITIES.index, default="info")
    kinds = dict.fromkeys(words.kinds.get(item.kind, item.kind.replace("_", " ")) for item in due.items)
    titled = words.title.format(severity=words.severities[severity], kind=" · ".join(kinds) or words.reasons["test"])
    count = len(due.items) + due.more
    reason = words.reasons.get(due.reason)
    notes = (f"× {count}" if count > 1 else "", f"({reason})" if reason and kinds else "")
    return visible_text(" ".join((titled, *notes)))


def _line(item: Item, words: Words) -> str:
    sentence = _sentence(item, words)
    if item.state == "resolved":
        return words.resolved.format(sentence=sentence)
    return words.since.format(sentence=sentence, since=item.since.astimezone(UTC).strftime("%Y-%m-%d %H:%M"))


def _sentence(item: Item, words: Words) -> str:
    pattern = words.sentences.get((item.kind, item.state))
    try:
        sentence = pattern.format_map(item.facts) if pattern else item.detail
    except KeyError:
        sentence = item.detail
    return visible_text(sentence)


def _cut(text: str, length_max: int) -> str:
    return text if len(text) <= length_max else text[: length_max - 1] + "…"
