"""The phrases that describe a rule set, by language. Every language has the same keys and placeholders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Language = Literal["en", "zh"]

ENGLISH: Mapping[str, str] = {
    "title": "“{title}” is for market {market}.",
    "pool": "An order line pays at most {rate} of its net in all: its amount less its discount, without shipping and "
    "tax.",
    "order": "The plans draw on this pool in their order; what a plan leaves goes to the next, and nothing beyond it "
    "is paid.",
    "hold": "Commissions are held from payment on, and released {days} days after the order is completed.",
    "hold_none": "Commissions are held from payment on, and released as soon as the order is completed.",
    "unilevel": "Plan {number}, {name} (unilevel): of a line's net, {levels}.",
    "override": "Plan {number}, {name}: {what}: {levels}.",
    "override_shorter": "Plan {number}, {name}: {what}: {levels}; further levels get nothing.",
    "narrowest": "Plan {number}, {name}: where several exceptions fit, the narrowest counts: product before category "
    "before neither, each time with the earner's tier before without.",
    "products": "for products {ids}",
    "categories": "for categories {ids}",
    "tier": "for earners of tier {tier}",
    "also_tier": "{what}, to earners of tier {tier}",
    "level_1": "the seller gets {share}",
    "level_2": "the seller's sponsor {share}",
    "level": "{share} goes to level {level}",
    "nothing": "nothing",
    "differential": "Plan {number}, {name} (differential): each tier has a rate ({rates}), up to level {levels_max}. "
    "On each line an upline gets the difference between its own rate and the highest rate paid below it.",
    "tier_rate": "{tier} {rate}",
    "peer": "Plan {number}, {name}: the nearest upline with exactly the highest rate paid below it gets {rate}, "
    "once for each rate.",
    "team_bonus": "Plan {number}, {name} (team bonus): the leader of the seller's team gets {rate} of a line's net, "
    "but not of what the leader sells.",
    "team_bonus_own": "Plan {number}, {name} (team bonus): the leader of the seller's team gets {rate} of a line's "
    "net, also of what the leader sells.",
    "fixed": "Plan {number}, {name} (fixed): for each unit sold in {currency}, {levels}.",
    "compression": "Plan {number}, {name}: an upline who does not qualify is passed over, and the next one above takes "
    "the level.",
    "no_compression": "Plan {number}, {name}: an upline who does not qualify gets nothing, and the level stays unpaid.",
    "lines": "Plan {number}, {name}: it is for {what} only.",
    "lines_products": "products {ids}",
    "lines_categories": "categories {ids}",
    "inactive_too": "Plan {number}, {name}: inactive distributors earn as well.",
    "own_sales": "Plan {number}, {name}: to earn, own paid sales of the calendar month ({zone}) must reach {amounts}.",
    "cap_entry": "Plan {number}, {name}: one distributor gets at most {amounts} from one line.",
    "cap_order": "Plan {number}, {name}: one distributor gets at most {amounts} from one order.",
    "cap_day": "Plan {number}, {name}: one distributor gets at most {amounts} from the orders of one day ({zone}).",
    "cap_month": "Plan {number}, {name}: one distributor gets at most {amounts} from the orders of one month ({zone}).",
    "minimum": "Plan {number}, {name}: a share that is below {amounts} after caps and pool is not paid.",
    "target": "Own paid net sales of {target} in a calendar month ({zone}) earn the reward {reward} of {bonus}.",
    "or": " or ",
    "and": " and ",
    "comma": ", ",
}

CHINESE: Mapping[str, str] = {
    "title": "“{title}”适用于市场 {market}。",
    "pool": "每个订单行合计最多支付其净额的 {rate}；净额为金额减去折扣，不含运费和税费。",
    "order": "各方案按顺序从该佣金池中支取，前一方案剩余的留给后一方案，超出部分一律不支付。",
    "hold": "佣金自付款起冻结，订单完成 {days} 天后解冻。",
    "hold_none": "佣金自付款起冻结，订单完成即解冻。",
    "unilevel": "方案{number} {name}（层级制）：按订单行净额，{levels}。",
    "override": "方案{number} {name}：{what}：{levels}。",
    "override_shorter": "方案{number} {name}：{what}：{levels}；更高层级无佣金。",
    "narrowest": "方案{number} {name}：多项例外同时适用时，以范围最窄者为准：商品先于类目，类目先于其他；同一范围内，"
    "指定等级者优先。",
    "products": "商品 {ids}",
    "categories": "类目 {ids}",
    "tier": "等级为 {tier} 的收益人",
    "also_tier": "{what}，等级为 {tier} 的收益人",
    "level_1": "销售者本人得 {share}",
    "level_2": "其推荐人得 {share}",
    "level": "第 {level} 级得 {share}",
    "nothing": "无佣金",
    "differential": "方案{number} {name}（级差制）：各等级比例为 {rates}，最多计算到第 {levels_max} 级。"
    "按每个订单行，上级得到其自身比例高出下方已得最高比例的部分。",
    "tier_rate": "{tier} {rate}",
    "peer": "方案{number} {name}：平级奖——与下方已得最高比例相同的最近一位上级得 {rate}，每个比例只支付一次。",
    "team_bonus": "方案{number} {name}（团队奖）：销售者所在团队的负责人得订单行净额的 {rate}，负责人自己的销售除外。",
    "team_bonus_own": "方案{number} {name}（团队奖）：销售者所在团队的负责人得订单行净额的 {rate}，"
    "包括负责人自己的销售。",
    "fixed": "方案{number} {name}（定额）：以 {currency} 售出的每一件，{levels}。",
    "compression": "方案{number} {name}：不符合条件者被跳过，由其上一位顶替该层级。",
    "no_compression": "方案{number} {name}：不符合条件者不得佣金，该层级不予支付。",
    "lines": "方案{number} {name}：仅适用于{what}。",
    "lines_products": "商品 {ids}",
    "lines_categories": "类目 {ids}",
    "inactive_too": "方案{number} {name}：未激活的分销商同样可得佣金。",
    "own_sales": "方案{number} {name}：当月（{zone}）本人已付款销售额须达到 {amounts}。",
    "cap_entry": "方案{number} {name}：每人每个订单行最多得 {amounts}。",
    "cap_order": "方案{number} {name}：每人每个订单最多得 {amounts}。",
    "cap_day": "方案{number} {name}：每人每天（{zone}）的订单合计最多得 {amounts}。",
    "cap_month": "方案{number} {name}：每人每月（{zone}）的订单合计最多得 {amounts}。",
    "minimum": "方案{number} {name}：经封顶与佣金池限制后不足 {amounts} 的份额不予支付。",
    "target": "当月（{zone}）本人已付款净销售额达到 {target} 者，得奖励 {reward}：{bonus}。",
    "or": "或",
    "and": "和",
    "comma": "、",
}

PHRASES: Mapping[Language, Mapping[str, str]] = {"en": ENGLISH, "zh": CHINESE}
