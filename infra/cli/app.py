"""The `tributary` command. Every command is a function of a module beside this one; here they get their names."""

from __future__ import annotations

import typer

from infra.cli import dead, identity, ledger, rules, rules_changes, schema, stack
from infra.cli.api import api
from infra.cli.backtest import backtest
from infra.cli.bench import bench
from infra.cli.demo import demo
from infra.cli.doctor import doctor
from infra.cli.explain import explain
from infra.cli.preview import preview_move
from infra.cli.publish import publish
from infra.cli.trace import trace
from infra.cli.verify import verify_command
from infra.cli.work import topology, work

app = typer.Typer(
    name="tributary",
    help="The back-end of a distribution network: orders flow in, commissions flow upstream.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
books = typer.Typer(help="The ledger: what every account holds, and why.", no_args_is_help=True)
letters = typer.Typer(help="Messages that nobody could handle.", no_args_is_help=True)
rule_sets = typer.Typer(
    help="Rule sets: what the network pays, who stands for it, and from when.", no_args_is_help=True
)
network = typer.Typer(help="The sponsor tree.", no_args_is_help=True)
schemas = typer.Typer(help="The released message schemas.", no_args_is_help=True)
identities = typer.Typer(help="Who may use the HTTP API.", no_args_is_help=True)
audits = typer.Typer(help="Who changed what through the HTTP API.", no_args_is_help=True)

app.command("up")(stack.up)
app.command("down")(stack.down)
app.command("status")(stack.status)
app.command("setup")(stack.setup)
app.command("work")(work)
app.command("api")(api)
app.command("demo")(demo)
app.command("bench")(bench)
app.command("publish")(publish)
app.command("trace")(trace)
app.command("explain")(explain)
app.command("verify")(verify_command)
app.command("topology")(topology)
app.command("doctor")(doctor)
app.add_typer(books, name="ledger")
books.command("show")(ledger.show)
books.command("rebuild")(ledger.rebuild)
app.add_typer(letters, name="dead")
letters.command("list")(dead.list_letters)
letters.command("show")(dead.show)
letters.command("replay")(dead.replay)
letters.command("discard")(dead.discard)
app.add_typer(rule_sets, name="rules")
rule_sets.command("schema")(rules.schema)
rule_sets.command("check")(rules.check)
rule_sets.command("explain")(rules.explain)
rule_sets.command("list")(rules.list_rules)
rule_sets.command("show")(rules.show)
rule_sets.command("propose")(rules_changes.propose)
rule_sets.command("approve")(rules_changes.approve)
rule_sets.command("activate")(rules_changes.activate)
rule_sets.command("retire")(rules_changes.retire)
rule_sets.command("market")(rules_changes.market)
rule_sets.command("backtest")(backtest)
app.add_typer(network, name="network")
network.command("preview-move")(preview_move)
app.add_typer(schemas, name="schema")
schemas.command("check")(schema.check)
schemas.command("export")(schema.export)
app.add_typer(identities, name="identity")
identities.command("create-admin")(identity.create_admin)
identities.command("create-login")(identity.create_login)
identities.command("create-shop")(identity.create_shop)
identities.command("create-client")(identity.create_client)
identities.command("rotate-keys")(identity.rotate_keys)
app.add_typer(audits, name="audit")
audits.command("verify")(identity.verify_audit)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
