"""`tributary publish`: publish commands from a file or standard input, without silent loss.

All messages are checked against their contracts before any is sent. RabbitMQ confirms each, and an unroutable message
is an error. Exit codes: 0 all were published, 1 a message breaks its contract or was refused, 2 wrong usage, 3 the
environment does not allow it.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

import typer

from contracts.javascript import all_exact
from contracts.operations.v1 import MessageAnswered
from contracts.wire import catalogue
from contracts.wire.envelope import (
    COMMANDS_EXCHANGE,
    SHOP_SOURCE,
    SHOPS_EXCHANGE,
    STRUCTURED,
    Message,
    Payload,
    message_of,
)
from contracts.wire.reading import Reader, members
from contracts.wire.refusal import Unreadable
from infra.cli.actions.commanding import Outcome
from infra.gateway.command_client import CommandClient
from infra.gateway.shop_client import ShopClient, shop_of
from infra.operators.operator import source
from infra.ports.messaging import BrokerUnavailable, Outgoing
from infra.ports.time import RealTime
from infra.runtime.failure_policy import DEAD_LETTERED
from infra.settings import Settings
from infra.terminal.environment import EXIT_BREACH, EXIT_ENVIRONMENT, EXIT_USAGE, one_sentence_on_failure, settings_for
from infra.terminal.printing import print_line, print_text

_AT_A_TIME = 200
"""Messages that are published before waiting for their confirms."""

_SPACE = re.compile(r"[ \t\r\n]+")


@dataclass(slots=True)
class _Command:
    """A message to publish, its line in the input, and with --wait its outcome."""

    line: int
    message: Message[Any]
    exchange: str
    outcome: Outcome | None = None

    @property
    def is_refused(self) -> bool:
        return self.outcome is not None and (self.outcome.state != "handled" or self.outcome.refusal is not None)

    def as_object(self) -> dict[str, Any]:
        message, outcome = self.message, self.outcome
        head = {"id": message.id, "source": message.source, "type": message.type, "about": message.data.about()}
        result = {"state": outcome.state, "outcome": outcome.code, "events": outcome.events} if outcome else {}
        return {**head, "exchange": self.exchange, **result}

    def sentence(self) -> str:
        message, about = self.message, self.message.data.about()
        end = f": {self._result(about)}" if self.outcome else ""
        return f"{message.type} about {about} → {self.exchange}, id {message.id}{end}"

    def _result(self, about: str) -> str:
        outcome = self.outcome
        assert outcome is not None, "called only with an outcome"
        if outcome.refusal is not None:
            return f"refused: {outcome.refusal['reason']}: {outcome.refusal['detail']}"
        match outcome.state:
            case "handled":
                return outcome.code
            case "dead":
                return "it became a dead letter; see `tributary dead list`"
            case _:
                return f"not handled yet; check again with `tributary trace {about.removeprefix('order/')}`"


def publish(file: str, message_type: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    commands = list(_checked(_read(file), message_type, Settings()))
    failure = None
    with one_sentence_on_failure():
        settings = settings_for(stack)
        sent, failure = asyncio.run(_send(settings, commands, wait))
    if as_json:
        print_text(
            json.dumps(all_exact({"published": [each.as_object() for each in sent], "failure": failure}), indent=2)
        )
    else:
        for command in sent:
            print_line(command.sentence(), err=command.is_refused)
    if failure is not None:
        print_line(f"{len(sent)} of {len(commands)} messages were published. {failure}", err=True)
        raise typer.Exit(EXIT_ENVIRONMENT)
    raise typer.Exit(EXIT_BREACH if any(command.is_refused for command in sent) else 0)


async def _send(settings: Settings, commands: Sequence[_Command], wait_s: float) -> tuple[list[_Command], str | None]:
    """Return the messages that the broker confirmed, and the failure of the first that it did not."""
    shop_id = shop_of(settings.rabbitmq_url)
    client: CommandClient | ShopClient
    if shop_id is None:
        client = CommandClient(settings.rabbitmq_url, publish_timeout_s=settings.publish_timeout_s)
    else:
        client = ShopClient(settings.rabbitmq_url, shop_id, publish_timeout_s=settings.publish_timeout_s)
    sent: list[_Command] = []
    step = 1 if wait_s else _AT_A_TIME
    try:
        await client.start()
        for start in range(0, len(commands), step):
            chunk = commands[start : start + step]
            results = await asyncio.gather(*[_publish(client, each, wait_s) for each in chunk])
            sent += [command for command, failure in zip(chunk, results, strict=True) if failure is None]
            if failures := [failure for failure in results if failure is not None]:
                return sent, failures[0]
    finally:
        await client.stop()
    return sent, None


async def _publish(client: CommandClient | ShopClient, command: _Command, wait_s: float) -> str | None:
    """None once the broker has confirmed the message, otherwise why it has not."""
    message = command.message
    try:
        if isinstance(client, ShopClient):
            answered = await client.send(message, wait_s=wait_s)
            command.outcome = _outcome_of(answered) if wait_s else None
        elif wait_s:
            answer = await client.send(message, wait_s=wait_s)
            if answer is None:
                command.outcome = Outcome("unheard")
            else:
                command.outcome = Outcome(
                    "dead" if answer.outcome == DEAD_LETTERED else "handled", answer.outcome, tuple(answer.events)
                )
        else:
            await client.forward(Outgoing(COMMANDS_EXCHANGE, message.type, message.to_bytes(), STRUCTURED))
    except BrokerUnavailable as error:
        return f"line {command.line}: {error}."
    return None


def _outcome_of(answered: dict[str, Any] | None) -> Outcome:
    if answered is None:
        return Outcome("unheard")
    event = {"type": MessageAnswered.message_type, "data": answered}
    return Outcome("dead" if answered["outcome"] == DEAD_LETTERED else "handled", answered["code"], (event,))


def _checked(texts: Sequence[tuple[int, str]], message_type: str | None, settings: Settings) -> Iterator[_Command]:
    """End the command before anything is sent if a message breaks its contract."""
    if message_type is not None:
        _payload_of(message_type, "--type")
    complaints, commands = [], []
    for line, text in texts:
        found = _message(line, text, message_type, settings)
        if isinstance(found, str):
            complaints.append(f"line {line}: {found}")
        else:
            commands.append(
                _Command(line, found, SHOPS_EXCHANGE if shop_of(settings.rabbitmq_url) else COMMANDS_EXCHANGE)
            )
    if complaints:
        _refuse([*complaints, "Nothing was sent."], EXIT_BREACH)
    yield from commands


def _message(line: int, text: str, message_type: str | None, settings: Settings) -> Message[Any] | str:
    """The message in an envelope, or what is wrong with it."""
    content = json.loads(text)
    is_enveloped = isinstance(content, dict) and "specversion" in content
    named = content.get("type") if is_enveloped else message_type
    if named is None:
        return "a bare body has no type; give --type, such as --type order.place.v1."
    if message_type is not None and named != message_type:
        return f"type: it is {named!r}, and --type is {message_type!r}."
    payload = _payload_of(named, f"line {line}: type")
    body = text if is_enveloped else _enveloped(text, payload, shop_of(settings.rabbitmq_url))
    if len(body.encode()) > settings.message_bytes_max:
        return f"body: {len(body.encode())} bytes; the limit is {settings.message_bytes_max} bytes; split it."
    now = RealTime().now()
    [item] = Reader([payload]).read(body.encode(), content_type=STRUCTURED, routing_key=named, received_at=now)
    if isinstance(item, Unreadable):
        return item.detail
    # The message is published in the version in which it was written; consumers upcast it to the newest.
    return message_of(payload).model_validate_json(body)


def _enveloped(data: str, payload: type[Payload], shop_id: str | None) -> str:
    """The body in an envelope, as text, so that no number is rewritten."""
    key, sender = str(uuid4()), f"{SHOP_SOURCE}{shop_id}" if shop_id else source()
    head = {"specversion": "1.0", "id": key, "source": sender, "type": payload.message_type, "correlationid": key}
    return json.dumps(all_exact({**head, "time": RealTime().now().isoformat()}))[:-1] + f', "data": {data}}}'


def _payload_of(name: object, where: str) -> type[Payload]:
    payload = catalogue.ALL.get(name) if isinstance(name, str) else None
    if payload is None:
        _refuse([f"{where}: there is no message {name!r}; {_COMMANDS}"], EXIT_USAGE)
    if catalogue.kind_of(payload) == "event":
        _refuse([f"{where}: {name} is an event, which workers publish; {_COMMANDS}"], EXIT_USAGE)
    return payload


_COMMANDS = "commands are " + ", ".join(name for name, p in catalogue.ALL.items() if catalogue.kind_of(p) == "command")


def _read(file: str) -> list[tuple[int, str]]:
    """Every message of the input as text, with its first line number; an array contains several."""
    try:
        if file == "-" and sys.stdin.isatty():
            print_line("Reading messages from the terminal; end with Ctrl-D.", err=True)
        text = (sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()).decode("utf-8-sig")
    except OSError as error:
        _refuse([f"{file}: {error.strerror or error}."], EXIT_USAGE)
    except UnicodeDecodeError as error:
        _refuse([f"{file}: byte {error.start + 1} is not UTF-8; save it as UTF-8."], EXIT_USAGE)
    found = list(_split(text))
    if not found:
        _refuse(["There is no message; give a file, or JSON on standard input."], EXIT_USAGE)
    return found


def _split(text: str) -> Iterator[tuple[int, str]]:
    decoder, line, counted, at = json.JSONDecoder(), 1, 0, _after_space(text, 0)
    while at < len(text):
        line, counted = line + text.count("\n", counted, at), at
        try:
            _, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            _refuse([f"line {error.lineno}: this is not JSON: {error.msg}.", "Nothing was sent."], EXIT_BREACH)
        except RecursionError:
            _refuse([f"line {line}: it is nested too deeply.", "Nothing was sent."], EXIT_BREACH)
        whole, at = text[at:end], _after_space(text, end)
        if whole.startswith("["):
            yield from ((line, member.decode()) for member in members(whole.encode()) or ())
        else:
            yield line, whole


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _refuse(sentences: Sequence[str], code: int) -> NoReturn:
    for sentence in sentences:
        print_line(sentence, err=True)
    raise typer.Exit(code)
