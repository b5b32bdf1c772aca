"""Errors of the driver: readable, and translated into what the runtime does about them."""

from __future__ import annotations

from bson.decimal128 import Decimal128
from pymongo.errors import BulkWriteError, ServerSelectionTimeoutError

from infra.adapters.mongo_errors import SumTooLarge, short, translate
from infra.adapters.mongo_sums import storable
from infra.ports.store import StoreConflict


def test_an_error_is_shown_without_the_timeouts_of_the_driver() -> None:
    text = (
        "127.0.0.1:1: [Errno 111] Connection refused (configured timeouts: socketTimeoutMS: 20000.0ms, "
        "connectTimeoutMS: 20000.0ms),db.example:27017: timed out (configured timeouts: connectTimeoutMS: 5.0ms), "
        "Timeout: 10.0s, Topology Description: <TopologyDescription id: 1>"
    )

    assert short(ServerSelectionTimeoutError(text)) == (
        "127.0.0.1:1: [Errno 111] Connection refused,db.example:27017: timed out"
    )


def test_a_sum_beyond_64_bits_is_repeated() -> None:
    refused = "Failed to apply $inc operations to current value ((NumberLong)9223372036854775307) for document {_id: 1}"
    other = "The dollar ($) prefixed field '$x' is not valid"

    def translated(message: str) -> Exception:
        return translate(BulkWriteError({"writeErrors": [{"index": 0, "code": 2, "errmsg": message}]}))

    assert isinstance(translated(refused), SumTooLarge)
    assert isinstance(translated(refused), StoreConflict)
    assert not isinstance(translated(other), StoreConflict)


def test_whole_numbers_beyond_64_bits_are_stored_as_decimals() -> None:
    assert storable({"a": 2**63, "b": {"c": -(2**64)}, "d": 2**63 - 1, "e": "text", "f": True}) == {
        "a": Decimal128(str(2**63)),
        "b": {"c": Decimal128(str(-(2**64)))},
        "d": 2**63 - 1,
        "e": "text",
        "f": True,
    }
