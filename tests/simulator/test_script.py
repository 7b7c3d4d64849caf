"""What the simulated models say and count: how a caller steers it, usage that adds up, what is cached."""

from __future__ import annotations

import json
import random
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.simulator import text
from isthmus.simulator.faults import Fault, UnknownDirective, read_directive, read_text
from isthmus.simulator.sampling import sample
from isthmus.simulator.script import Ask, Tool, heard, write
from isthmus.simulator.seeds import Seed
from isthmus.simulator.shape import flaw_in_schema

SEED = Seed(3)
FREE = Tool(name="shell", schema=None)
WEATHER = Tool(name="get_weather", schema={"type": "object", "properties": {"city": {"type": "string"}}})


def ask(said: str, **fields: Any) -> Ask:
    fault = fields.pop("fault", Fault())
    return Ask(text=said, fault=fault, **fields)


@given(st.text())
def test_tokens_lose_nothing(words: str) -> None:
    assert "".join(text.pieces(words)) == words


@given(st.text(min_size=1), st.integers(1, 50))
def test_even_split_loses_nothing(words: str, parts: int) -> None:
    split = text.split_evenly(words, parts)
    assert "".join(split) == words and len(split) == min(parts, len(words)) and all(split)


def test_echo_is_exact() -> None:
    words = "  data: [DONE]\n\n\u2028 “call get_weather” 😀 "
    draft = write(ask(f"echo: {words}", tools=(WEATHER,)), SEED)
    assert (draft.text, draft.calls, draft.ending) == (words, (), "stop")
    assert "".join(draft.deltas) == words and draft.output_tokens == len(draft.deltas)


def test_events_are_as_many_as_asked_for() -> None:
    for said in ("hello", "echo: one two", "echo: ab"):
        draft = write(ask(said, fault=Fault(events=2)), SEED)
        assert len(draft.deltas) == 2
    assert len(write(ask("hello", fault=Fault(events=500)), SEED).deltas) == 500


def test_limit_is_honoured() -> None:
    draft = write(ask("hello", max_tokens=5), SEED)
    assert (draft.output_tokens, draft.ending) == (5, "length")
    assert write(ask("hello"), SEED).text.startswith(draft.text)
    called = write(ask("call get_weather", tools=(WEATHER,), max_tokens=1), SEED)
    assert called.calls == () and called.ending == "length"


def test_reasoning_counts() -> None:
    draft = write(ask("hello", reasoning_tokens=64), SEED)
    assert (draft.reasoning_tokens, text.count(draft.reasoning)) == (64, 64)
    assert draft.output_tokens == 64 + text.count(draft.text)
    assert write(ask("hello", reasoning_tokens=64, max_tokens=20), SEED).output_tokens == 20


def test_first_stop_wins() -> None:
    draft = write(ask("echo: one two three", stops=("three", "two")), SEED)
    assert (draft.text, draft.ending, draft.stop_sequence) == ("one ", "stop_sequence", "two")


def test_calls() -> None:
    both = (WEATHER, FREE)
    said = 'call get_weather with {"city": "Zürich", "a": {"b": 1}} and call shell, then call nothing.'
    draft = write(ask(said, tools=both), SEED)
    assert [call.tool.name for call in draft.calls] == ["get_weather", "shell"]
    assert draft.calls[0].arguments == '{"city": "Zürich", "a": {"b": 1}}' and draft.ending == "tool_calls"
    assert "".join(draft.calls[0].deltas) == draft.calls[0].arguments and len(draft.calls[0].deltas) > 2
    assert len(write(ask(said, tools=both, parallel=False), SEED).calls) == 1
    assert write(ask(said, tools=both, choice="none"), SEED).calls == ()
    forced = write(ask("hello", tools=both, choice="required", forced="shell"), SEED)
    assert [call.tool.name for call in forced.calls] == ["shell"]
    assert [call.tool.name for call in write(ask("hi", tools=both, choice="required"), SEED).calls] == ["get_weather"]


def test_results_are_quoted_not_called_again() -> None:
    draft = write(ask("call get_weather", tools=(WEATHER,), results=("18 degrees",)), SEED)
    assert draft.calls == () and "18 degrees" in draft.text


def test_echo_must_fit_a_schema() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    assert write(ask('echo: {"a": 1}', json_schema=schema), SEED).text == '{"a": 1}'
    jsonschema.validate(json.loads(write(ask("echo: no json", json_schema=schema), SEED).text), schema)


def test_directives() -> None:
    assert read_text("a [[sim: events=3 delay_ms=5]] b [[sim: fault=reset]]") == (
        "ab",
        Fault(events=3, delay_ms=5, kind="reset"),
    )
    assert read_text("plain [[text]]") == ("plain [[text]]", None)
    assert read_directive("fault=429 retry_after=7") == Fault(status=429, retry_after=7)
    assert read_directive("malformed_json") == Fault(kind="malformed_json")
    with pytest.raises(UnknownDirective, match="'retry=7'"):
        read_directive("fault=429 retry=7")


SCHEMAS: list[dict[str, Any]] = [
    {"type": "object", "properties": {}, "additionalProperties": False},
    {"type": "object", "required": ["free"], "additionalProperties": {"type": "integer"}},
    {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 4, "uniqueItems": True},
    {"type": "array", "prefixItems": [{"type": "string"}, {"type": "null"}], "minItems": 2},
    {"type": "array", "items": {"const": 1}, "maxItems": 0},
    {"type": "integer", "minimum": 10, "exclusiveMaximum": 12},
    {"type": "integer", "exclusiveMinimum": -3, "maximum": -1},
    {"type": "integer", "multipleOf": 7, "minimum": 8},
    {"type": "number", "multipleOf": 0.5, "minimum": 0.5, "maximum": 1},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    {"type": "string", "minLength": 40, "maxLength": 45},
    {"type": "string", "maxLength": 1},
    {"type": ["null", "string"]},
    {"enum": ["a", 1, None]},
    {"const": {"a": [1]}},
    {"anyOf": [{"type": "integer"}, {"type": "string"}]},
    {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
            {"properties": {"b": {"type": "boolean"}}, "required": ["b"]},
        ]
    },
    {
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "value": {"type": "number"},
                    "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                },
                "required": ["value", "next"],
                "additionalProperties": False,
            }
        },
        "$ref": "#/$defs/node",
    },
    {"properties": {"a~/b": {"$ref": "#/properties/plain"}, "plain": {"type": "integer"}}, "required": ["a~/b"]},
    {"type": "string", "format": "date-time"},
    {"anyOf": [True, {"type": "integer"}]},
    {"allOf": [True, {"type": "integer"}]},
    {"type": "object", "properties": {"a": True}},
    {},
]
BROKEN_SCHEMAS: list[Any] = [
    "text",
    {"type": "text"},
    {"type": {"a": 1}},
    {"type": ["string", 5]},
    {"type": []},
    {"required": ["a", 5]},
    {"properties": [1]},
    {"properties": {"a": {"items": 5}}},
    {"required": "a"},
    {"enum": []},
    {"anyOf": {"type": "string"}},
    {"anyOf": []},
    {"minimum": "1"},
    {"minLength": 1.5},
    {"maxItems": True},
    {"multipleOf": 0},
    {"$ref": "#/$defs/absent"},
    {"$ref": "https://example.com/schema"},
    {"$ref": 5},
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=[str(number) for number in range(len(SCHEMAS))])
def test_samples_satisfy_their_schema(schema: dict[str, Any]) -> None:
    assert flaw_in_schema(schema) is None
    for seed in range(20):
        value = sample(schema, random.Random(seed))
        jsonschema.Draft202012Validator(schema).validate(value)
        json.dumps(value)


@pytest.mark.parametrize("schema", BROKEN_SCHEMAS, ids=str)
def test_broken_schemas_are_told(schema: Any) -> None:
    assert flaw_in_schema(schema)
    assert flaw_in_schema({"type": "object", "properties": {"a": {"anyOf": [{"type": "null"}, schema]}}})


def test_schema_that_nothing_satisfies_is_sampled_all_the_same() -> None:
    endless = {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}
    assert flaw_in_schema(endless) is None and json.dumps(sample(endless, random.Random(1)))


def test_seals() -> None:
    sealed = SEED.seal("a thought")
    assert SEED.unseal(sealed) == "a thought"
    assert Seed(4).unseal(sealed) is None
    assert SEED.unseal(sealed[:-8] + "AAAAAAA=") is None
    assert SEED.unseal("not base64!") is None


LONG = "word " * 3000


async def test_openai_caches_prefixes(caller: Any) -> None:
    body = {"model": "gpt-4o", "messages": [{"role": "system", "content": LONG}, {"role": "user", "content": "hi"}]}
    first = (await caller.post("/v1/chat/completions", body)).json()["usage"]
    again = (await caller.post("/v1/chat/completions", body)).json()["usage"]
    body["messages"][1]["content"] = "something else"
    other = (await caller.post("/v1/chat/completions", body)).json()["usage"]
    cached = [usage["prompt_tokens_details"]["cached_tokens"] for usage in (first, again, other)]
    assert cached[0] == 0 and cached[1] >= cached[2] >= 2944 and cached[2] % 128 == 0
    assert first["total_tokens"] == first["prompt_tokens"] + first["completion_tokens"]
    responses = {"model": "gpt-4o", "input": body["messages"]}
    usage = (await caller.post("/v1/responses", responses)).json()["usage"]
    assert usage["input_tokens_details"]["cached_tokens"] == cached[2]


async def test_short_prompts_are_not_cached(caller: Any) -> None:
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "word " * 900}]}
    for _ in range(2):
        usage = (await caller.post("/v1/chat/completions", body)).json()["usage"]
        assert usage["prompt_tokens_details"]["cached_tokens"] == 0


async def test_anthropic_caches_at_breakpoints(caller: Any) -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    hour = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    body: dict[str, Any] = {
        "model": "claude-sonnet-4-5",
        "max_tokens": 50,
        "system": [{"type": "text", "text": LONG, **hour}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": LONG + "!", **mark}]}],
    }
    first = (await caller.post("/v1/messages", body)).json()["usage"]
    again = (await caller.post("/v1/messages", body)).json()["usage"]
    body["messages"][0]["content"][0]["text"] = "something else"
    other = (await caller.post("/v1/messages", body)).json()["usage"]

    created = first["cache_creation"]
    assert created["ephemeral_1h_input_tokens"] > 3000 and created["ephemeral_5m_input_tokens"] > 3000
    assert first["cache_creation_input_tokens"] == sum(created.values()) and first["cache_read_input_tokens"] == 0
    assert again["cache_read_input_tokens"] == first["cache_creation_input_tokens"]
    assert again["cache_creation_input_tokens"] == 0 and again["input_tokens"] == first["input_tokens"] < 10
    assert other["cache_read_input_tokens"] == created["ephemeral_1h_input_tokens"]
    assert other["cache_creation_input_tokens"] == text.count("something else") + 4


async def test_anthropic_caches_nothing_unasked(caller: Any) -> None:
    body = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": LONG}]}
    for _ in range(2):
        usage = (await caller.post("/v1/messages", body)).json()["usage"]
        assert usage["cache_read_input_tokens"] == usage["cache_creation_input_tokens"] == 0
    whole = {**body, "cache_control": {"type": "ephemeral"}}
    written = (await caller.post("/v1/messages", whole)).json()["usage"]["cache_creation_input_tokens"]
    read = (await caller.post("/v1/messages", whole)).json()["usage"]["cache_read_input_tokens"]
    assert written == read > 3000


async def test_obfuscation_only_where_asked_for(caller: Any) -> None:
    for path, body in (
        ("/v1/chat/completions", {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}),
        ("/v1/responses", {"model": "gpt-4o", "input": "hi"}),
    ):
        plain = await caller.post(path, {**body, "stream": True})
        assert b"obfuscation" not in plain.body
        options = {"stream_options": {"include_obfuscation": True}}
        padded = await caller.post(path, {**body, "stream": True, **options})
        assert b'"obfuscation"' in padded.body


async def test_same_words_in_every_dialect(caller: Any) -> None:
    said = [{"role": "user", "content": "tell me"}]
    chat = await caller.post("/v1/chat/completions", {"model": "gpt-4o", "messages": said})
    responses = await caller.post("/v1/responses", {"model": "gpt-4.1", "input": "tell me"})
    messages = await caller.post("/v1/messages", {"model": "claude-haiku-4-5", "max_tokens": 99, "messages": said})
    words = chat.json()["choices"][0]["message"]["content"]
    assert responses.json()["output"][0]["content"][0]["text"] == messages.json()["content"][0]["text"] == words


LOOP = """Some instructions.
script: [{"call": "get_weather", "with": {"city": "Oslo"}},
 [{"call": "shell", "with": "echo: ls"}, {"call": "get_weather"}], {"say": "All done.\\n"}] and more words"""


def test_a_script_goes_step_by_step() -> None:
    offered: dict[str, Any] = {"tools": (WEATHER, FREE)}
    first, second, third, after = (write(ask(LOOP, answers=n, results=("ok",), **offered), SEED) for n in range(4))
    assert [(call.tool.name, call.arguments) for call in first.calls] == [("get_weather", '{"city":"Oslo"}')]
    assert [call.tool.name for call in second.calls] == ["shell", "get_weather"]
    assert second.calls[0].arguments == "echo: ls"
    assert (third.text, third.calls, third.ending) == ("All done.\n", (), "stop")
    assert after.text.startswith("The tool answered: ok") and not after.calls


def test_a_script_calls_only_what_is_offered() -> None:
    title = write(ask(LOOP), SEED)
    assert title.text and not title.calls
    assert not write(ask(LOOP, tools=(WEATHER,), choice="none"), SEED).calls


@pytest.mark.parametrize(
    "said", ['script: [{"say": 1}]', 'script: [{"sa', '"script: [{\\"say\\": 1}]"', "script: [[[[[]]]]]"]
)
def test_no_sound_script_is_none(said: str) -> None:
    assert write(ask(said), SEED).ending == "stop"


def test_answers_are_counted_since_the_user_spoke() -> None:
    turns = [("user", "a"), ("model", ""), ("user", "b"), ("model", ""), ("model", "x"), ("tool", ""), ("model", "")]
    assert heard(turns) == ("b", 2)
    assert heard([*turns, ("user", ""), ("system", "c")]) == ("b", 2)
    assert heard([]) == ("", 0)
