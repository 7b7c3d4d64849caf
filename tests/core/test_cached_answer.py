"""Kept answers as bytes: the way there and back, and what comes of bytes that are none."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.core.caching.answer import FORMAT, CachedAnswer, pack, unpack
from isthmus.core.chat.fidelity import Note
from isthmus.core.chat.usage import Usage

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
times = st.floats(0, 1e12)
answers = st.builds(
    CachedAnswer,
    format=st.just(FORMAT),
    kind=st.sampled_from(["frames", "body"]),
    dialect=texts,
    whole=st.booleans(),
    content_type=st.binary(max_size=30),
    data=st.binary(max_size=300),
    stored_at=times,
    provider=texts,
    models=st.lists(texts, max_size=3).map(tuple),
    usage=st.none() | st.builds(Usage, input_tokens=st.integers(0, 10**9), output_tokens=st.integers(0, 10**9)),
    finish_reason=st.none() | texts,
    notes=st.lists(
        st.builds(Note, field=texts, fate=st.sampled_from(["lost", "emulated", "ignored"]), why=texts), max_size=3
    ).map(tuple),
)
ANSWER = CachedAnswer(
    format=FORMAT,
    kind="frames",
    dialect="openai_chat",
    whole=True,
    content_type=b"application/json",
    data=b'{"choices":[]}',
    stored_at=1.5,
    provider="openai",
    models=("openai/gpt-4o",),
    usage=Usage(input_tokens=1, output_tokens=2),
    finish_reason="stop",
)


@given(answers)
def test_there_and_back(answer: CachedAnswer) -> None:
    assert unpack(pack(answer)) == answer


@pytest.mark.parametrize("number", [0, FORMAT - 1, FORMAT + 1, 2**40])
def test_another_format_counts_as_none(number: int) -> None:
    assert unpack(pack(msgspec.structs.replace(ANSWER, format=number))) is None


def test_a_cut_one_counts_as_none() -> None:
    packed = pack(ANSWER)
    assert [length for length in range(len(packed)) if unpack(packed[:length]) is not None] == []


@given(st.binary(max_size=200))
def test_what_is_none_of_ours_counts_as_none(garbage: bytes) -> None:
    assert unpack(garbage) is None


@given(st.data())
def test_a_byte_that_was_changed_breaks_nothing(data: st.DataObject) -> None:
    """None, or an answer: a store that changes bytes is not found out, and nothing crashes over it."""
    packed = bytearray(pack(ANSWER))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] = data.draw(st.integers(0, 255))
    answer = unpack(bytes(packed))
    assert answer is None or answer.format == FORMAT


@pytest.mark.parametrize(
    "value",
    [
        [],
        [FORMAT],
        [FORMAT, "else", "openai_chat", True, b"", b"", 1.5, "openai", []],
        {"format": FORMAT},
        [[]] * 12,
        "\udcff".encode("utf-8", "surrogatepass"),
    ],
)
def test_values_of_another_kind(value: object) -> None:
    assert unpack(msgspec.msgpack.encode(value)) is None


def test_a_text_that_is_no_utf_8() -> None:
    packed = pack(ANSWER).replace(b"openai_chat", b"openai_cha\xff")
    assert unpack(packed) is None


def test_nested_without_end() -> None:
    """As what is said, and as one more field, which is passed over."""
    deep = b"\x91" * 100_000 + b"\x01"
    packed = pack(ANSWER)
    one_more_field = bytes((packed[0] + 1,))
    assert unpack(deep) is None
    assert unpack(one_more_field + packed[1:] + b"\x01") == ANSWER
    assert unpack(one_more_field + packed[1:] + deep) is None
