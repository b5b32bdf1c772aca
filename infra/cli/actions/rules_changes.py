"""`tributary rules propose`, `approve`, `activate`, `retire`, `market`: commands that change rules."""

from __future__ import annotations

from pathlib import Path

from contracts.rules.v1 import ActivateRules, ApproveRules, ProposeRules, RetireRules
from infra.cli.actions.changing import change, command_of, moment_given, who, whole_digest
from infra.cli.actions.rule_file import read_market, read_rules
from infra.rehearsal import stored_rules as rules_store


def propose(version: int, file: Path, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    document, _ = read_rules(file)
    fields = {"rule_version": version, "proposed_by": who(by), "rules": document}
    change(stack, command_of(ProposeRules, **fields), wait, as_json)


def approve(version: int, digest: str, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    whole = whole_digest(f"rule set {version}", digest, stack, lambda store: rules_store.rules_of(store, version))
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
