"""`tributary rules propose`, `approve`, `activate`, `retire`, `market`: commands that change rules."""

from __future__ import annotations

import asyncio
from pathlib import Path

from contracts.rules.v1 import ActivateRules, ApproveRules, ProposeRules, RetireRules
from contracts.rules.view import RuleSet
from infra.cli.actions.changing import change, command_of, digest_given, moment_given, who
from infra.cli.actions.rule_file import read_market, read_rules
from infra.rehearsal import stored_rules as rules_store
from infra.terminal.environment import EXIT_BREACH, one_sentence_on_failure, refuse, settings_for


def propose(version: int, file: Path, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    document, _ = read_rules(file)
    fields = {"rule_version": version, "proposed_by": who(by), "rules": document}
    change(stack, command_of(ProposeRules, **fields), wait, as_json)


def approve(version: int, digest: str, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    whole = _whole_digest(version, digest_given(digest), stack)
    fields = {"rule_version": version, "approved_by": who(by), "digest": whole}
    change(stack, command_of(ApproveRules, **fields), wait, as_json)


def activate(
    version: int, effective_from: str | None, by: str | None, wait: float, stack: str, *, as_json: bool
) -> None:
    fields = {"rule_version": version, "activated_by": who(by), "effective_from": moment_given(effective_from)}
    change(stack, command_of(ActivateRules, **fields), wait, as_json)


def retire(version: int, effective_from: str | None, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    fields = {"rule_version": version, "retired_by": who(by), "effective_from": moment_given(effective_from)}
    change(stack, command_of(RetireRules, **fields), wait, as_json)


def market(file: Path, wait: float, stack: str, *, as_json: bool) -> None:
    change(stack, read_market(file), wait, as_json)


def _whole_digest(version: int, digest: str, stack: str) -> str:
    """The full digest of the stored rules, which must begin with `digest`; a full one is returned unchecked."""
    if len(digest) == 64:
        return digest

    async def read() -> RuleSet | None:
        async with rules_store.opened(settings_for(stack)) as store:
            return await rules_store.rules_of(store, version)

    with one_sentence_on_failure():
        rules = asyncio.run(read())
    if rules is None:
        refuse(f"There is no rule set {version}; `tributary rules list` shows all.", EXIT_BREACH)
    if not rules.digest.startswith(digest):
        refuse(
            f"refused: digest_mismatch: rule set {version} has the digest {rules.digest}, not the one that you have "
            f"read; read it again with `tributary rules explain {version}`.",
            EXIT_BREACH,
        )
    return rules.digest
