"""The `tributary` command. Every command is a function of a module beside this one; here they get their names."""

from __future__ import annotations

import typer

from infra.cli import dead, schema, stack
from infra.cli.demo import demo
from infra.cli.doctor import doctor
from infra.cli.trace import trace
from infra.cli.verify import verify_command
from infra.cli.work import topology, work

app = typer.Typer(
    name="tributary",
    help="The back-end of a distribution network: orders flow in, commissions flow upstream.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
letters = typer.Typer(help="Messages that nobody could handle.", no_args_is_help=True)
schemas = typer.Typer(help="The released message schemas.", no_args_is_help=True)

app.command("up")(stack.up)
app.command("down")(stack.down)
app.command("status")(stack.status)
app.command("setup")(stack.setup)
app.command("work")(work)
app.command("demo")(demo)
app.command("trace")(trace)
app.command("verify")(verify_command)
app.command("topology")(topology)
app.command("doctor")(doctor)
app.add_typer(letters, name="dead")
letters.command("list")(dead.list_letters)
letters.command("show")(dead.show)
letters.command("replay")(dead.replay)
letters.command("discard")(dead.discard)
app.add_typer(schemas, name="schema")
schemas.command("check")(schema.check)
schemas.command("export")(schema.export)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
