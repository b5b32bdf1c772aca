"""Whether MongoDB is primary and confirms writes, and the set-up of its replica set, which has this one member."""

from __future__ import annotations

from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from infra.local.mongodb_server import REPLICA_SET
from infra.local.server import SERVES, Health

ANSWER_WITHIN_MS = 2_000
_NOT_YET_INITIALIZED = 94


def answer(member: str) -> str | None:
    """The version, once the member is primary; initiates the replica set, or moves it to its new port, if necessary."""
    try:
        with _client(member) as client:
            hello = client.admin.command("hello")
            if hello.get("isWritablePrimary"):
                version: str = client.server_info()["version"]
                return version
            if not hello.get("secondary"):
                _confirm_membership(client, member)
    except PyMongoError:
        return None
    return None


def ping(member: str) -> Health:
    """The majority must confirm all earlier writes on disk; the update itself matches no document."""
    concern = {"w": "majority", "j": True, "wtimeout": ANSWER_WITHIN_MS}
    update = {"q": {"_id": "no document has this id"}, "u": {"$set": {"_": 0}}}
    try:
        with _client(member) as client:
            client["tributary"].command("update", "ping", updates=[update], writeConcern=concern)
    except PyMongoError as error:
        return Health(f"does not confirm a write ({str(error).split(' (configured')[0][:200]})")
    return SERVES


def _client(member: str) -> MongoClient[dict[str, Any]]:
    return MongoClient(
        member,
        directConnection=True,
        serverSelectionTimeoutMS=ANSWER_WITHIN_MS,
        connectTimeoutMS=ANSWER_WITHIN_MS,
        socketTimeoutMS=ANSWER_WITHIN_MS,
    )


def _confirm_membership(client: MongoClient[dict[str, Any]], member: str) -> None:
    """The set's configuration is stored in the data and contains the port of the run that wrote it."""
    try:
        configuration = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as refusal:
        if refusal.code != _NOT_YET_INITIALIZED:
            raise
        initial = {"_id": REPLICA_SET, "members": [{"_id": 0, "host": member}]}
        client.admin.command("replSetInitiate", initial)
        return
    if configuration["members"][0]["host"] != member:
        configuration["members"][0]["host"] = member
        configuration["version"] += 1
        # Forced, because there is no primary: the only member does not recognise itself under the old port.
        client.admin.command("replSetReconfig", configuration, force=True)
