"""Which calls are alike: whatever an answer can depend on is in the key, and nothing that only looks different."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_plane.caching.keyed import TARGET, TOKEN, changed_anywhere, key
from data_plane.caching.requests import NOTHING, OF
from isthmus.core.call import CallOptions
from isthmus.data_plane.caching.key import canonical, digest, named_keys

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)

SEEDS = st.integers(0, 2**32)


def spelled(value: Any, rng: random.Random) -> str:
    """One of the ways to write it: white space, order of names, escapes."""

    def gap() -> str:
        return rng.choice(["", " ", "\n\t ", "\r\n"])

    if isinstance(value, dict):
        items = list(value.items())
        rng.shuffle(items)
        inner = ",".join(
            f"{gap()}{spelled(name, rng)}{gap()}:{gap()}{spelled(each, rng)}{gap()}" for name, each in items
        )
        return f"{{{inner or gap()}}}"
    if isinstance(value, list):
        return f"[{','.join(gap() + spelled(each, rng) + gap() for each in value)}]"
    if isinstance(value, str):
        return '"' + "".join(_character(each, rng) for each in value) + '"'
    return json.dumps(value)


def _character(character: str, rng: random.Random) -> str:
    plain = json.dumps(character, ensure_ascii=False)[1:-1]
    escaped = json.dumps(character)[1:-1] if ord(character) > 0xFFFF else f"\\u{ord(character):04x}"
    return rng.choice([plain, plain, escaped, escaped.upper().replace("\\U", "\\u")])


@settings(max_examples=150, deadline=None)
@given(JSON, SEEDS)
def test_a_value_is_one_however_it_is_written(value: Any, seed: int) -> None:
    rng = random.Random(seed)
    assert canonical(spelled(value, rng).encode()) == canonical(spelled(value, rng).encode())


@settings(max_examples=150, deadline=None)
@given(JSON, JSON)
def test_two_values_are_two(one: Any, other: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (canonical(json.dumps(one).encode()) == canonical(json.dumps(other).encode())) == same


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(OF)), SEEDS, JSON)
def test_a_request_is_one_however_it_is_written(dialect: str, seed: int, unknown: Any) -> None:
    rng = random.Random(seed)
    for body in (OF[dialect], {**OF[dialect], "unknown_to_us": unknown}):
        first = key(spelled(body, rng).encode(), dialect)
        assert first is not None and first == key(spelled(body, rng).encode(), dialect)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(OF)), st.lists(JSON, min_size=2, max_size=4))
def test_fields_that_nobody_knows_count_with_their_values(dialect: str, values: list[Any]) -> None:
    """But for those that ask for nothing: null and what is empty."""
    told = {
        json.dumps(value or None if value in ([], {}) else value, sort_keys=True): {
            **OF[dialect],
            "unknown_to_us": value,
        }
        for value in values
    }
    assert len({key(body, dialect) for body in told.values()}) == len(told)


@pytest.mark.parametrize("dialect", sorted(OF))
def test_every_field_counts(dialect: str) -> None:
    """One leaf another, one element more, one name more: anywhere in a request that has everything."""
    body = OF[dialect]
    whole = key(body, dialect)
    assert whole is not None
    assert {where for where, other in changed_anywhere(body) if key(other, dialect) == whole} <= NOTHING


@pytest.mark.parametrize("dialect", sorted(OF))
def test_every_field_counts_where_it_is_the_only_one(dialect: str) -> None:
    """A request with much in it may be told by its bytes: each field beside what has to be there."""
    body = OF[dialect]
    least: dict[str, Any] = {
        name: body[name]
        for name in ("model", "messages", "input", "contents", "prompt", "text", "tools", "max_tokens")
        if name in body
    }
    keys: dict[str, bytes | None] = {"": key(least, dialect)}
    for name in [name for name in body if name not in least and name != "store"]:
        one: dict[str, Any] = {**least, name: body[name]}
        keys[name] = key(one, dialect)
        same = {
            f"{name}.{at}"
            for at, other in changed_anywhere(body[name])
            if key({**least, name: other}, dialect) == keys[name]
        }
        assert same <= NOTHING
    assert len(set(keys.values())) == len(keys)


def test_dialects_meet() -> None:
    """One question in the words of each: one key."""
    asked: dict[str, Any] = {
        "openai_chat": {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 9},
        "openai_responses": {"model": "m", "input": "Hello", "max_output_tokens": 9},
        "anthropic_messages": {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 9},
        "gemini": {
            "contents": [{"role": "user", "parts": [{"text": "Hello"}]}],
            "generationConfig": {"maxOutputTokens": 9},
        },
        "workers_ai": {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 9},
    }
    assert len({key(body, dialect) for dialect, body in asked.items()}) == 1
    completion = {"model": "m", "prompt": "Hello", "max_tokens": 9}
    assert key(completion, "openai_completions") != key(
        asked["openai_chat"]
    )  # a text's continuation is no answer to it


ASKED: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
SEARCH = (
    [{"type": "web_search_20250305", "name": "web_search"}],
    [{"type": "web_search_20260209", "name": "web_search"}],
)


def test_what_lies_outside_the_body() -> None:
    changed: list[dict[str, Any]] = [
        {},
        {"target": msgspec.structs.replace(TARGET, model="gpt-4.1")},
        {"target": msgspec.structs.replace(TARGET, provider="other")},
        {"target": msgspec.structs.replace(TARGET, name="other/gpt-4o")},
        {"own_key": "sk-one"},
        {"own_key": "sk-other"},
        {"own_key": ""},
        {"options": CallOptions(cache_key="mine")},
        {"options": CallOptions(cache_key="mine\ud800")},
    ]
    assert len({key(ASKED, **more) for more in changed}) == len(changed)
    target = msgspec.structs.replace(TARGET, forward=((b"anthropic-beta", None), (b"traceparent", None)))
    heads: list[dict[bytes, bytes]] = [{}, {b"anthropic-beta": b"a"}, {b"anthropic-beta": b"b"}]
    assert len({key(ASKED, target=target, headers=head) for head in heads}) == 3
    target = msgspec.structs.replace(TARGET, forward=((b"anthropic-version", b"2023-06-01"),))
    heads = [{}, {b"anthropic-version": b"2023-06-01"}]  # what is sent where the caller sends none
    assert len({key(ASKED, target=target, headers=head) for head in heads}) == 1


@pytest.mark.parametrize(
    "more",
    [
        {"options": CallOptions(metadata='{"a":1}', metadata_values={"a": 1}, event_id="e", cache_ttl=60)},
        {"headers": {b"cf-aig-metadata": b"{}", b"user-agent": b"x", b"traceparent": b"00"}},
        {"stream": True},
        {"id": "2"},
        {"target": msgspec.structs.replace(TARGET, relay=False)},
    ],
    ids=str,
)
def test_what_no_answer_depends_on(more: dict[str, Any]) -> None:
    assert key(ASKED, **more) == key(ASKED)


def test_a_key_of_the_caller_s_own_stands_for_all_but_the_kind() -> None:
    mine: dict[str, Any] = {"options": CallOptions(cache_key="mine"), "token": TOKEN}
    other = {**ASKED, "temperature": 0.5}
    assert key(ASKED, **mine) == key(other, **mine, own_key="sk")
    assert key(ASKED, **mine) != key({"model": "m", "prompt": "Hello"}, "openai_completions", **mine)
    vectors = [key(OF[name], name, **mine) for name in ("openai_embeddings", "workers_ai_embeddings")]
    assert len({key(ASKED, **mine), *vectors}) == 3
    assert key(ASKED, **mine) in named_keys("mine")


def test_a_stranger_s_key_opens_only_what_it_kept_itself() -> None:
    """On a gateway that asks for no token."""
    mine = CallOptions(cache_key="mine")
    keys = [key(ASKED, options=mine, token=TOKEN), *(key(ASKED, options=mine, own_key=each) for each in ("a", "b"))]
    assert len({*keys, key(ASKED, options=mine)}) == 4


def test_streams_that_say_what_no_whole_answer_says_so() -> None:
    for more in ({"n": 2}, {"logprobs": True}):
        assert key({**ASKED, **more}, stream=True) != key({**ASKED, **more})
    assert key({**ASKED, "store": True}, stream=True) == key({**ASKED, "store": True})


def test_thinking_that_is_kept_for_the_next_turn() -> None:
    thinker = msgspec.structs.replace(TARGET, traits=msgspec.structs.replace(TARGET.traits, thinking="effort"))
    asked = {"model": "m", "input": "Hello"}
    for target, same in ((TARGET, True), (thinker, False)):
        keys = [key(asked, "openai_responses", target=target, keeps_thinking=kept) for kept in (False, True)]
        assert (keys[0] == keys[1]) is same


def test_versions_of_one_tool_are_two() -> None:
    one, other = ({**ASKED, "max_tokens": 9, "tools": tools} for tools in SEARCH)
    assert key(one, "anthropic_messages") != key(other, "anthropic_messages")


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"seed":1e400}',
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"seed":' + b"9" * 300 + b"}",
        b'{"model":"m","messages":"none"}',
        b'{"model":"m"}',
        b"{}",
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"deep":' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"model":"m","messages":' + b'[{"content":' * 400 + b"1" + b"}]" * 400 + b"}",
        b'{"model":"m","messages":[{"role":"user","content":"x","content":"y"}]}',
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"odd":{"a":1,"a":2}}',
    ],
    ids=range(9),
)
def test_odd_bodies_raise_nothing(body: bytes) -> None:
    """What has no key is not kept, and the provider's to judge."""
    for dialect in ("openai_chat", "openai_responses", "anthropic_messages", "openai_embeddings"):
        found = key(body, dialect)
        assert found is None or len(found) == 32


@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_no_two_lists_of_parts_are_alike(one: list[bytes], other: list[bytes]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_embeddings"])
def test_what_would_take_seconds_to_read_counts_as_it_is_spelled(dialect: str) -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"A"}],"input":[%b]}' % b",".join([b"[]"] * 100_000)
    assert key(body, dialect) == key(body, dialect)
    assert key(body, dialect) != key(body.replace(b'"A"', b' "A"'), dialect)
    assert key(body[:-2] + b",{}]}", dialect) != key(body, dialect)
