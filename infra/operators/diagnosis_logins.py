"""Looking at the broker's logins: each has the permissions that are declared, and none has more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from infra.adapters.rabbitmq_admin import BrokerAdmin
from infra.operators.broker_logins import role_logins
from infra.operators.findings import Finding, ok, problem, warning
from infra.ports.messaging import SHOP_LOGIN, BrokerUnavailable
from infra.ports.topology import Login
from infra.runtime.worker import Worker
from infra.shops.logins import shop_login

PART = "RabbitMQ"
_CHECK = "logins"
_GUEST = "guest"
_RENEW = "`tributary identity create-shop` renews it"
_MAKE = "set TRIBUTARY_BROKER_PASSWORDS, then `tributary topology --apply`"


async def look_at_logins(management_url: str | None, workers: Sequence[Worker]) -> list[Finding]:
    if management_url is None:
        return [ok(PART, _CHECK, "They cannot be read over AMQP; set RABBITMQ_MANAGEMENT_URL to check them.")]
    try:
        found = await BrokerAdmin(management_url).logins()
    except BrokerUnavailable as error:
        return [problem(PART, _CHECK, f"They cannot be read: {error}.")]
    return findings_of(found, {login.name: login for login in role_logins(workers).values()})


def findings_of(found: Mapping[str, Login | None], roles: Mapping[str, Login]) -> list[Finding]:
    """Compare the logins of the broker with those declared for `roles` and for shops, by name."""
    findings = []
    shops = 0
    if _GUEST in found:
        findings.append(problem(PART, _CHECK, "The login guest exists, and its password is known to all; delete it."))
    for name, login in found.items():
        declared = roles.get(name)
        if name.startswith(SHOP_LOGIN):
            shops += 1
            declared = shop_login(name.removeprefix(SHOP_LOGIN))
        if declared is None:
            continue
        mend = _MAKE if name in roles else _RENEW
        if _permissions(login) != _permissions(declared):
            how = f"has {_text(login)}, and {_text(declared)} is declared"
            findings.append(problem(PART, _CHECK, f"{name} {how}; {mend}."))
        if login is not None and login.limits != declared.limits:
            how = f"may have {_limits(login)}, and {_limits(declared)} is declared"
            findings.append(problem(PART, _CHECK, f"{name} {how}; {mend}."))
        if login is not None and login.tags:
            tags = ", ".join(login.tags)
            detail = f"{name} has the tag {tags}, so it may use the management API; {mend} without."
            findings.append(problem(PART, _CHECK, detail))
        if login is not None and login.elsewhere:
            hosts = ", ".join(login.elsewhere)
            detail = f"{name} has permissions in other virtual hosts too ({hosts}); `rabbitmqctl clear_permissions -p`."
            findings.append(problem(PART, _CHECK, detail))
    missing = sorted(roles.keys() - found.keys())
    if missing and len(missing) < len(roles):
        findings.append(warning(PART, _CHECK, f"There is no login {', '.join(missing)}; {_MAKE}."))
    elif missing and not findings:
        return [ok(PART, _CHECK, f"{shops} of shops are as declared; processes share one. For one each, {_MAKE}.")]
    return findings or [ok(PART, _CHECK, f"{len(roles)} of processes and {shops} of shops are as declared.")]


def _limits(login: Login) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(login.limits.items())) or "any number of connections"


def _permissions(login: Login | None) -> tuple[str, str, str] | None:
    return (login.configure, login.write, login.read) if login else None


def _text(login: Login | None) -> str:
    return f"configure {login.configure}, write {login.write}, read {login.read}" if login else "no permission"
