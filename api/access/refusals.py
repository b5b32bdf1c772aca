"""The workers' refusals as problem details: a status and a sentence in two languages for each reason code.

The event's own `detail` names field and figures, in English; the sentence here holds for every refusal with its code.
"""

from __future__ import annotations

from api.http.problems import Reason

REASONS = {
    "idempotency_key_reused": Reason(
        422, "This Idempotency-Key was used for another request; use a new one.", "该幂等键已用于其他请求，请更换。"
    ),
    "set_aside": Reason(
        500,
        "The command failed and was dead-lettered for an operator; nothing was changed.",
        "命令处理失败，已转为死信并交由运维处理，未做任何更改。",
    ),
    "handler_error": Reason(
        500,
        "A worker failed on the command; after several attempts it is dead-lettered for an operator.",
        "命令处理出错，多次重试后将转为死信并交由运维处理。",
    ),
    "ends_its_process": Reason(
        500,
        "The command repeatedly crashed the process that handled it; it waits for an operator.",
        "命令多次导致处理进程退出，已转交运维处理。",
    ),
    "invalid_message": Reason(422, "The command breaks its contract.", "命令不符合约定的格式。"),
    "unknown_period": Reason(
        404,
        "Nothing was booked in this period; preview what is open, or list the statements.",
        "该账期没有任何记账，请预览尚未关账的账期，或查看结算单列表。",
    ),
    "period_not_over": Reason(
        409,
        "The period is not over; close it after its end, or close one distributor.",
        "账期尚未结束；请在结束后关账，或只为单个分销商关账。",
    ),
    "final_of_all": Reason(
        422,
        "Only one distributor's close is final; name them with distributor_id, or leave final out.",
        "只有单个分销商的关账可以标为 final；请填写 distributor_id，或去掉 final。",
    ),
    "nothing_to_close": Reason(
        409, "The distributor has nothing to close; see the last statement.", "该分销商没有可关账的内容。"
    ),
    "nothing_to_adjust": Reason(
        422,
        "The amount changes nothing; give another amount, a positive one for a write-off.",
        "金额未作任何调整；请填写其他金额，核销须为正数。",
    ),
    "payee_approves_own": Reason(
        403, "The distributor who gets it cannot approve it; ask another person.", "受益人不得批准，请由他人批准。"
    ),
    "unknown_rail": Reason(422, "There is no such rail; see docs/payees.md.", "没有这种付款渠道。"),
    "currency_not_supported": Reason(
        422, "The rail does not send this currency; choose another rail.", "该付款渠道不支持此币种，请选择其他渠道。"
    ),
    "duplicate_destination": Reason(
        409,
        "Another distributor has this account; two other persons may allow it.",
        "该账户已属于另一名分销商；须由另外两人批准后方可使用。",
    ),
    "nothing_to_allow": Reason(
        409, "No such account of this distributor was refused; set the method first.", "没有需要批准的重复账户。"
    ),
    "unknown_method": Reason(
        409, "The distributor is paid by another method now; look at it again.", "该分销商目前使用其他收款方式。"
    ),
    "not_cooling_off": Reason(
        409, "The account is not in a cooling-off; payouts can go to it.", "该账户不在冷静期内，可以付款。"
    ),
    "unknown_identity": Reason(
        409, "The distributor has submitted another identity since; look at it again.", "该分销商提交了其他身份信息。"
    ),
    "base_differs": Reason(
        422,
        "All tables of a source have the same base; take another source for another base.",
        "同一来源的汇率表须使用相同的基准货币；其他基准货币请使用其他来源。",
    ),
    "older_than_known": Reason(
        409,
        "A table of the same time or later is approved; give rates of a later time.",
        "已批准了同一时间或更晚的汇率表，请提供更晚的汇率。",
    ),
    "implausible": Reason(
        422,
        "A rate or the spread differs too much from what is usual; correct it, or confirm the jump.",
        "汇率或价差与通常水平相差过大；请更正，或确认该跳变。",
    ),
    "unknown_table": Reason(404, "There is no such table of exchange rates.", "该汇率表不存在。"),
    "already_decided": Reason(409, "It is already decided, which cannot be changed.", "已作出决定，不可更改。"),
    "write_off_not_allowed": Reason(
        409,
        "The market's terms allow no write-off; set write_off_after_days in them.",
        "该市场的结算条款不允许核销；请在条款中设置 write_off_after_days。",
    ),
    "write_off_too_early": Reason(
        409,
        "The balance has not been negative for long enough to write it off.",
        "余额为负的时间不足，暂时不能核销。",
    ),
    "more_than_owed": Reason(
        409, "The amount is more than the debt; write off no more than that.", "金额超过欠款，核销不得超过欠款额。"
    ),
    "amount_precision": Reason(
        422, "An amount has more decimals than its currency.", "金额的小数位数超出该货币的精度。"
    ),
    "currency_not_accepted": Reason(422, "The shop does not sell in this currency.", "店铺不支持该货币。"),
    "discount_exceeds_amount": Reason(422, "A discount is larger than its line amount.", "折扣大于该行金额。"),
    "placed_in_future": Reason(422, "The order time is in the future.", "下单时间尚未到来。"),
    "placed_too_long_ago": Reason(
        422,
        "The order is too old for its shop; an administrator permits past orders with history_from.",
        "下单时间过早；须由管理员通过 history_from 允许该店铺补录历史订单。",
    ),
    "time_in_future": Reason(422, "A time that must be past is in the future.", "时间尚未到来。"),
    "total_too_large": Reason(
        422, "The order total exceeds the limit; split the order.", "订单总额超过上限，请拆分订单。"
    ),
    "total_mismatch": Reason(
        422, "The total is not the sum of lines, shipping and tax.", "总额与明细、运费、税费之和不符。"
    ),
    "shop_unknown": Reason(422, "The shop is not registered.", "店铺未注册。"),
    "order_id_reserved": Reason(
        422,
        "A shop's order ids never begin with o-; in a shop that has a login, everyone else's do. Choose another, or "
        "leave it out.",
        "店铺的订单号不得以 o- 开头；在拥有登录账号的店铺中，他人的订单号须以 o- 开头。请更换或不填。",
    ),
    "distributors_not_accepted": Reason(
        403,
        "This shop takes no orders from distributors; its setting distributor_orders allows them.",
        "该店铺不接受分销商下单，可通过店铺设置 distributor_orders 开启。",
    ),
    "not_for_distributors": Reason(
        403,
        "A distributor's order cannot choose this; leave it out.",
        "分销商下单时不可指定该项，请不要填写。",
    ),
    "price_required": Reason(
        422, "Each line of a distributor's order has to cost something.", "分销商订单的每一行金额都必须大于零。"
    ),
    "too_many_unpaid_orders": Reason(
        409,
        "You have too many unpaid orders; wait until one is paid or cancelled.",
        "未支付的订单过多，请等待订单支付或取消后再下单。",
    ),
    "too_many_unpaid_units": Reason(
        409,
        "Your unpaid orders hold too many units; order less, or wait until one is paid or cancelled.",
        "未支付订单占用的商品数量过多，请减少数量，或等待订单支付或取消。",
    ),
    "shop_required": Reason(422, "Name the shop in shop_id.", "请在 shop_id 中指明店铺。"),
    "distributor_unknown": Reason(422, "The distributor is not registered.", "分销商未注册。"),
    "distributor_inactive": Reason(422, "The distributor was not active at that time.", "该分销商当时未处于有效状态。"),
    "product_unknown": Reason(422, "The product is not in the catalogue.", "商品不存在。"),
    "product_inactive": Reason(422, "The product is no longer sold.", "商品已停售。"),
    "no_rules": Reason(422, "No rules were in force in the market at that time.", "当时该市场没有生效的佣金规则。"),
    "order_unknown": Reason(404, "Order not found.", "订单不存在。"),
    "not_paid": Reason(409, "The order is not paid.", "订单尚未支付。"),
    "not_shipped": Reason(409, "The order has not shipped.", "订单尚未发货。"),
    "already_shipped": Reason(409, "The order has already shipped; refund it instead.", "订单已发货，请改为退款。"),
    "order_rejected": Reason(409, "The order was rejected: out of stock.", "订单因库存不足已被拒绝。"),
    "order_cancelled": Reason(409, "The order was cancelled.", "订单已取消。"),
    "order_refunded": Reason(409, "The order is fully refunded.", "订单已全额退款。"),
    "too_many_refunds": Reason(409, "The order has reached its limit of refunds.", "订单退款次数已达上限。"),
    "too_many_changes": Reason(409, "The order has reached its limit of changes.", "订单变更次数已达上限。"),
    "not_ordered": Reason(422, "A product is not on the order.", "订单中没有该商品。"),
    "nothing_to_refund": Reason(422, "Name the units or the amount to refund.", "请指明退款数量或金额。"),
    "more_than_left": Reason(409, "The refund exceeds what is left.", "退款超出可退余额。"),
    "conflicting_reference": Reason(
        409, "This reference was booked with different content.", "该凭证号已用于其他内容。"
    ),
    "cycle": Reason(409, "The sponsors would form a cycle.", "推荐关系会形成循环。"),
    "own_sponsor": Reason(422, "A distributor cannot sponsor themselves.", "不能成为自己的推荐人。"),
    "sponsor_unknown": Reason(422, "The sponsor is not registered.", "推荐人未注册。"),
    "leader_unknown": Reason(422, "The leader is not registered.", "负责人未注册。"),
    "team_unknown": Reason(404, "Team not found.", "团队不存在。"),
    "not_a_member": Reason(409, "The distributor is not in the team.", "该分销商不在团队中。"),
    "out_of_order": Reason(
        409, "A later change is already recorded; give a later time.", "已有更晚的变更记录，请指定更晚的时间。"
    ),
    "not_proposed": Reason(404, "Rule set not found.", "规则不存在。"),
    "digest_mismatch": Reason(
        409, "The rules have changed since you read them; read them again.", "规则内容已变更，请重新阅读。"
    ),
    "changed_meanwhile": Reason(
        409,
        "Another person has proposed or approved it meanwhile; read it again, then approve it.",
        "其他人已提交或批准该内容，请重新阅读后再批准。",
    ),
    "same_person": Reason(409, "Someone other than the proposer must approve.", "须由提案人以外的人批准。"),
    "not_approved": Reason(409, "The rules are not approved.", "规则尚未批准。"),
    "not_active": Reason(409, "The rules are not active.", "规则未生效。"),
    "already_retired": Reason(
        409, "The rules already have an end, which cannot be changed.", "规则已设定终止时间，不可更改。"
    ),
    "retroactive": Reason(422, "Changes cannot be retroactive; give a later time.", "不可追溯更改，请指定更晚的时间。"),
    "ends_before_it_begins": Reason(
        422, "The rules would end before they begin; give a later time.", "终止时间早于生效时间，请指定更晚的时间。"
    ),
    "earlier_rules_return": Reason(
        409,
        "Earlier rules would hold again, which takes two persons; propose and activate other rules instead.",
        "此前的规则将重新生效，须由两人决定；请改为提交并启用新的规则。",
    ),
    "proposal_expired": Reason(
        409,
        "The rules were proposed too long ago; propose and approve them again.",
        "规则提案已过期，请重新提交并批准。",
    ),
    "market_unknown": Reason(422, "The market is not defined.", "市场未定义。"),
    "market_limit": Reason(409, "The rules exceed the limits of their market.", "规则超出所在市场的法规限制。"),
    "levels_beyond_three": Reason(
        422, "More levels than usual need an approver and a reason.", "超过常规层级须说明批准人和原因。"
    ),
    "rules_in_force": Reason(
        409, "Rules in force exceed these limits; retire them first.", "现行规则超出该限制，请先终止。"
    ),
    "outdated": Reason(
        412, "It was changed meanwhile; read it again, then decide.", "内容在此期间已被修改，请重新读取后再操作。"
    ),
    "category_unknown": Reason(422, "Category not found.", "分类不存在。"),
    "tag_unknown": Reason(422, "Tag not found.", "标签不存在。"),
    "not_defined": Reason(404, "Category or tag not found.", "分类或标签不存在。"),
    "in_use": Reason(409, "Products still use it.", "仍有商品在使用。"),
    "below_zero": Reason(409, "The lot has fewer units than the correction removes.", "批次现有数量小于要扣减的数量。"),
    "expiry_mismatch": Reason(409, "The lot has a different expiry date.", "该批次的有效期不同。"),
    "already_defined": Reason(409, "The webhook exists already.", "该 webhook 已存在。"),
    "not_shop_event": Reason(
        422,
        "Shops get the events of their own orders alone; name such types.",
        "店铺只能接收自己订单的事件，请填写此类事件类型。",
    ),
    "too_many_webhooks": Reason(
        409, "The shop has its limit of webhooks; remove one.", "店铺的 webhook 数量已达上限，请先删除一个。"
    ),
    "webhook_unknown": Reason(404, "Webhook not found.", "webhook 不存在。"),
    "delivery_unknown": Reason(404, "Delivery not found.", "投递记录不存在。"),
    "not_ended": Reason(
        409, "Only a delivery that has ended is sent again by hand.", "只有已结束的投递才能手动重新发送。"
    ),
    "unknown_route": Reason(404, "Route not found.", "通知路由不存在。"),
    "too_many_routes": Reason(409, "There are too many routes; remove one.", "通知路由数量已达上限，请先删除。"),
    "unknown_escalation": Reason(
        422, "The route that it escalates to is not defined.", "升级目标路由不存在，请先定义。"
    ),
    "route_in_use": Reason(409, "Other routes escalate to it.", "仍有其他路由将告警升级到该路由。"),
    "unknown_silence": Reason(404, "Silence not found.", "静默规则不存在。"),
    "silence_too_broad": Reason(
        422, "Name kinds, shops, markets or an alert to silence.", "请指明要静默的告警类型、店铺、市场或具体告警。"
    ),
    "silence_time": Reason(422, "A silence ends within 30 days from now.", "静默须在 30 天内结束。"),
    "too_many_silences": Reason(409, "There are too many silences; end one.", "静默规则数量已达上限，请先结束一条。"),
    "unknown_alert": Reason(404, "Alert not found.", "告警不存在。"),
    "alert_not_open": Reason(409, "The alert is already resolved.", "告警已经解除。"),
    "unknown_letter": Reason(404, "Dead letter not found.", "死信不存在。"),
    "nothing_to_pay": Reason(
        409,
        "Nothing can be sent now; each waiting payout has its reason.",
        "目前没有可付款项；每笔待付款项都注明了原因。",
    ),
    "unknown_batch": Reason(404, "Batch not found.", "付款批次不存在。"),
    "unknown_corridor": Reason(404, "Corridor not found.", "汇款通道不存在。"),
    "stale_digest": Reason(
        409,
        "A line of the batch would not be sent like that now; reject it and propose another one.",
        "批次中有一笔已不能按原计划付款，请驳回后重新提交。",
    ),
    "not_on_hold": Reason(409, "Nothing is on hold for this distributor.", "该分销商的付款未被暂停。"),
    "unknown_key": Reason(404, "No payout has this key.", "没有付款使用该标识。"),
    "unknown_payout": Reason(404, "Payout not found.", "付款不存在。"),
    "not_in_doubt": Reason(
        409,
        "Only a payout in doubt, or of a rail that persons answer for, is resolved.",
        "只有结果不明或由人工确认的付款才能处理。",
    ),
    "other_attempt": Reason(
        409, "The payout is at another attempt; look at it again.", "该付款已是另一次尝试，请重新查看。"
    ),
    "other_outcome": Reason(
        409, "Another outcome was stated; read the evidence again.", "所述结果不同，请重新查看凭据。"
    ),
    "not_stated": Reason(
        409, "No one has stated what became of the payout; resolve it first.", "尚无人说明付款结果，请先提交处理意见。"
    ),
    "already_replayed": Reason(409, "The dead letter has already been sent again.", "死信已重新投递。"),
}
