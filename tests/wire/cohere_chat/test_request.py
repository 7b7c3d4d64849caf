"""Requests in Cohere's dialect that are wrong, or that hold what no other dialect has; and what is relayed of them."""

from __future__ import annotations

import json

import pytest

from isthmus.core.chat.request import Document, Opaque, Reasoning, Text, ToolCall
from isthmus.errors import InvalidRequest
from isthmus.wire.body import Body
from isthmus.wire.cohere_chat import DIALECT
from isthmus.wire.sealed import seal_id

USER = {"role": "user", "content": "Hello"}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def read(messages=(USER,), **fields):
    return DIALECT.read_request(Body(json.dumps({"model": "m", "messages": list(messages), **fields}).encode()))


def content(part):
    return {"messages": [{"role": "user", "content": [part]}]}


WRONG = {
    "messages": {"messages": []},
    "messages.0.role": {"messages": [{"role": "developer", "content": "x"}]},
    "messages.0.content": {"messages": [{"role": "user"}]},
    "messages.0.content.0.type": content({"type": "input_audio"}),
    "messages.0.content.0.text": content({"type": "text"}),
    "messages.0.content.0.image_url.url": content({"type": "image_url", "image_url": {"url": "file:///x"}}),
    "messages.0.content.0.image_url.detail": content({"type": "image_url", "image_url": {"url": "", "detail": "x"}}),
    "messages.0.tool_calls": {"messages": [{**USER, "tool_calls": [CALL]}]},
    "messages.0.tool_calls.0.id": {"messages": [{"role": "assistant", "tool_calls": [{**CALL, "id": ""}]}]},
    "messages.0.tool_calls.0.type": {"messages": [{"role": "assistant", "tool_calls": [{**CALL, "type": "x"}]}]},
    "messages.0.tool_calls.0.function.name": {"messages": [{"role": "assistant", "tool_calls": [{"id": "c"}]}]},
    "messages.0.tool_call_id": {"messages": [{"role": "tool", "content": "x"}]},
    "tools.0.type": {"tools": [{"type": "custom"}]},
    "tools.0.function.name": {"tools": [{"type": "function"}]},
    "tools.0.function.parameters": {"tools": [{"type": "function", "function": {"name": "f"}}]},
    "tool_choice": {"tool_choice": "REQUIRED"},
    "temperature": {"temperature": 2},
    "k": {"k": 501},
    "seed": {"seed": -1},
    "thinking.token_budget": {"thinking": {"type": "enabled", "token_budget": 0}},
    "response_format.type": {"response_format": {"type": "json_schema"}},
    "documents.0": {"documents": [5]},
    "documents.0.data": {"documents": [{"id": "x"}]},
    "stop_sequences.0": {"stop_sequences": [1]},
}


@pytest.mark.parametrize("param", WRONG)
def test_wrong_fields_are_named(param):
    with pytest.raises(InvalidRequest) as raised:
        read(**WRONG[param])
    assert raised.value.param == param


@pytest.mark.parametrize(
    "url",
    ["data:image/png;base64,aGk=", "data:image/png;base64,!!", "data:application/pdf;base64,JVBERi0x"],
)
def test_images_that_are_none(url):
    with pytest.raises(InvalidRequest) as raised:
        read(**content({"type": "image_url", "image_url": {"url": url}}))
    assert raised.value.param == "messages.0.content.0.image_url.url"


def test_results_without_calls_and_colliding_ids():
    for messages in (
        [USER, {"role": "tool", "tool_call_id": "c", "content": "x"}],
        [USER, {"role": "assistant", "tool_calls": [CALL, CALL]}],
    ):
        with pytest.raises(InvalidRequest) as raised:
            read(messages)
        assert raised.value.param == "messages"


def test_what_no_other_dialect_has_is_told():
    chat = read(
        [{**USER, "mood": 1}],
        priority=5,
        safety_mode="STRICT",
        documents=[{"id": "mine", "data": {"text": "a", "rank": 1}}],
        citation_options={"mode": "FAST"},
    )
    assert {(note.field, note.fate) for note in chat.unplaced} == {
        ("priority", "lost"),
        ("messages.mood", "lost"),
        ("safety_mode", "lost"),
        ("documents.id", "lost"),
        ("documents.data", "emulated"),
        ("citation_options.mode", "lost"),
    }
    assert read(priority=0, safety_mode="CONTEXTUAL", p=0, unknown=None).unplaced == ()
    assert read(p=0).top_p is None


def test_documents_of_every_form():
    given = [
        "plain",
        {"data": {"snippet": "s", "title": "t"}},
        {"data": "json text"},
        {"id": "doc:3", "data": {"url": "https://a.test/"}},
    ]
    messages = [USER, {"role": "assistant", "content": "Well?"}]
    chat = read(messages, documents=given, citation_options={"mode": "off"})
    assert chat.messages[0].parts == (
        Document(text="plain"),
        Document(text="s", name="t"),
        Document(text="json text"),
        Document(text='{"url":"https://a.test/"}'),
        Text(text="Hello"),
    )
    alone = read([{"role": "system", "content": "x"}], documents=["plain"])
    assert [message.role for message in alone.messages] == ["system", "user"]


def test_a_plan_is_text_before_the_calls():
    said = {
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": ""}],
        "tool_plan": "I will.",
        "tool_calls": [CALL],
        "citations": [
            {"start": 2, "end": 6, "type": "PLAN", "sources": [{"type": "document", "id": "doc:1"}]},
            {"start": 0, "end": 2, "type": "THINKING_CONTENT", "sources": [{"type": "document", "id": "doc:1"}]},
            {"start": 0, "end": 2, "sources": None},
        ],
    }
    parts = read([USER, said]).messages[1].parts
    assert [type(part) for part in parts] == [Reasoning, Text, ToolCall]
    (citation,) = parts[1].citations
    assert (citation.start, citation.end, citation.document) == (2, 6, 1)


def test_sealed_ids_are_opened():
    signature = Opaque(origin="google", data="sig")
    call = {**CALL, "id": seal_id("c", signature)}
    messages = [
        USER,
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "x"},
    ]
    chat = read(messages)
    assert (chat.messages[1].parts[0].id, chat.messages[1].parts[0].signature) == ("c", signature)
    assert chat.messages[2].parts[0].call_id == "c"
    data = json.dumps({"model": "m", "messages": messages}).encode()
    relayed = json.loads(DIALECT.relay_request(Body(data), "m").body)
    assert relayed["messages"][1]["tool_calls"][0]["id"] == relayed["messages"][2]["tool_call_id"] == "c"


def test_our_own_fields_are_not_relayed():
    data = b'{"options":{"a":1}, "messages":[ {"role":"user","content":"x"} ],"model":"m", "gateway":{},"p": 0.50}'
    assert DIALECT.relay_request(Body(data), "n").body == (
        b'{"messages":[ {"role":"user","content":"x"} ],"model":"n","p": 0.50}'
    )


def test_a_body_nested_too_deeply():
    deep = b'{"a":' * 50_000 + b"1" + b"}" * 50_000
    for field in (b'"response_format":{"type":"json_object","json_schema":%b}', b'"documents":[{"data":%b}]'):
        data = b'{"model":"m","messages":[{"role":"user","content":"x"}],' + field % deep + b"}"
        with pytest.raises(InvalidRequest):
            DIALECT.read_request(Body(data))
