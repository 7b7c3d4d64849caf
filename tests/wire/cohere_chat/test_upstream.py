"""What becomes of the wishes that Cohere has no field for, one by one."""

from __future__ import annotations

import base64
import json

import pytest

from isthmus.core.chat.model import Model
from isthmus.core.chat.request import (
    AnswerFormat,
    Audio,
    CacheMark,
    Chat,
    Citation,
    CustomTool,
    Document,
    Image,
    Message,
    Opaque,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    VendorTool,
    Video,
    WebSearch,
)
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.cohere_chat import DIALECT

MODEL = "command-a-03-2025"
REASONING = "command-a-reasoning-08-2025"
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
TOOLS = (Tool(name="one", parameters=SCHEMA), Tool(name="two", parameters=SCHEMA))
FOREIGN = Opaque(origin="anthropic", data="s")


def user(*parts):
    return Message(role="user", parts=tuple(parts))


HELLO = user(Text(text="Hello"))


def write(model=MODEL, messages=(HELLO,), **fields):
    traits = model if isinstance(model, Model) else Model(name=model)
    written = DIALECT.write_request(Chat(model="m", messages=tuple(messages), **fields), traits)
    notes = {(note.field, note.fate) for note in written.notes}
    return json.loads(written.body), notes


LOST = (
    ({"logit_bias": {"1": 2}}, "logit_bias"),
    ({"verbosity": "low"}, "verbosity"),
    ({"metadata": {"a": "b"}}, "metadata"),
    ({"user": "u"}, "user"),
    ({"service_tier": "flex"}, "service_tier"),
    ({"logprobs": True, "top_logprobs": 2}, "top_logprobs"),
    ({"stop": tuple("abcdef")}, "stop"),
    ({"frequency_penalty": -0.5}, "frequency_penalty"),
    ({"tools": TOOLS, "parallel_tool_calls": False}, "parallel_tool_calls"),
    ({"tools": (WebSearch(),)}, "tools.web_search"),
    ({"tools": (VendorTool(type="code", definition=FOREIGN),)}, "tools.code"),
    ({"tools": (Tool(name="f", strict=True),)}, "tools.strict"),
    ({"effort": "high"}, "effort"),
    ({"thinking_budget": 100}, "thinking_budget"),
    ({"messages": (Message(role="user", parts=HELLO.parts, name="Ann"),)}, "messages.name"),
)


@pytest.mark.parametrize(("fields", "field"), LOST, ids=[name for _, name in LOST])
def test_lost(fields, field):
    assert write(**fields)[1] == {(field, "lost")}


EMULATED = (
    ({"temperature": 1.5}, "temperature", {"temperature": 1}),
    ({"top_p": 1.0}, "top_p", {"p": 0.99}),
    ({"top_k": 1000}, "top_k", {"k": 500}),
    ({"presence_penalty": 2}, "presence_penalty", {"presence_penalty": 1}),
    ({"seed": -1}, "seed", {"seed": 2**63 - 1}),
    ({"cache": CacheMark()}, "cache_control", {}),
    ({"cache_key": "k"}, "cache_key", {}),
)


@pytest.mark.parametrize(("fields", "field", "written"), EMULATED, ids=[name for _, name, _ in EMULATED])
def test_emulated(fields, field, written):
    body, notes = write(**fields)
    assert notes == {(field, "emulated")}
    assert {name: body[name] for name in body if name not in ("model", "messages")} == written


def test_what_asks_for_nothing_is_no_loss():
    idle = {"service_tier": "auto", "effort": "none", "frequency_penalty": 0, "parallel_tool_calls": True}
    body, notes = write(**idle, top_logprobs=0, choices=1)
    assert notes == set() and body.keys() == {"model", "messages"}


def test_what_the_model_refuses_is_left_out():
    body, notes = write(Model(name=MODEL, refuses=frozenset({"seed", "top_p"})), seed=1, top_p=0.5, top_k=2)
    assert (body["k"], notes) == (2, {("seed", "lost"), ("top_p", "lost")}) and "p" not in body
    assert write(Model(name=MODEL, max_output_tokens=10), max_tokens=100)[0]["max_tokens"] == 10


@pytest.mark.parametrize(
    ("fields", "thinking"),
    [
        ({"effort": "low"}, {"type": "enabled", "token_budget": 1024}),
        ({"effort": "high", "max_tokens": 1000}, {"type": "enabled", "token_budget": 750}),
        ({"effort": "none"}, {"type": "disabled"}),
        ({"thinking_budget": 7}, {"type": "enabled", "token_budget": 7}),
        ({"thinking_budget": -1}, {"type": "enabled"}),
        ({}, None),
    ],
)
def test_thinking(fields, thinking):
    body, notes = write(REASONING, **fields)
    assert (body.get("thinking"), notes) == (thinking, set())
    always = Model(name="command-z", always_thinks=True)
    if fields == {"effort": "none"}:
        assert write(always, **fields)[0]["thinking"] == {"type": "enabled", "token_budget": 1}


def test_thinking_of_others_is_told_without_its_signature():
    said = Message(role="assistant", parts=(Reasoning(text="Hm.", signature=FOREIGN), Text(text="A.")))
    body, notes = write(REASONING, (HELLO, said, HELLO))
    assert notes == {("messages.reasoning", "emulated")}
    assert body["messages"][1]["content"][0] == {"type": "thinking", "thinking": "Hm."}
    assert write(MODEL, (HELLO, said, HELLO))[1] == {("messages.reasoning", "lost")}
    hidden = Message(role="assistant", parts=(Reasoning(text="", signature=FOREIGN, redacted=True),))
    body, notes = write(REASONING, (HELLO, hidden, HELLO))
    assert len(body["messages"]) == 2 and notes == {("messages.reasoning", "lost")}


# --- tools ----------------------------------------------------------------------------------------------------------


def test_choices_of_tools():
    named = ToolChoice(mode="named", name="two")
    body, notes = write(tools=TOOLS, tool_choice=named)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["two"]
    assert (body["tool_choice"], notes) == ("REQUIRED", {("tool_choice", "emulated")})
    body, notes = write(tools=TOOLS, tool_choice=ToolChoice(mode="auto", allowed=("one",)))
    assert "tool_choice" not in body and len(body["tools"]) == 1 and notes == {("tool_choice", "emulated")}
    assert write(tools=TOOLS[1:], tool_choice=named)[1] == set()
    body, notes = write("command-r-08-2024", tools=TOOLS, tool_choice=ToolChoice(mode="required"))
    assert "tool_choice" not in body and notes == {("tool_choice", "lost")}
    body, notes = write("command-r-08-2024", tools=TOOLS, tool_choice=ToolChoice(mode="none"))
    assert "tools" not in body and notes == {("tool_choice", "emulated")}
    assert write("command-r7b-12-2024", tools=TOOLS, tool_choice=ToolChoice(mode="required"))[1] == set()


@pytest.mark.parametrize(
    ("tools", "choice"),
    [
        ((WebSearch(),), ToolChoice(mode="named", name="web_search")),
        ((VendorTool(type="code", definition=FOREIGN), *TOOLS), ToolChoice(mode="named", name="code")),
        ((WebSearch(),), ToolChoice(mode="required")),
        ((), ToolChoice(mode="required")),
    ],
)
def test_a_choice_of_what_is_not_there_is_refused(tools, choice):
    with pytest.raises(Unsupported) as raised:
        write(tools=tools, tool_choice=choice)
    assert raised.value.param == "tool_choice"


def test_strict_tools():
    strict = tuple(Tool(name=name, parameters=SCHEMA, strict=name == "a") for name in "ab")
    assert write(tools=strict)[0]["strict_tools"] is True
    assert write(tools=strict)[1] == {("tools.strict", "emulated")}
    assert write(tools=strict[1:])[0]["strict_tools"] is False
    assert "strict_tools" not in write(tools=TOOLS)[0]


def test_custom_tools_are_functions():
    call = ToolCall(id="c", name="f", arguments='say "hi"', custom=True)
    result = Message(role="tool", parts=(ToolResult(call_id="c", parts=(Text(text="ok"),), custom=True),))
    body, notes = write(
        messages=(HELLO, Message(role="assistant", parts=(call,)), result), tools=(CustomTool(name="f"),)
    )
    assert body["tools"][0]["function"]["parameters"]["required"] == ["input"]
    assert json.loads(body["messages"][1]["tool_calls"][0]["function"]["arguments"]) == {"input": 'say "hi"'}
    assert notes == {("tools.custom", "emulated")}


def test_results_of_tools():
    calls = tuple(ToolCall(id=id_, name="f", arguments="") for id_ in "abc")
    image = Image(url="https://a.test/x.png")
    results = [
        ToolResult(call_id="a", parts=(Text(text="no"),), is_error=True),
        ToolResult(call_id="b", parts=(Text(text="Look:"), image)),
        ToolResult(call_id="c", parts=()),
    ]
    said = [Message(role="tool", parts=(result,)) for result in results]
    body, notes = write(messages=(HELLO, Message(role="assistant", parts=calls), *said, HELLO))
    roles = [message["role"] for message in body["messages"]]
    assert roles == ["user", "assistant", "tool", "tool", "tool", "user", "user"]
    assert [message["content"] for message in body["messages"][2:5]] == ["Error: no", "Look:", "(no output)"]
    assert body["messages"][5]["content"] == [{"type": "image_url", "image_url": {"url": image.url}}]
    assert notes == {("messages.tool_result", "emulated"), ("messages.tool_result.is_error", "emulated")}


def test_arguments_that_are_no_object_are_kept_in_one():
    call = ToolCall(id="a", name="f", arguments="[1", signature=Opaque(origin="google", data="s"))
    body, notes = write(messages=(HELLO, Message(role="assistant", parts=(call,))))
    assert json.loads(body["messages"][1]["tool_calls"][0]["function"]["arguments"]) == {"unparsed_arguments": "[1"}
    assert notes == {("messages.tool_calls", "lost"), ("messages.reasoning", "lost")}


# --- documents and other media --------------------------------------------------------------------------------------


def test_documents_stand_beside_the_messages():
    early = user(Text(text="See:"), Document(text="one", name="A", cache=CacheMark()))
    last = user(Document(text="two", context="old", cite=True))
    body, notes = write(messages=(early, last))
    assert body["documents"] == [
        {"id": "doc:0", "data": {"text": "one", "title": "A"}},
        {"id": "doc:1", "data": {"text": "two", "context": "old"}},
    ]
    assert [message["content"] for message in body["messages"]] == ["See:", "(See the documents.)"]
    assert notes == {("messages.document", "emulated"), ("messages", "emulated"), ("cache_control", "emulated")}
    assert "citation_options" not in body
    silent, _ = write(messages=(user(Document(text="two"), Text(text="?")),))
    assert silent["citation_options"] == {"mode": "OFF"}


def test_documents_elsewhere_are_fetched_and_read_as_text():
    asked = Chat(model="m", messages=(user(Document(url="https://a.test/x.txt"), Text(text="?")),))
    assert DIALECT.write_request(asked, Model(name=MODEL)).fetch == ("https://a.test/x.txt",)
    text = base64.b64encode("é".encode()).decode()
    body, notes = write(messages=(user(Document(base64=text, media_type="text/plain"), Text(text="?")),))
    assert body["documents"][0]["data"] == {"text": "é"} and notes == set()


@pytest.mark.parametrize(
    "part",
    [
        Document(base64="JVBERi0=", media_type="application/pdf"),
        Document(url="https://a.test/x.PDF?y"),
        Document(file=FOREIGN),
        Image(file=FOREIGN),
        Audio(base64="aGk=", media_type="audio/wav"),
        Video(url="https://a.test/v.mp4"),
    ],
    ids=lambda part: type(part).__name__,
)
def test_media_that_cohere_cannot_be_given_are_refused(part):
    with pytest.raises(Unsupported) as raised:
        write(messages=(user(part, Text(text="?")),))
    assert raised.value.param == "messages"
    result = Message(role="tool", parts=(ToolResult(call_id="a", parts=(part,)),))
    call = Message(role="assistant", parts=(ToolCall(id="a", name="f", arguments=""),))
    with pytest.raises(Unsupported):
        write(messages=(HELLO, call, result))


def test_images_for_a_model_that_takes_none():
    with pytest.raises(Unsupported):
        write(Model(name=MODEL, input=frozenset({"text"})), (user(Image(url="https://a.test/x.png")),))


def test_citations_are_given_back():
    said = (
        Text(text="Ann", citations=(Citation(document=0), Citation(url="https://a.test/"))),
        Text(text=" is tall.", citations=(Citation(document=1, start=4, end=6),)),
    )
    body, notes = write(messages=(HELLO, Message(role="assistant", parts=said), HELLO))
    first, second = body["messages"][1]["citations"]
    assert (first["text"], first["content_index"], first["sources"]) == (
        "Ann",
        0,
        [{"type": "document", "id": "doc:0"}],
    )
    assert (second["start"], second["end"], second["text"], second["content_index"]) == (1, 3, "is", 1)
    assert notes == {("messages.citations", "lost")}


def test_thinking_is_shown_unasked():
    assert write(REASONING, summary="auto")[1] == {("summary", "emulated")}
    assert write(MODEL, summary="auto")[1] == {("summary", "lost")}
    assert write(REASONING, summary="none")[1] == write(REASONING, keep_reasoning=True)[1] == set()


# --- the form of the answer -----------------------------------------------------------------------------------------


def test_forms_of_the_answer():
    body, notes = write(answer_format=AnswerFormat(schema=SCHEMA, description="An a."))
    assert body["response_format"]["json_schema"] == {**SCHEMA, "description": "An a."}
    assert body["messages"][0]["role"] == "system" and "JSON" in body["messages"][0]["content"]
    assert notes == {("answer_format", "emulated")}
    told = (user(Text(text="In JSON, please.")),)
    body, notes = write(messages=told, answer_format=AnswerFormat())
    assert len(body["messages"]) == 1 and notes == set()
    loose = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "object"}}}, "required": ["a"]}
    for schema in (loose, {"type": "array"}, {"$ref": "#"}):
        body, notes = write(messages=told, answer_format=AnswerFormat(schema=schema))
        assert body["response_format"] == {"type": "json_object"} and notes == {("answer_format", "emulated")}
        assert json.dumps(schema, separators=(",", ":")) in body["messages"][0]["content"]
    body, notes = write(messages=told, answer_format=AnswerFormat(schema=SCHEMA), tools=TOOLS)
    assert "response_format" not in body and notes == {("answer_format", "emulated")}


def test_several_answers_are_refused():
    with pytest.raises(Unsupported) as raised:
        write(choices=2)
    assert raised.value.param == "choices"


def test_a_conversation_without_words_is_refused():
    with pytest.raises(InvalidRequest) as raised:
        write(messages=(user(Text(text="")),))
    assert raised.value.param == "messages"


def test_a_schema_nested_too_deeply():
    schema = {}
    for _ in range(50_000):
        schema = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
    for fields in ({"answer_format": AnswerFormat(schema=schema)}, {"tools": (Tool(name="f", parameters=schema),)}):
        with pytest.raises(InvalidRequest):
            write(**fields)
    while schema:
        schema = schema["properties"]["a"]
