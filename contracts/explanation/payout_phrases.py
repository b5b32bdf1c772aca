"""The phrases of a payout, in English and Chinese: both have the same keys and placeholders.

They are for a distributor who asks where their money is, and why not yet. `contracts.explanation.payout_sentences`
fills them.
"""

from __future__ import annotations

from collections.abc import Mapping

from contracts.explanation.rule_phrases import Language

ENGLISH: Mapping[str, str] = {
    "waiting": "{amount} {currency} is payable, and waits for the next batch of payouts.",
    "proposed": "{amount} {currency} is in a batch of payouts that others have to approve.",
    "approved": "{amount} {currency} is approved, and is sent next.",
    "sending": "{amount} {currency} is being sent by {rail}.",
    "sent": "{amount} {currency} was sent by {rail} on {started}; that it arrived is not confirmed yet.",
    "awaiting_payee": "{amount} {currency} was sent by {rail} on {started}, and waits until you confirm it there.",
    "doubtful": "{amount} {currency} was sent by {rail} on {started}, and what became of it is not known yet. It is "
    "not sent again before that is known.",
    "paid": "{amount} {currency} was paid by {rail} on {ended}.",
    "failed": "The payment of {amount} {currency} by {rail} failed on {ended}. It is available again, and your next "
    "statement has it.",
    "returned": "{amount} {currency} was paid by {rail} and came back on {ended}. It is available again, and your next "
    "statement has it.",
    "left": "{left} {currency} of it cannot be sent, as {rail} sends whole units; your next statement has it.",
    "reason_no_payout_method": "No payout method is set; set one, and the next batch can send it.",
    "reason_method_cooling_off": "The account was changed lately; for safety nothing is sent to it before "
    "{usable_from}.",
    "reason_method_unusable": "The payout method cannot be used any more; set another one.",
    "reason_identity_incomplete": "Your identity is not verified yet.",
    "reason_on_hold": "Your payouts are on hold; ask who looks after you.",
    "reason_rail_paused": "Payments by {rail} are paused; it is sent once they go on.",
    "reason_currency_differs": "The payout method takes another currency than that of the statement.",
    "reason_rail_unknown": "The way of payment of your payout method is not offered; set another method.",
    "reason_rail_refuses_currency": "The way of payment does not send this currency; set another payout method.",
    "reason_below_whole_unit": "{rail} sends whole units only, and it is less than one.",
    "reason_amount_too_large": "It is more than can be sent at once; ask who looks after you.",
    "reason_other_rail": "The last batch was for another way of payment.",
    "reason_no_rate": "No exchange rate is recent enough to convert it.",
    "reason_corridor_not_allowed": "Payments to the country of the account are not open.",
    "reason_account_unknown": "The account does not exist; set another one.",
    "reason_account_closed": "The account is closed; set another one.",
    "reason_account_blocked": "The account is blocked; ask your bank, or set another one.",
    "reason_name_mismatch": "The name is not that of the account; correct it.",
    "reason_payee_unknown": "The way of payment does not know the recipient; set another account.",
    "reason_payee_unable": "The recipient cannot receive payments; set another account.",
    "reason_insufficient_funds": "Our account had too little money; nothing is wrong with yours.",
    "reason_not_confirmed": "It was not confirmed in time.",
    "reason_amount_differs": "The amount that was reported is another one; a person looks into it.",
    "reason_rejected": "The way of payment rejected it.",
    "reason_limit_exceeded": "It is above a limit of the way of payment.",
    "reason_currency_not_supported": "The account does not take this currency.",
    "reason_invalid_order": "The way of payment could not read it; a person looks into it.",
    "reason_not_permitted": "The way of payment does not permit it.",
    "reason_cancelled": "It was cancelled.",
    "reason_unexplained": "The way of payment gave no reason that we know; ask who looks after you.",
}

CHINESE: Mapping[str, str] = {
    "waiting": "{amount} {currency} 应付，等待下一批付款。",
    "proposed": "{amount} {currency} 已列入一批付款，等待他人批准。",
    "approved": "{amount} {currency} 已获批准，即将付出。",
    "sending": "{amount} {currency} 正在通过 {rail} 付出。",
    "sent": "{amount} {currency} 已于 {started} 通过 {rail} 付出，尚未确认到账。",
    "awaiting_payee": "{amount} {currency} 已于 {started} 通过 {rail} 付出，等待您在其中确认收款。",
    "doubtful": "{amount} {currency} 已于 {started} 通过 {rail} 付出，结果尚不明确；在明确之前不会再次付款。",
    "paid": "{amount} {currency} 已于 {ended} 通过 {rail} 到账。",
    "failed": "{amount} {currency} 通过 {rail} 的付款于 {ended} 失败，款项已恢复为可结余额，计入下一张结算单。",
    "returned": "{amount} {currency} 通过 {rail} 付出后于 {ended} 被退回，款项已恢复为可结余额，计入下一张结算单。",
    "left": "其中 {left} {currency} 无法付出，因为 {rail} 只付整数金额；计入下一张结算单。",
    "reason_no_payout_method": "尚未设置收款方式；设置后即可列入下一批付款。",
    "reason_method_cooling_off": "收款账户近期有变更；为保安全，{usable_from} 之前不会向其付款。",
    "reason_method_unusable": "收款方式已不可用，请重新设置。",
    "reason_identity_incomplete": "您的身份尚未核验。",
    "reason_on_hold": "您的付款已被冻结，请联系您的客服人员。",
    "reason_rail_paused": "{rail} 付款已暂停，恢复后付出。",
    "reason_currency_differs": "收款方式的币种与结算单不同。",
    "reason_rail_unknown": "您所设置的付款通道不受支持，请更换收款方式。",
    "reason_rail_refuses_currency": "该付款通道不支持此币种，请更换收款方式。",
    "reason_below_whole_unit": "{rail} 只付整数金额，而该金额不足一个单位。",
    "reason_amount_too_large": "金额超过单笔可付上限，请联系您的客服人员。",
    "reason_other_rail": "上一批付款使用了其他付款通道。",
    "reason_no_rate": "没有足够新的汇率可供换算。",
    "reason_corridor_not_allowed": "尚未开通向该账户所在国家或地区付款。",
    "reason_account_unknown": "账户不存在，请更换。",
    "reason_account_closed": "账户已注销，请更换。",
    "reason_account_blocked": "账户被冻结，请咨询您的银行或更换账户。",
    "reason_name_mismatch": "户名与账户不符，请更正。",
    "reason_payee_unknown": "付款通道无法识别收款人，请更换账户。",
    "reason_payee_unable": "收款人无法收款，请更换账户。",
    "reason_insufficient_funds": "我方账户余额不足，与您的账户无关。",
    "reason_not_confirmed": "未在期限内确认收款。",
    "reason_amount_differs": "回报的金额不一致，正由人工核查。",
    "reason_rejected": "付款通道拒绝了该付款。",
    "reason_limit_exceeded": "超过付款通道的限额。",
    "reason_currency_not_supported": "该账户不支持此币种。",
    "reason_invalid_order": "付款通道无法识别该付款，正由人工核查。",
    "reason_not_permitted": "付款通道不允许该付款。",
    "reason_cancelled": "付款已取消。",
    "reason_unexplained": "付款通道未给出已知原因，请联系您的客服人员。",
}

PHRASES: Mapping[Language, Mapping[str, str]] = {"en": ENGLISH, "zh": CHINESE}
