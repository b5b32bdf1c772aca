"""How much of a password is left for an attacker who knows what people choose.

The list has the 20,000 most common passwords of the package zxcvbn 4.5.0 (MIT licence), sorted. The package itself is
not used: a password made for it keeps it busy for seconds.
"""

from __future__ import annotations

import gzip
from functools import cache
from itertools import pairwise
from pathlib import Path

_LIST = Path(__file__).with_name("common_passwords.txt.gz")
_OWN_WORDS = frozenset({"tributary", "administrator", "distributor", "zhongguo", "woaini", "mima"})
"""The name of this service, and what the list lacks."""

_PIECE_MIN, _PIECE_MAX = 4, 16
_PIECE_WORTH = 2.0
"""A common password counts as much as two letters, however long it is."""

_LETTER_WORTH = 1.0
_OTHER_WORTH = 0.5
"""Digits and signs are what people add because they must."""

_WALKS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1q2w3e4r5t6y7u8i9o0p",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "!@#$%^&*()",
)
_STEPS = frozenset(pair for walk in _WALKS for way in (walk, walk[::-1]) for pair in pairwise(way))
_AS_LETTERS = str.maketrans("4@831!0$5+7", "aabeiiosstt")


def worth(plain: str) -> float:
    """The letters that must be guessed, roughly: a common word counts as two, a sign as half, a repeat as nothing.

    `plain` is normalised, in lower case and short: the time grows with the square of its length.
    """
    bare = "".join(character for character in plain if character.isalnum())
    return min(map(_worth, {plain, bare}))


def _worth(plain: str) -> float:
    plain = _one_period(plain)
    letters, common = plain.translate(_AS_LETTERS), _common()
    least = [0.0]
    for end in range(1, len(plain) + 1):
        options = [least[-1] + _worth_of_character(plain, end - 1)]
        for start in range(max(0, end - _PIECE_MAX), end - _PIECE_MIN + 1):
            if plain[start:end] in common or letters[start:end] in common:
                # A word that came before is worth nothing.
                known = plain.find(plain[start:end]) < start
                options.append(least[start] + (0.0 if known else _PIECE_WORTH))
        least.append(min(options))
    return least[-1]


def is_number(plain: str) -> bool:
    """Whether it has only digits, and signs between them: a telephone number, a date."""
    marks = [character for character in plain if character.isalnum()]
    return all(character.isdigit() for character in marks)


def _worth_of_character(plain: str, at: int) -> float:
    character = plain[at]
    if at and (character == plain[at - 1] or (plain[at - 1], character) in _STEPS):
        return 0.0
    return _LETTER_WORTH if character.isalpha() else _OTHER_WORTH


def _one_period(plain: str) -> str:
    """`abc` for `abcabcabc`, and for `abcabcab`."""
    for length in range(1, len(plain) // 2 + 1):
        if plain.startswith(plain[length:]):
            return plain[:length]
    return plain


@cache
def _common() -> frozenset[str]:
    return frozenset(gzip.decompress(_LIST.read_bytes()).decode().split()) | _OWN_WORDS
