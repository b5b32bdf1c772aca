"""Rule sets in files: the published examples, and the command's errors for invalid files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from contracts.network.v1 import RegisterShop
from contracts.plans.compliance import DEFAULTS, breaches, limits_of
from contracts.rules import json_schema
from contracts.rules.document import EXAMPLE
from infra.cli.actions.rule_file import read_market, read_rules
from infra.cli.commands import network, rules

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
RULES = sorted(EXAMPLES.glob("rules-*"))
MARKETS = {limits.market: limits for limits in (limits_of(read_market(p)) for p in sorted(EXAMPLES.glob("market-*")))}
VALID = 'title: T\npool_rate: "0.20"\nplans:\n  - {plan: team_bonus, name: teams, rate: "0.02"}\n'

VALID_FILE = str(EXAMPLES / "rules-two-levels.yaml")

app = typer.Typer()
app.command("check")(rules.check)
app.command("explain")(rules.explain)
app.command("schema")(rules.schema)
app.command("backtest")(rules.backtest)
app.command("preview-move")(network.preview_move)


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def a_file(folder: Path, text: str, name: str = "rules.yaml") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_every_example_respects_its_market(path: Path) -> None:
    _, terms = read_rules(path)

    assert breaches(terms, {DEFAULTS.market: DEFAULTS, **MARKETS}[terms.market]) == ()


@pytest.mark.parametrize("market", MARKETS)
def test_a_shop_can_have_the_market_of_every_example(market: str) -> None:
    assert RegisterShop(shop_id="corner", currency="CNY", market=market).market == market


def test_there_is_an_example_of_every_plan_and_a_market_with_its_clauses() -> None:
    kinds = {plan.plan for path in RULES for plan in read_rules(path)[1].plans}

    assert kinds == {"unilevel", "differential", "team_bonus", "fixed"}
    cited = " ".join(MARKETS["cn-direct-selling"].clauses.values())
    assert "《直销管理条例》第二十四条" in cited
    assert "《禁止传销条例》第七条" in cited


def test_pay_for_a_downline_breaches_the_chinese_market_with_its_clause() -> None:
    code, out, _ = run(
        "check", EXAMPLES / "rules-tiers.yaml", "--market-file", EXAMPLES / "market-cn-direct-selling.yaml"
    )

    assert code == 1
    assert "levels_paid_max: plan direct: it pays up to level 2" in out
    assert "《禁止传销条例》第七条第三项" in out


def test_a_valid_file_is_reported_with_its_digest(tmp_path: Path) -> None:
    path = a_file(tmp_path, VALID)
    code, out, _ = run("check", path)
    digest = run("explain", path)[1].splitlines()[-1]

    assert code == 0
    assert out == (f"{path} is a valid rule set; its digest is {digest}.\nIt is within the limits of market default.\n")


def test_json_and_yaml_are_the_same(tmp_path: Path) -> None:
    plan = {"plan": "team_bonus", "name": "teams", "rate": 0.02}
    as_json = a_file(tmp_path, json.dumps({"title": "T", "pool_rate": "0.2", "plans": [plan]}), "rules.json")

    assert read_rules(as_json)[1] == read_rules(a_file(tmp_path, VALID))[1]


def test_unchecked_limits_are_reported_as_unchecked(tmp_path: Path) -> None:
    path = a_file(tmp_path, f"market: cn-direct-selling\n{VALID}")
    market = EXAMPLES / "market-three-levels.yaml"

    assert "The limits of market cn-direct-selling were not checked" in run("check", path)[1]
    assert "of market three-levels, but it is for market cn" in run("check", path, "--market-file", market)[1]
    assert run("check", path, "--market-file", market, "--market", "cn")[0] == 2


def test_json_output(tmp_path: Path) -> None:
    code, out, _ = run("check", a_file(tmp_path, VALID.replace('"0.20"', '"0.60"')), "--json")
    report: dict[str, Any] = json.loads(out)

    assert (code, report["ok"], report["market"]) == (1, False, "default")
    assert [breach["limit"] for breach in report["breaches"]] == ["pay_rate_max"]
    assert json.loads(run("explain", a_file(tmp_path, VALID), "--json")[1])["digest"] != report["digest"]


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        (VALID.replace("0.02", "1.5"), ["plans.0.rate: Input should be less than or equal to 1 (got '1.5')"]),
        (VALID.replace("rate", "rade"), ["pool_rate: ", "plans.0.rate: ", "plans.0.rade: ", "pool_rade: "]),
        (VALID.replace("0.02", "0.3"), ["plans.0: it may pay 0.3 of a line, more than pool_rate, 0.20"]),
        ("title: T\ntitle: U\n", ["'title' appears twice; keep one of them"]),
        ("plans: [", ["while parsing a flow node"]),
        ("", ["it is empty."]),
        ("- 1", ["the document: "]),
        (
            f"{VALID}targets:\n  - {{reward: r, currency: JPY, target: '0.5', bonus: '1'}}\n",
            ["targets.0.target: 0.5 has more decimals than JPY allows (0)"],
        ),
    ],
)
def test_an_error_is_reported_with_its_place(tmp_path: Path, text: str, errors: list[str]) -> None:
    path = a_file(tmp_path, text)
    code, out, err = run("check", path)

    assert (code, out) == (1, "")
    assert len(err.splitlines()) == len(errors)
    for error in errors:
        assert f"{path}: {error}" in err


def test_a_duplicate_key_in_json_is_refused(tmp_path: Path) -> None:
    code, _, err = run("check", a_file(tmp_path, '{"title": "T", "title": "U"}', "rules.json"))

    assert (code, "'title' appears twice" in err) == (1, True)


def test_a_missing_or_too_long_file_is_wrong_usage(tmp_path: Path) -> None:
    absent = run("check", tmp_path / "absent.yaml")
    long = run("check", a_file(tmp_path, "#" * 1_000_001))

    assert (absent[0], long[0]) == (2, 2)
    assert "No such file" in absent[2]
    assert "more than 1000000 bytes" in long[2]


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("empty.yaml", b"", "it is empty."),
        ("blank.json", b" \n", "it is empty."),
        ("wide.yaml", VALID.encode("utf-16"), "it is not valid UTF-8; save it as UTF-8."),
        ("list.yaml", b"? [a, b]\n: c\n", "use a word"),
        ("object.yaml", b"? {a: b}\n: c\n", "use a word"),
        ("day.yaml", b"2026-01-01: x\n", "keys must be str"),
        ("ring.yaml", b"a: &a\n  b: *a\n", "Circular reference"),
        ("two.yaml", b"a: b\n---\nc: d\n", "another document"),
        ("tag.yaml", b"a: !!python/name:os.system\n", "could not determine a constructor"),
        ("deep.json", b"[" * 100_000, "recursion"),
        ("deep.yaml", b"[" * 100_000, "recursion"),
    ],
)
def test_a_file_that_is_no_rule_set_is_refused(tmp_path: Path, name: str, content: bytes, error: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    code, out, err = run("check", path)

    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert err.startswith(f"{path}: ")
    assert error in err


def test_an_endless_file_is_too_long() -> None:
    assert run("check", "/dev/zero")[0] == 2


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    for path in (tmp_path / "rules.yaml", tmp_path / "rules.json"):
        path.write_bytes(b"\xef\xbb\xbf" + (VALID if path.suffix == ".yaml" else json.dumps(EXAMPLE)).encode())
        assert run("check", path)[0] == 0


def test_a_number_too_long_for_a_rule_set_is_a_file_name() -> None:
    for name in ("9" * 20, "9" * 5_000):
        assert run("explain", name)[0] == 2


def test_the_sentences_are_in_the_requested_language(tmp_path: Path) -> None:
    path = a_file(tmp_path, VALID)

    assert run("explain", path)[1].startswith("“T” is for market default.")
    assert run("explain", path, "--lang", "zh")[1].startswith("“T”适用于市场 default。")


def test_the_schema_is_printed_or_written(tmp_path: Path) -> None:
    assert run("schema")[1] == json_schema.text()
    assert run("schema", "--output", tmp_path / "schema.json")[0] == 0
    assert (tmp_path / "schema.json").read_text("utf-8") == json_schema.text()


@pytest.mark.parametrize(
    "arguments",
    [
        ("backtest", VALID_FILE, "--from", "0001-01-01", "--to", "2026-11-02"),
        ("backtest", VALID_FILE, "--from", "2026-11-02", "--to", "9999-12-31"),
        ("preview-move", "3", "--until", "9999-12-31"),
        ("preview-move", "3", "--until", "0001-01-01"),
    ],
)
def test_a_day_at_an_end_of_the_calendar_is_wrong_usage(arguments: tuple[str, ...]) -> None:
    code, _, err = run(*arguments)

    assert (code, "give a day of the years 1900 to 9998" in " ".join(err.split())) == (2, True)


FIELDS = {
    (): ("title", "market", "pool_rate", "hold_days", "plans", "targets"),
    ("plans",): ("rates", "overrides", "caps", "conditions"),
    ("plans", "overrides"): ("category_id", "product_id"),
    ("plans", "caps"): ("currency", "amount"),
    ("targets",): ("reward", "target", "bonus"),
}


@pytest.mark.parametrize(("place", "name"), [(place, name) for place, names in FIELDS.items() for name in names])
def test_similar_field_names_are_suggested(tmp_path: Path, place: tuple[str, ...], name: str) -> None:
    document: Any = json.loads(json.dumps(EXAMPLE))
    part = document
    for step in place:
        part = part[step][0]
    part[name[:-2] + name[-1]] = part.pop(name, "x")

    code, _, err = run("check", a_file(tmp_path, json.dumps(document), "rules.json"))

    assert code == 1
    [line] = [line for line in err.splitlines() if f"{name[:-2]}{name[-1]}: " in line]
    assert re.search(rf"\. Did you mean (\w+ or )*{name}( or \w+)*\?$", line)
