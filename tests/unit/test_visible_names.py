"""Names that people see: commands give visible ones, and what was stored before is still read."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from api.accounts.logins import LogIn, PersonName, Register
from api.identity.accounts.operations import InvalidArgument, check_client
from api.identity.given import Email
from contracts.catalog.v1 import CategoryDefined, DefineCategory, DefineProduct, DefineTag, ProductDefined, TagDefined
from contracts.fields import NAME_PATTERN, is_visible_name
from contracts.network.v1 import CreateTeam, TeamCreated
from contracts.operations.v1 import DeadLetterSettled, SettleDeadLetter
from contracts.rules.document import EXAMPLE, RuleDocument
from contracts.rules.v1 import ActivateRules, RulesActivated

HIDDEN = (
    "a\x1b[2J", "a\x00", "\ta", "a\n", "a\x7f", "a\x9b1m", "a\xad", "\u202ea", "a\u2066b", "\u200ea", "a\u200bb",
    "a\ufeff", "a\u2028b", "a\u061cb", "a\u034f", "a\u115f", "a\u1160", "a\u17b4", "a\ufffe", "a\uffff", "a\ufdd0",
)  # fmt: skip
HIDDEN_BEYOND = (
    "a\U0001d173", "a\U0001d17a", "a\U000e0041\U000e0042", "a\U000e0000", "a\U000e0100", "a\U000e0fff", "a\U0010ffff",
)  # fmt: skip
"""Beyond the pattern, as few dialects of regular expressions can write these."""

BLANK = (" ", "\u00a0", "\u3000", "\u200d", "\u2800", "\u3164", "  \u2003 ", "\u034f", "\ufe0f", "\uffa0", "\u180b")
VISIBLE = (
    "Green tea",
    "绿茶",
    "Tea\u3000茶",
    "क\u200dष",
    "می\u200cخواهم",
    "👩\u200d🔬",
    "é",
    "=1+1",
    "<b>",
    "\\x1b",
    "❤\ufe0f",
    "茶\ufe00",
)

COMMANDS: tuple[tuple[type[Any], dict[str, Any], str], ...] = (
    (DefineProduct, {"product_id": 1, "category_id": 1}, "name"),
    (DefineProduct, {"product_id": 1, "category_id": 1, "name": "Tea"}, "category_name"),
    (DefineCategory, {"category_id": 1}, "name"),
    (DefineTag, {"tag_id": 1}, "name"),
    (CreateTeam, {"team_id": 1, "leader_id": 1}, "name"),
    (RuleDocument, {key: value for key, value in EXAMPLE.items() if key != "title"}, "title"),
    (ActivateRules, {"rule_version": 1}, "activated_by"),
    (SettleDeadLetter, {"letter_id": "1", "action": "discarded"}, "by"),
)
EVENTS: tuple[tuple[type[Any], dict[str, Any], str], ...] = (
    (ProductDefined, {"product_id": 1, "category_id": 1, "active": True}, "name"),
    (CategoryDefined, {"category_id": 1, "version": 1}, "name"),
    (TagDefined, {"tag_id": 1, "version": 1}, "name"),
    (TeamCreated, {"team_id": 1, "leader_id": 1, "created_at": "2026-01-01T00:00:00Z"}, "name"),
    (
        RulesActivated,
        {"rule_version": 1, "market": "default", "effective_from": "2026-01-01T00:00:00Z"},
        "activated_by",
    ),
    (
        DeadLetterSettled,
        {
            "letter_id": "1",
            "action": "discarded",
            "queue": "q",
            "reason": "malformed_json",
            "settled_at": "2026-01-01T00:00:00Z",
        },
        "by",
    ),
)


@pytest.mark.parametrize(("command", "fields", "name"), COMMANDS)
def test_a_command_gives_a_visible_name(command: type[Any], fields: dict[str, Any], name: str) -> None:
    for text in (*HIDDEN, *HIDDEN_BEYOND, *BLANK):
        with pytest.raises(ValidationError, match=r"visible characters|space around it"):
            command(**fields, **{name: text})
    for text in VISIBLE:
        assert getattr(command(**fields, **{name: text}), name) == text


@pytest.mark.parametrize(("event", "fields", "name"), EVENTS)
def test_an_event_may_have_an_older_name(event: type[Any], fields: dict[str, Any], name: str) -> None:
    for text in ("a\x1b[2J", "a\u202eb"):
        assert getattr(event(**fields, **{name: text}), name) == text


def test_the_pattern_of_the_http_api_is_the_same_rule() -> None:
    for text in (*HIDDEN, *BLANK, ""):
        assert not is_visible_name(text)
        # `$` lets one line end pass at the end; the reader of the command does not.
        assert re.search(NAME_PATTERN.replace("$", r"\Z"), text) is None
    assert all(re.search(NAME_PATTERN, text) for text in VISIBLE)


@pytest.mark.parametrize("text", [*HIDDEN, *HIDDEN_BEYOND, *BLANK, "a b", "a\u200db", "a\ufe0fb"])
def test_a_new_address_is_visible(text: str) -> None:
    image = f"https://img.example/{text}"
    product = {"product_id": 1, "category_id": 1, "name": "Tea", "image_url": image}
    kinds: tuple[tuple[TypeAdapter[Any], Any], ...] = (
        (TypeAdapter(Email), f"{text}@example.com"),
        (TypeAdapter(DefineProduct), product),
    )
    for kind, value in kinds:
        with pytest.raises(ValidationError):
            kind.validate_python(value)


@pytest.mark.parametrize("address", ["q\u202e1@example.com", "ann\U000e0041@example.com", "a\u034fnn@example.com"])
def test_a_person_with_an_older_address_still_logs_in(address: str) -> None:
    assert LogIn.model_validate({"email": address, "password": "x"}).email == address
    with pytest.raises(ValidationError, match="visible characters"):
        Register.model_validate({"email": address, "password": "x", "invite_code": "x"})


def test_a_product_of_an_older_version_keeps_its_image() -> None:
    fields = {"product_id": 1, "category_id": 1, "name": "Tea", "active": True}
    assert ProductDefined(**fields, image_url="https://a/\u202e").image_url == "https://a/\u202e"


def test_the_name_of_a_person_and_of_a_program_is_visible() -> None:
    name: TypeAdapter[str] = TypeAdapter(PersonName)
    assert [name.validate_python(text) for text in ("", *VISIBLE)] == ["", *VISIBLE]
    for text in (*HIDDEN, *HIDDEN_BEYOND, *BLANK):
        with pytest.raises(ValidationError):
            name.validate_python(text)
        with pytest.raises(InvalidArgument, match="is no name"):
            check_client("app", text, ["https://app.example/back"])
