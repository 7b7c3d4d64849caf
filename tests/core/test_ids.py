"""Ids of calls sort by time and are what RFC 9562 calls a UUIDv7."""

from __future__ import annotations

import time
import uuid

from isthmus.core.ids import hexadecimal, uuid7


def test_version_variant_and_form() -> None:
    for _ in range(200):
        text = uuid7()
        assert text == text.lower() and str(uuid.UUID(text)) == text
        assert uuid.UUID(text).version == 7
        assert uuid.UUID(text).variant == uuid.RFC_4122


def test_the_time_is_in_it() -> None:
    before = time.time_ns() // 1_000_000
    found = uuid.UUID(uuid7()).int >> 80
    assert before <= found <= time.time_ns() // 1_000_000


def test_a_later_one_is_greater() -> None:
    earlier = uuid7()
    began = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 == began:
        pass
    assert uuid7() > earlier


def test_no_two_are_alike_and_every_bit_is_used() -> None:
    ids = [uuid7() for _ in range(5000)]
    assert len(set(ids)) == len(ids)
    varying = [place for place in range(14, 36) if len({text[place] for text in ids}) > 1]
    assert varying == [place for place in range(14, 36) if place not in (14, 18, 23)]
    assert {text[14] for text in ids} == {"7"} and {text[19] for text in ids} == set("89ab")


def test_hexadecimal() -> None:
    assert len(hexadecimal()) == 32 and len(hexadecimal(24)) == 24
    assert hexadecimal() != hexadecimal() and int(hexadecimal(), 16) >= 0
