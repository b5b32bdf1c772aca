"""`tributary rules`: read, check and explain rule sets. `infra.cli.rules_changes` has the commands that change them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic import TypeAdapter
from rich.console import Console
from rich.table import Table

from contracts.javascript import all_exact
from contracts.rules import json_schema
from contracts.rules.compliance import DEFAULTS, breaches, limits_of
from contracts.rules.phrases import Language
from contracts.rules.sentences import sentences
from contracts.rules.terms import digest_of
from contracts.rules.view import Market, RuleSet, Terms
from infra.cli import rules_store
from infra.cli.environment import EXIT_BREACH, EXIT_USAGE, AsJson, Stack, one_sentence_on_failure, settings_for
from infra.cli.rule_file import read_market, read_rules

File = Annotated[Path, typer.Argument(metavar="FILE", help="A rule set in JSON or YAML.")]
MarketName = Annotated[
    str | None, typer.Option("--market", metavar="NAME", help="Check the limits of this market, as the store has it.")
]
MarketFile = Annotated[
    Path | None, typer.Option("--market-file", metavar="FILE", help="Check the limits of the market in this file.")
]
Lang = Annotated[Language, typer.Option("--lang", help="The language of the sentences.")]

_rule_set: TypeAdapter[RuleSet] = TypeAdapter(RuleSet)


def schema(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there instead of printing it.")
    ] = None,
) -> None:
    """Print the JSON Schema of a rule set, for editors and other programs."""
    if output is None:
        typer.echo(json_schema.text(), nl=False)
    else:
        output.write_text(json_schema.text(), "utf-8")


def check(
    file: File,
    market: MarketName = None,
    market_file: MarketFile = None,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with a rule set, and whether its market allows it. Exits with 1 if anything is.

    Needs no server, except to look a market up with --market.
    """
    if market is not None and market_file is not None:
        _refuse("Give --market or --market-file, not both.")
    _, terms = read_rules(file)
    limits = _limits(terms, market, market_file, stack)
    found = breaches(terms, limits) if limits else ()
    if as_json:
        about = {"digest": digest_of(terms), "market": limits.market if limits else None}
        listed = [{"limit": b.limit, "detail": b.detail, "clause": b.clause} for b in found]
        typer.echo(json.dumps(all_exact({"ok": not found, **about, "breaches": listed}), indent=2, ensure_ascii=False))
    else:
        for breach in found:
            typer.echo(f"{file}: {breach.limit}: {breach.detail}." + (f" {breach.clause}" if breach.clause else ""))
        if not found:
            typer.echo(f"{file} is a valid rule set; its digest is {digest_of(terms)}.")
            typer.echo(_kept(terms, limits))
    raise typer.Exit(EXIT_BREACH if found else 0)


def explain(
    name: Annotated[
        str, typer.Argument(metavar="FILE|VERSION", help="A rule set in a file, or the number of one in the store.")
    ],
    lang: Lang = "en",
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Print a rule set as plain sentences: what a person approves. The digest in the last line names it."""
    terms = _stored(int(name), stack).terms if _is_version(name) else read_rules(Path(name))[1]
    told = sentences(terms, lang)
    if as_json:
        typer.echo(json.dumps(all_exact({"digest": digest_of(terms), "sentences": told}), indent=2, ensure_ascii=False))
        return
    for sentence in told:
        typer.echo(sentence)
    typer.echo(digest_of(terms))


def list_rules(stack: Stack = "default", as_json: AsJson = False) -> None:
    """List the rule sets, with who stands for each and from when to when it holds."""

    async def read() -> list[RuleSet]:
        async with rules_store.opened(settings_for(stack)) as store:
            return await rules_store.all_rules(store)

    with one_sentence_on_failure():
        found = asyncio.run(read())
    if as_json:
        typer.echo(json.dumps(all_exact([_summary(rules) for rules in found]), indent=2, ensure_ascii=False))
    elif not found:
        typer.echo("There are no rule sets yet; propose one with `tributary rules propose`.")
    else:
        _print_table(found)


def show(
    version: Annotated[int, typer.Argument(metavar="VERSION", help="The rule set's number.")],
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Show one rule set: its stage, its people and dates, its digest, and its terms. Amounts are in minor units."""
    rules = _stored(version, stack)
    plain = _rule_set.dump_python(rules, mode="json")
    if as_json:
        typer.echo(json.dumps(all_exact(plain), indent=2, ensure_ascii=False))
        return
    for name, value in _summary(rules).items():
        if value is not None:
            typer.echo(f"{name}: {value}")
    typer.echo(json.dumps(all_exact(plain["terms"]), indent=2, ensure_ascii=False))


def _limits(terms: Terms, market: str | None, market_file: Path | None, stack: str) -> Market | None:
    """The limits to hold the terms against; those of the default market are known without being asked for."""
    if market_file is not None:
        return limits_of(read_market(market_file))
    if market is None:
        return DEFAULTS if terms.market == DEFAULTS.market else None

    async def read(name: str) -> Market | None:
        async with rules_store.opened(settings_for(stack)) as store:
            return await rules_store.market_of(store, name)

    with one_sentence_on_failure():
        limits = asyncio.run(read(market))
    if limits is None:
        _refuse(f"There is no market {market!r}; define it with `tributary rules market FILE`.")
    return limits


def _kept(terms: Terms, limits: Market | None) -> str:
    if limits is None:
        return (
            f"The limits of market {terms.market} were not checked; give --market-file FILE or --market {terms.market}."
        )
    if limits.market != terms.market:
        return f"It would keep within the limits of market {limits.market}; it is for market {terms.market}."
    return f"It keeps within the limits of market {limits.market}."


def _stored(version: int, stack: str) -> RuleSet:
    async def read() -> RuleSet | None:
        async with rules_store.opened(settings_for(stack)) as store:
            return await rules_store.rules_of(store, version)

    with one_sentence_on_failure():
        rules = asyncio.run(read())
    if rules is None:
        typer.echo(f"There are no rules {version}; `tributary rules list` shows all.", err=True)
        raise typer.Exit(EXIT_BREACH)
    return rules


def _is_version(name: str) -> bool:
    return name.isascii() and name.isdecimal() and not Path(name).exists()


def _summary(rules: RuleSet) -> dict[str, str | int | None]:
    return {
        "rule_version": rules.rule_version,
        "title": rules.terms.title,
        "market": rules.terms.market,
        "stage": rules.stage,
        "effective_from": _time(rules.effective_from),
        "retired_from": _time(rules.retired_from),
        "proposed_by": rules.proposed_by,
        "approved_by": rules.approved_by,
        "activated_by": rules.activated_by,
        "retired_by": rules.retired_by,
        "digest": rules.digest,
    }


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _print_table(found: Sequence[RuleSet]) -> None:
    names = ("rule_version", "title", "market", "stage", "effective_from", "retired_from", "proposed_by", "approved_by")
    table = Table("version", *(name.replace("_", " ") for name in names[1:]))
    for rules in found:
        summary = _summary(rules)
        table.add_row(*(str(summary[name] or "") for name in names))
    Console().print(table)


def _refuse(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(EXIT_USAGE)
