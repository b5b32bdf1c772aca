"""The `tributary` command: every command with its name and examples. Their options are in `infra.cli.commands`.

The action of a command is imported when it runs, so that commands that only print start quickly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from infra.cli import ending
from infra.cli.commands import (
    alerts,
    audit,
    checks,
    corridors,
    dead,
    exchange_rates,
    identity,
    keys,
    ledger,
    network,
    orders,
    payees,
    payouts,
    rules,
    schema,
    settlement,
    stack,
    trials,
    webhooks,
    work,
)
from infra.terminal.printing import print_line


def _typer(description: str) -> typer.Typer:
    return typer.Typer(help=description, no_args_is_help=True, rich_markup_mode=None)


def _epilog(examples: tuple[str, ...]) -> str:
    return "\b\nExamples:" + "".join(f"\n  {example}" for example in examples)


def _group(parent: typer.Typer, name: str, description: str, *examples: str) -> typer.Typer:
    group = _typer(description)
    parent.add_typer(group, name=name, short_help=description, epilog=_epilog(examples))
    return group


def _add(group: typer.Typer, name: str, command: Callable[..., None], *examples: str) -> None:
    """Register a command. Lists show the first sentence of its help, and its own help ends with the examples."""
    first = " ".join((command.__doc__ or "").strip().partition("\n\n")[0].split())
    group.command(name, short_help=first, epilog=_epilog(examples))(command)


app = _typer("The back-end of a distribution network: orders flow in, commissions flow upstream.")
_add(app, "up", stack.up, "tributary up", "export $(tributary up --stack trial)")
_add(app, "down", stack.down, "tributary down", "tributary down --stack trial --remove-data")
_add(app, "status", stack.status, "tributary status", "tributary status --stack trial --json")
_add(app, "setup", stack.setup, "tributary setup")
_add(app, "work", work.work, "tributary work all", "tributary work order_intake --processes 2")
_add(app, "api", work.api, "tributary api --port 8080 --workers 2")
_add(app, "demo", trials.demo, "tributary demo --orders 200", "tributary demo --keep")
_add(
    app,
    "publish",
    orders.publish,
    "tributary publish orders.json --type order.place.v1",
    "tributary publish --type order.update-status.v1 --wait 15 paid.json",
)
_add(app, "trace", orders.trace, "tributary trace shop-367/31198459904")
_add(app, "explain", orders.explain, "tributary explain shop-367/31198459904 --lang zh")
_add(app, "verify", checks.verify, "tributary verify", "tributary verify --stack trial --json")
_add(app, "topology", work.topology, "tributary topology", "tributary topology --apply")
_add(app, "doctor", checks.doctor, "tributary doctor --json")

books = _group(app, "ledger", "The ledger: what every account holds, and why.", "tributary ledger show 42")
_add(books, "show", ledger.show, "tributary ledger show 42 --last 50", "tributary ledger show 0")
_add(books, "hand-over", ledger.hand_over, "tributary ledger hand-over")
_add(books, "rebuild", ledger.rebuild, "tributary ledger rebuild --check", "tributary ledger rebuild --yes")

letters = _group(app, "dead", "Messages that could not be handled.", "tributary dead list")
_add(letters, "list", dead.list_letters, "tributary dead list", "tributary dead list --state any --each")
_add(letters, "show", dead.show, "tributary dead show 5f0c2a")
_add(letters, "replay", dead.replay, "tributary dead replay 5f0c2a", "tributary dead replay --all --dry-run")
_add(letters, "discard", dead.discard, "tributary dead discard 5f0c2a", "tributary dead discard --all --yes")

warnings = _group(app, "alerts", "What needs a person, and who receives it.", "tributary alerts list")
_add(
    warnings, "list", alerts.list_alerts, "tributary alerts list", "tributary alerts list --state any --kind stock_low"
)
_add(warnings, "notifications", alerts.notifications, "tributary alerts notifications --alert stock/1082185")
_add(warnings, "acknowledge", alerts.acknowledge, "tributary alerts acknowledge stock/1082185 --note ordered")
_add(warnings, "routes", alerts.routes, "tributary alerts routes --json")
_add(warnings, "define-route", alerts.define_route, "tributary alerts define-route warehouse route.yaml")
_add(warnings, "remove-route", alerts.remove_route, "tributary alerts remove-route warehouse")
_add(warnings, "test", alerts.send_test, "tributary alerts test warehouse")
_add(warnings, "silences", alerts.silences, "tributary alerts silences")
_add(
    warnings,
    "silence",
    alerts.silence,
    "tributary alerts silence stocktaking --kind stock_low --until 2026-12-01T08:00:00+08:00 --reason stocktaking",
)
_add(warnings, "end-silence", alerts.end_silence, "tributary alerts end-silence stocktaking")

hooks = _group(
    app, "webhooks", "Where the events of shops are sent, and what became of them.", "tributary webhooks list"
)
_add(hooks, "list", webhooks.list_webhooks, "tributary webhooks list --shop shop-367")
_add(hooks, "attempts", webhooks.attempts, "tributary webhooks attempts 3c1f6a52-4d1e-4c7b --state failed")
_add(
    hooks,
    "redeliver",
    webhooks.redeliver,
    "tributary webhooks redeliver 3c1f6a52-4d1e-4c7b 8f0e6a52-53f4-5bb1-9a0e-0c1f7f6f3f11",
)
_add(hooks, "enable", webhooks.enable, "tributary webhooks enable 3c1f6a52-4d1e-4c7b")
_add(hooks, "disable", webhooks.disable, "tributary webhooks disable 3c1f6a52-4d1e-4c7b --by li.na")
_add(hooks, "remove", webhooks.remove, "tributary webhooks remove 3c1f6a52-4d1e-4c7b --by li.na")

rule_sets = _group(
    app,
    "rules",
    "Rule sets: what the network pays, who approved it, and from when.",
    "tributary rules check draft.yaml",
)
_add(rule_sets, "schema", rules.schema, "tributary rules schema --output rules.schema.json")
_add(rule_sets, "check", rules.check, "tributary rules check draft.yaml --market-file market.yaml")
_add(rule_sets, "explain", rules.explain, "tributary rules explain draft.yaml", "tributary rules explain 2 --lang zh")
_add(rule_sets, "list", rules.list_rules, "tributary rules list --json")
_add(rule_sets, "show", rules.show, "tributary rules show 2")
_add(rule_sets, "propose", rules.propose, "tributary rules propose 2 draft.yaml --by ann")
_add(rule_sets, "approve", rules.approve, "tributary rules approve 2 --digest 0f3a9c21 --by wei")
_add(rule_sets, "activate", rules.activate, "tributary rules activate 2 --from 2026-12-01T00:00:00+08:00 --by wei")
_add(rule_sets, "retire", rules.retire, "tributary rules retire 1 --by wei")
_add(rule_sets, "market", rules.market, "tributary rules market market.yaml")
_add(
    rule_sets,
    "backtest",
    rules.backtest,
    "tributary rules backtest draft.yaml --from 2026-10-01 --to 2026-10-31 --chart october.svg",
)

settlements = _group(
    app, "settle", "Settlement: periods, their terms, and corrections.", "tributary settle preview --distributor 42"
)
_add(
    settlements, "preview", settlement.preview, "tributary settle preview", "tributary settle preview --distributor 42"
)
_add(
    settlements,
    "close",
    settlement.close,
    "tributary settle close 2026-10 --by ann",
    "tributary settle close 2026-11 --distributor 42 --final --by ann",
)
_add(settlements, "terms", settlement.terms, "tributary settle terms --json")
_add(settlements, "propose-terms", settlement.propose_terms, "tributary settle propose-terms 1 terms.yaml --by ann")
_add(
    settlements,
    "approve-terms",
    settlement.approve_terms,
    "tributary settle approve-terms 1 --digest 0f3a9c21 --by wei",
)
_add(
    settlements,
    "adjust",
    settlement.adjust,
    "tributary settle adjust a-17 --distributor 42 --currency CNY --amount 12.50 --reason goodwill --note late",
)
_add(
    settlements,
    "approve-adjustment",
    settlement.approve_adjustment,
    "tributary settle approve-adjustment a-17 --digest 0f3a9c21 --by wei",
)

statements = _group(app, "statements", "Statements: what is owed to whom, line by line.", "tributary statements list")
_add(statements, "list", settlement.list_statements, "tributary statements list --distributor 42 --json")
_add(
    statements,
    "show",
    settlement.show_statement,
    "tributary statements show default/2026-10/42/CNY --lang zh",
    "tributary statements show default/2026-10/42/CNY --csv october.csv --pdf october.pdf",
)

paying = _group(
    app, "payouts", "Payouts: sent by batches of two persons, and what became of them.", "tributary payouts list"
)
_add(
    paying,
    "propose",
    payouts.propose,
    "tributary payouts propose batch-2026-10 --by ann",
    "tributary payouts propose batch-2026-10 --period 2026-10 --rail iso20022 --by ann",
)
_add(
    paying,
    "show",
    payouts.show,
    "tributary payouts show batch-2026-10",
    "tributary payouts show default/2026-10/42/CNY --lang zh",
)
_add(
    paying,
    "approve",
    payouts.approve,
    "tributary payouts approve batch-2026-10 --digest 3f9a21c0 --by wei",
)
_add(paying, "reject", payouts.reject, "tributary payouts reject batch-2026-10 --reason wrong_period --by wei")
_add(
    paying,
    "list",
    payouts.list_payouts,
    "tributary payouts list --state doubtful",
    "tributary payouts list --distributor 42 --json",
)
_add(paying, "hold", payouts.hold, "tributary payouts hold 42 --reason under_review --by ann")
_add(paying, "release", payouts.release, "tributary payouts release 42 --by wei")
_add(
    paying,
    "resolve",
    payouts.resolve,
    'tributary payouts resolve default/2026-10/42/CNY --paid --evidence "Bank statement, line 7714" --by ann',
)
_add(paying, "confirm", payouts.confirm, "tributary payouts confirm default/2026-10/42/CNY --paid --by wei")
_add(paying, "reconcile", payouts.reconcile, "tributary payouts reconcile statement.camt053.xml --by ann")
_add(paying, "export", payouts.export, "tributary payouts export batch-2026-10 --output payments.csv")

people = _group(app, "payees", "How distributors are paid, and who they are.", "tributary payees show 42")
_add(people, "show", payees.show, "tributary payees show 42 --json")
_add(people, "set", payees.set_method, "tributary payees set 42 method.yaml --by ann")
_add(people, "remove", payees.remove, "tributary payees remove 42 --by ann")
_add(
    people,
    "allow-duplicate",
    payees.allow_duplicate,
    "tributary payees allow-duplicate 42 --fingerprint 0f3a9c21 --by wei",
)
_add(people, "waive", payees.waive, "tributary payees waive 42 --method 4b0e6a52-53f4-5bb1-9a0e-0c1f7f6f3f11 --by wei")
_add(people, "identity", payees.identity, "tributary payees identity 42 identity.yaml --by ann")
_add(
    people,
    "decide-identity",
    payees.decide_identity,
    "tributary payees decide-identity 42 --identity 4b0e6a52-53f4-5bb1-9a0e-0c1f7f6f3f11 --state verified --by wei",
)

sealing = _group(app, "keys", "The keys that seal accounts and names of payees.", "tributary keys list")
_add(sealing, "create", keys.create, "tributary keys create /etc/tributary/master.keys")
_add(sealing, "list", keys.list_keys, "tributary keys list --json")
_add(sealing, "rotate-master", keys.rotate_master, "tributary keys rotate-master")
_add(sealing, "rotate", keys.rotate, "tributary keys rotate 42")
_add(sealing, "erase", keys.erase, "tributary keys erase 42 --by ann --second wei")
rates = _group(
    app,
    "fx",
    "Exchange rates: tables that two persons agree on.",
    "tributary fx show --as-of 2026-11-30T16:00:00+01:00",
)
_add(
    rates,
    "publish",
    exchange_rates.publish,
    "tributary fx publish rates.csv --source treasury --base EUR --as-of 2026-11-30T16:00:00+01:00 --by ann",
)
_add(rates, "approve", exchange_rates.approve, "tributary fx approve treasury-1130 --digest 0f3a9c21 --by wei")
_add(rates, "reject", exchange_rates.reject, "tributary fx reject treasury-1130 --reason wrong_column --by wei")
_add(rates, "show", exchange_rates.show, "tributary fx show", "tributary fx show treasury-1130 --json")

ways = _group(app, "corridors", "Corridors: where money may go abroad.", "tributary corridors list")
_add(ways, "list", corridors.list_corridors, "tributary corridors list --all")
_add(
    ways,
    "define",
    corridors.define,
    "tributary corridors define us-1 --rail paypal --from DE --to US --currency USD --per-year USD=50000.00 --by ann",
)
_add(ways, "approve", corridors.approve, "tributary corridors approve us-1 --digest 0f3a9c21 --by wei")
_add(ways, "close", corridors.close, "tributary corridors close us-1 --reason policy_changed --by wei")

tree = _group(app, "network", "The sponsor tree.", "tributary network preview-move 42 --under 7")
_add(tree, "preview-move", network.preview_move, "tributary network preview-move 42 --under 7 --days 60")

schemas = _group(app, "schema", "The released message schemas.", "tributary schema check")
_add(schemas, "check", schema.check, "tributary schema check")
_add(schemas, "export", schema.export, "tributary schema export")

identities = _group(app, "identity", "Who may use the HTTP API.", "tributary identity create-admin ann@example.com")
_add(identities, "create-admin", identity.create_admin, "tributary identity create-admin ann@example.com")
_add(identities, "create-login", identity.create_login, "tributary identity create-login li.na@example.com 42")
_add(identities, "create-shop", identity.create_shop, "tributary identity create-shop shop-367")
_add(identities, "disable-shop", identity.disable_shop, "tributary identity disable-shop shop-367")
_add(
    identities,
    "create-client",
    identity.create_client,
    'tributary identity create-client desk https://desk.example/callback --name "Shop desk"',
)
_add(identities, "rotate-keys", identity.rotate_keys, "tributary identity rotate-keys")

audits = _group(app, "audit", "Who changed what, by whatever way.", "tributary audit list")
_add(audits, "list", audit.list_changes, "tributary audit list --last 20", "tributary audit list --target rules/2")
_add(audits, "verify", audit.verify, "tributary audit verify", "tributary audit verify --heads api.log")
_add(audits, "seal", audit.seal, "tributary audit seal")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print_line(f"tributary {version('tributary')}")
        raise typer.Exit


@app.callback(
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 120},
    epilog="\b\nExamples:\n  tributary demo\n  tributary rules check --help\n\n"
    "Exit codes: 0 done, 1 a check failed or the command was refused, 2 wrong usage, 3 the command could not finish. "
    "TRIBUTARY_DEBUG=1 shows the traceback of an unexpected failure.",
)
def tributary(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """The back-end of a distribution network: orders flow in, commissions flow upstream."""


def main() -> None:
    ending.run(app)


if __name__ == "__main__":
    main()
