"""`tributary rules`: read, check and explain rule sets. The commands that change them are in `rules_changes`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import typer
from pydantic import TypeAdapter

from contracts.explanation.rule_phrases import Language
from contracts.explanation.rule_sentences import sentences
from contracts.javascript import all_exact
from contracts.numbers import whole_of
from contracts.plans.compliance import DEFAULTS, breaches, limits_of
from contracts.rules.terms import digest_of
from contracts.rules.view import Market, RuleSet, Terms
from infra.cli.actions.rule_file import read_market, read_rules
from infra.terminal.environment import EXIT_BREACH, one_sentence_on_failure, refuse, settings_for
from infra.terminal.near import did_you_mean
from infra.terminal.printing import print_line, print_text
from infra.terminal.screen import Grid, Screen

_VERSION_END = 10**10
"""No rule set has a number so high, so such a name is a file's."""

_rule_set: TypeAdapter[RuleSet] = TypeAdapter(RuleSet)


def check(file: Path, market: str | None, market_file: Path | None, stack: str, *, as_json: bool) -> None:
    if market is not None and market_file is not None:
        refuse("Give --market or --market-file, not both.")
    _, terms = read_rules(file)
    limits = _limits(terms, market, market_file, stack)
    found = breaches(terms, limits) if limits else ()
    if as_json:
        about = {"digest": digest_of(terms), "market": limits.market if limits else None}
        listed = [{"limit": b.limit, "detail": b.detail, "clause": b.clause} for b in found]
        print_text(json.dumps(all_exact({"ok": not found, **about, "breaches": listed}), indent=2, ensure_ascii=False))
    else:
        for breach in found:
            print_line(f"{file}: {breach.limit}: {breach.detail}." + (f" {breach.clause}" if breach.clause else ""))
        if not found:
            print_line(f"{file} is a valid rule set; its digest is {digest_of(terms)}.")
            print_line(_limits_sentence(terms, limits))
    raise typer.Exit(EXIT_BREACH if found else 0)


def explain(name: str, lang: Language, stack: str, *, as_json: bool) -> None:
    terms = _stored(int(name), stack).terms if _is_version(name) else read_rules(Path(name))[1]
    lines = sentences(terms, lang)
    if as_json:
        content = {"digest": digest_of(terms), "sentences": lines}
        print_text(json.dumps(all_exact(content), indent=2, ensure_ascii=False))
        return
    for line in lines:
        print_line(line)
    print_line(digest_of(terms))


def list_rules(stack: str, *, as_json: bool) -> None:
    from infra.rehearsal import stored_rules as rules_store

    async def read() -> list[RuleSet]:
        async with rules_store.opened(settings_for(stack)) as store:
            return await rules_store.all_rules(store)

    with one_sentence_on_failure():
        found = asyncio.run(read())
    if as_json:
        print_text(json.dumps(all_exact([_summary(rules) for rules in found]), indent=2, ensure_ascii=False))
    elif not found:
        print_line("There are no rule sets yet; propose one with `tributary rules propose`.")
    else:
        _print_table(found)


def show(version: int, stack: str, *, as_json: bool) -> None:
    rules = _stored(version, stack)
    plain = _rule_set.dump_python(rules, mode="json")
    if as_json:
        print_text(json.dumps(all_exact(plain), indent=2, ensure_ascii=False))
        return
    for name, value in _summary(rules).items():
        if value is not None:
            print_line(f"{name}: {value}")
    print_text(json.dumps(all_exact(plain["terms"]), indent=2, ensure_ascii=False))


def _limits(terms: Terms, market: str | None, market_file: Path | None, stack: str) -> Market | None:
    """The limits to check the terms against; the default market's limits are known without a server."""
    if market_file is not None:
        return limits_of(read_market(market_file))
    if market is None:
        return DEFAULTS if terms.market == DEFAULTS.market else None

    from infra.rehearsal import stored_rules as rules_store

    async def read(name: str) -> tuple[Market | None, list[str]]:
        async with rules_store.opened(settings_for(stack)) as store:
            return await rules_store.market_of(store, name), await rules_store.market_names(store)

    with one_sentence_on_failure():
        limits, names = asyncio.run(read(market))
    if limits is None:
        refuse(
            f"There is no market {market!r}; define it with `tributary rules market FILE`.{did_you_mean(market, names)}"
        )
    return limits


def _limits_sentence(terms: Terms, limits: Market | None) -> str:
    if limits is None:
        return (
            f"The limits of market {terms.market} were not checked; give --market-file FILE or --market {terms.market}."
        )
    if limits.market != terms.market:
        return f"It is within the limits of market {limits.market}, but it is for market {terms.market}."
    return f"It is within the limits of market {limits.market}."


def _stored(version: int, stack: str) -> RuleSet:
    from infra.rehearsal import stored_rules as rules_store

    async def read() -> RuleSet | None:
        async with rules_store.opened(settings_for(stack)) as store:
            return await rules_store.rules_of(store, version)

    with one_sentence_on_failure():
        rules = asyncio.run(read())
    if rules is None:
        refuse(f"There is no rule set {version}; `tributary rules list` shows all.", EXIT_BREACH)
    return rules


def _is_version(name: str) -> bool:
    number = whole_of(name)
    return number is not None and 0 <= number < _VERSION_END and not Path(name).exists()


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
        "proposed_os_user": rules.proposed_os_user,
        "approved_os_user": rules.approved_os_user,
        "activated_os_user": rules.activated_os_user,
        "retired_os_user": rules.retired_os_user,
        "digest": rules.digest,
    }


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _print_table(found: Sequence[RuleSet]) -> None:
    names = ("rule_version", "title", "market", "stage", "effective_from", "retired_from", "proposed_by", "approved_by")
    table = Grid("version", *(name.replace("_", " ") for name in names[1:]))
    for rules in found:
        summary = _summary(rules)
        table.add_row(*(str(summary[name] or "") for name in names))
    Screen().print(table)
