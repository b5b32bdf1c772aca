"""The reasons of identity. The reasons of a login do not reveal whether an account exists."""

from __future__ import annotations

from api.http.problems import Reason

REASONS = {
    "unauthenticated": Reason(
        401, "Log in, and send the access token as a bearer token.", "请先登录，并以 Bearer 方式发送访问令牌。"
    ),
    "invalid_token": Reason(401, "The access token is invalid or expired.", "访问令牌无效或已过期。"),
    "insufficient_scope": Reason(
        403, "You may not do this; an administrator can allow it.", "您没有该操作的权限，请联系管理员。"
    ),
    "wrong_credentials": Reason(401, "E-mail address or password is wrong.", "邮箱或密码错误。"),
    "too_many_attempts": Reason(
        429, "Too many attempts to log in; wait, then try again.", "登录尝试次数过多，请稍后再试。"
    ),
    "password_change_required": Reason(
        403,
        "This password was for one login only; send new_password as well.",
        "该密码仅供一次登录，请同时提供新密码。",
    ),
    "weak_password": Reason(
        422,
        "Choose a password of 12 to 128 characters that is neither common, nor a number, nor made of your address.",
        "密码须为 12 至 128 个字符，且不能是常见密码、纯数字或由邮箱地址构成。",
    ),
    "invalid_grant": Reason(401, "The refresh token is no longer valid; log in again.", "刷新令牌已失效，请重新登录。"),
    "invalid_invite": Reason(
        422,
        "The invite code is unknown, used up or too old; ask your sponsor for another.",
        "邀请码不存在、已用完或已过期，请向推荐人索取新的邀请码。",
    ),
    "too_many_invites": Reason(
        409,
        "You have as many open invites as one may have; end them, or use those that you have.",
        "未使用的邀请已达上限，请先使用或终止已有邀请。",
    ),
    "email_taken": Reason(409, "A user with this e-mail address already exists.", "该邮箱已被注册。"),
    "registration_refused": Reason(409, "The network refused the new distributor.", "该分销商注册未被接受。"),
    "unknown_permission": Reason(422, "Permission not found.", "权限不存在。"),
    "unknown_distributor": Reason(422, "Distributor not found.", "分销商不存在。"),
    "last_administrator": Reason(
        409,
        "Two other active administrators must remain; make another one first.",
        "必须至少保留另外两名有效的管理员，请先添加一名管理员。",
    ),
    "own_rights": Reason(
        403,
        "No one changes their own rights or resets their own password; ask another administrator.",
        "不能更改自己的权限或重置自己的密码，请由其他管理员处理。",
    ),
    "beyond_own_rights": Reason(
        403,
        "You can only give permissions that you hold yourself; ask a user who holds them.",
        "只能授予自己拥有的权限，请由拥有该权限的人处理。",
    ),
    "not_independent": Reason(
        409,
        "This takes a second person who is independent of the first; ask another administrator.",
        "须由与发起人无关的另一人确认，请联系其他管理员。",
    ),
    "nothing_pending": Reason(
        409, "Nothing waits for a confirmation here; request it again.", "没有待确认的申请，请重新提交。"
    ),
    "not_a_distributor": Reason(403, "Only a distributor can do this.", "仅分销商可以执行此操作。"),
    "cross_site": Reason(403, "This form was not sent from our own page.", "该表单并非由本站页面提交。"),
}
