"""A request that its provider speaks goes on byte for byte but for the model's name, our own fields and what we sealed:
over a corpus of the ways in which JSON can be spelled, in all four dialects that callers speak."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from isthmus.core.chat.part import Opaque
from isthmus.wire.body import Body
from isthmus.wire.gemini import signatures
from isthmus.wire.registry import DIALECTS
from isthmus.wire.sealed import MARK, seal, seal_id

few = settings(max_examples=120, deadline=None, database=None)
CHAT, RESPONSES, MESSAGES, GEMINI = "openai_chat", "openai_responses", "anthropic_messages", "gemini"
CALLERS = (CHAT, RESPONSES, MESSAGES, GEMINI)
NAMED = (CHAT, RESPONSES, MESSAGES)  # Google's have the model in the path
TURNS = {CHAT: "messages", RESPONSES: "input", MESSAGES: "messages", GEMINI: "contents"}
NEW = "the-providers-own-name"

# Values as callers spell them. Each has to come through as it stands here.
SPELLINGS = [
    "1.0",
    "1e2",
    "1E+2",
    "-0",
    "-0.0",
    "0.10",
    "1e-7",
    "100000000000000000000000000000000",
    "0.1000000000000000055511151231257827021181583404541015625",
    "9007199254740993",
    "18446744073709551616",
    "1e400",
    r'"\u0041\u00e9"',
    r'"\/\b\f\n\r\t\\\""',
    r'"\ud83d\ude00"',
    r'"\uD83D\uDE00 😀"',
    '"\u2028\u2029\x7f"',
    '"Zoë"',
    '""',
    "[ ]",
    "[1 ,2,\t3\n]",
    "{ }",
    '{ "b" : 1 , "a" : 2 }',
    '{"b":1,"a":2,"b":3}',
    r'{"\u0061":1,"a":2}',
    '{"model":"x","gateway":{},"options":{}}',
    '[{"model":"x"},[[[]]]]',
    "null",
    "true",
    r'"{\"model\":\"x\"}"',
    '"[DONE]"',
    '"data: {}\\n\\n"',
]
BLANKS = ["", " ", "\n", "\t", "\r\n", "  \n  "]


def relayed(caller: str, body: str | bytes) -> bytes:
    sent = body if isinstance(body, bytes) else body.encode()
    return DIALECTS[caller].relay_request(Body(sent), NEW).body


def opening(caller: str) -> str:
    return '"model":"author/name"' if caller in NAMED else '"contents":[]'


def renamed(caller: str, body: str) -> str:
    return body.replace('"author/name"', f'"{NEW}"', 1) if caller in NAMED else body


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("spelled", SPELLINGS)
def test_every_spelling_of_a_value(caller: str, spelled: str) -> None:
    for turns in (TURNS[caller], "nobodys_field", "temperature"):
        for blank in BLANKS:
            if turns == TURNS[caller] and caller == GEMINI:
                body = f'{{{blank}"contents"{blank}:{blank}{spelled}{blank}}}{blank}'
            else:
                body = f'{blank}{{{opening(caller)}{blank},{blank}"{turns}"{blank}:{blank}{spelled}{blank}}}{blank}'
            assert relayed(caller, body).decode() == renamed(caller, body)


@pytest.mark.parametrize("caller", NAMED)
@pytest.mark.parametrize(
    "name", ['"author/name"', r'"author\/name"', r'"\u0061uthor/name"', '"NAME"', '"the-providers-own-name"', '""']
)
def test_every_spelling_of_the_models_name(caller: str, name: str) -> None:
    for before, after in (("", ""), ('"a": 1 ,', ""), ("", ' , "b":\t2.0'), ('"x":{"model":"y"},', ',"z":[1e2]')):
        for key in ('"model"', r'"mod\u0065l"', '"model" ', '"model"\n\t'):
            body = f"{{{before}{key}: {name} {after}}}"
            assert relayed(caller, body).decode() == f'{{{before}{key}: "{NEW}" {after}}}'


@pytest.mark.parametrize("caller", CALLERS)
def test_our_own_fields_are_taken_out_and_nothing_beside_them(caller: str) -> None:
    ours = ['"options":{"a":[1]}', '"gateway" : { }', '"gateway":null']
    beside = '"x": 1.0 , "y":\t[ ]'
    for field in ours:
        for body, kept in (
            (f"{{{opening(caller)},{field},{beside}}}", f"{{{opening(caller)},{beside}}}"),
            (f"{{{opening(caller)},{beside},{field}}}", f"{{{opening(caller)},{beside}}}"),
            (f"{{{field},{opening(caller)},{beside}}}", f"{{{opening(caller)},{beside}}}"),
        ):
            assert relayed(caller, body).decode() == renamed(caller, kept)
    both = f'{{"options":{{}},{opening(caller)},"gateway":{{}}}}'
    assert relayed(caller, both).decode() == renamed(caller, f"{{{opening(caller)}}}")
    # Only at the top are they ours.
    nested = f'{{{opening(caller)},"metadata":{{"options":1,"gateway":2,"model":"x"}}}}'
    assert relayed(caller, nested).decode() == renamed(caller, nested)


def test_a_stream_of_chat_is_asked_for_its_usage_and_nothing_else_is_touched() -> None:
    body = '{"model":"author/name","stream":true,"stop" : [ "\\u0041" ],"temperature":1.0}'
    asked = renamed(CHAT, body)[:-1] + ',"stream_options":{"include_usage":true}}'
    assert relayed(CHAT, body).decode() == asked
    for given_options in ('{"include_usage": true}', '{ "include_usage":true , "x":1.0}', "7", '"x"'):
        body = f'{{"model":"author/name","stream":true,"stream_options" : {given_options}}}'
        assert relayed(CHAT, body).decode() == renamed(CHAT, body)
    for caller in (RESPONSES, MESSAGES):
        body = '{"model":"author/name","stream":true}'
        assert relayed(caller, body).decode() == renamed(caller, body)


def test_googles_model_and_stream_stand_in_the_path() -> None:
    body = '{ "model":"google/x" ,"contents" : [] ,"stream":true }'
    assert json.loads(relayed(GEMINI, body)) == {"contents": []}
    assert b'"contents" : []' in relayed(GEMINI, body)


blanks = st.sampled_from(BLANKS)
names = st.sampled_from(
    ["a", r"\u0061b", "temperature", "x y", "é", r"\/", "Model", "MODEL", " model", "messages", "input"]
)
values = st.sampled_from(SPELLINGS)


@few
@given(st.data(), st.sampled_from(CALLERS), st.lists(st.tuples(names, blanks, values, blanks), max_size=6))
def test_any_order_of_any_spellings(data: st.DataObject, caller: str, given_fields: list[Any]) -> None:
    fields = [
        (f'"{name}"{before}:{after}{value}', json.loads(f'"{name}"')) for name, before, value, after in given_fields
    ]
    if caller in NAMED:
        fields.insert(data.draw(st.integers(0, len(fields))), ('"model":"author/name"', "model"))
    assume(len({name for _, name in fields}) == len(fields))
    comma = data.draw(blanks) + "," + data.draw(blanks)
    body = data.draw(blanks) + "{" + comma.join(text for text, _ in fields) + "}" + data.draw(blanks)
    expected = comma.join(f'"model":"{NEW}"' if name == "model" and caller in NAMED else text for text, name in fields)
    assert relayed(caller, body).decode().strip() == "{" + expected + "}"


# Seals.

GOOGLES = Opaque(origin="google", data="signature/of+google==")
ANTHROPICS = signatures.Signature(opaque=Opaque(origin="anthropic", data="signature/of+anthropic=="))


def test_sealed_ids_are_opened_in_their_places_and_nothing_else_is_touched() -> None:
    sealed = seal_id("call_1", GOOGLES)
    assert MARK in sealed
    bodies = {
        CHAT: '{"model":"author/name" ,"messages":[ {"role":"assistant","tool_calls":[{"id":"ID","type":"function",'
        '"function":{"name":"f","arguments":"{ \\u0022a\\u0022: 1.0}"}}]},{"role":"tool","tool_call_id":"ID",'
        '"content":"\\u00e9"} ],"temperature":1.0}',
        RESPONSES: '{"model":"author/name" ,"input":[ {"type":"function_call","call_id":"ID","name":"f","arguments":'
        '"{ }"},{"type":"function_call_output","call_id":"ID","output":"\\u00e9"} ],"temperature":1.0}',
        MESSAGES: '{"model":"author/name" ,"messages":[ {"role":"assistant","content":[{"type":"tool_use","id":"ID",'
        '"name":"f","input":{ "a": 1.0}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"ID",'
        '"content":"\\u00e9"}]} ],"max_tokens":1e2}',
    }
    for caller, body in bodies.items():
        expected = renamed(caller, body.replace("ID", "call_1"))
        assert relayed(caller, body.replace("ID", sealed)).decode() == expected
        assert relayed(caller, body.replace("ID", "call_1")).decode() == expected


def test_thinking_that_another_vendor_sealed_is_left_out() -> None:
    turns: dict[str, Any] = {
        MESSAGES: [
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": seal(GOOGLES, "anthropic")},
                    {"type": "text", "text": "Well."},
                ],
            }
        ],
        RESPONSES: [
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [],
                "encrypted_content": seal(GOOGLES, "openai"),
            },
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Well."}]},
        ],
        GEMINI: [{"role": "model", "parts": [{"text": "Well.", "thoughtSignature": signatures.written(ANTHROPICS)}]}],
    }
    for caller, given_turns in turns.items():
        head = "" if caller == GEMINI else '"model":"author/name" ,'
        body = f'{{{head}"{TURNS[caller]}":{json.dumps(given_turns)},"x" : 1.0 ,"y":"\\u0041"}}'
        sent = relayed(caller, body)
        assert MARK.encode() not in sent and b"ignature" not in sent and b"Well." in sent, (caller, sent)
        assert sent.endswith(b',"x" : 1.0 ,"y":"\\u0041"}')  # beside the turns every byte stays


@pytest.mark.parametrize("caller", CALLERS)
def test_the_word_of_the_seal_in_a_text_is_a_text(caller: str) -> None:
    body = f'{{{opening(caller)},"nobodys" : "{MARK} is a word" ,"x":1.0}}'
    assert relayed(caller, body).decode() == renamed(caller, body)
