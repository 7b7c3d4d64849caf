"""Any conversation that this dialect can hold: written to Anthropic it is valid, and read again it is the same."""

from __future__ import annotations

import json
import string

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core.chat.model import Model
from isthmus.core.chat.request import (
    AnswerFormat,
    CacheMark,
    Chat,
    Citation,
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
    WebSearch,
)
from isthmus.wire.anthropic_messages import DIALECT
from isthmus.wire.anthropic_messages.parts.hosted_tools import read_use
from isthmus.wire.body import Body

WORD = st.text(string.ascii_letters, min_size=1, max_size=6)
SAID = st.text(min_size=1, max_size=9).filter(lambda text: text.strip() == text)
SIGNATURE = st.builds(Opaque, origin=st.just("anthropic"), data=WORD)
MARK = st.none() | st.builds(CacheMark, ttl=st.sampled_from((None, "5m", "1h")))
STRICT = st.sampled_from((None, True))
NAME = st.sampled_from(("f", "g_1", "h-2"))
SCHEMA = st.fixed_dictionaries(
    {"type": st.just("object"), "additionalProperties": st.just(False)},
    optional={"properties": st.dictionaries(WORD, st.just({"type": "string", "pattern": "x+"}), max_size=2)},
)

IMAGE = st.one_of(
    st.builds(Image, url=WORD.map("https://example.com/{}".format), cache=MARK),
    st.just(Image(base64="iVBORw0KGgo=", media_type="image/png")),
)
DOCUMENT = st.one_of(
    st.builds(Document, text=SAID, name=st.none() | WORD, context=st.none() | WORD, cite=st.booleans(), cache=MARK),
    st.just(Document(base64="JVBERi0xLjQK", media_type="application/pdf")),
    st.just(Document(url="https://example.com/a.pdf")),
)
USER = st.lists(st.one_of(st.builds(Text, text=SAID, cache=MARK), IMAGE, DOCUMENT), min_size=1, max_size=3)
CITATION = st.one_of(
    st.builds(Citation, url=st.just("https://example.com"), title=WORD, quote=WORD, opaque=SIGNATURE),
    st.builds(
        Citation,
        title=WORD,
        quote=WORD,
        document=st.integers(0, 3),
        location=st.sampled_from(("char", "page", "block")),
        first=st.integers(1, 9),
        last=st.integers(1, 9),
    ),
)
TEXT = st.builds(Text, text=SAID, citations=st.lists(CITATION, max_size=2).map(tuple), cache=MARK)
THOUGHT = st.builds(Reasoning, text=SAID, signature=SIGNATURE)
HIDDEN = st.builds(Reasoning, text=st.just(""), redacted=st.just(True), signature=SIGNATURE)
SEARCHED = WORD.map(
    lambda id_: read_use(
        {"type": "server_tool_use", "id": f"srvtoolu_{id_}", "name": "web_search", "input": {"query": id_}},
        {"type": "web_search_tool_result", "tool_use_id": f"srvtoolu_{id_}", "content": []},
    )
)
ARGUMENTS = st.dictionaries(WORD, st.one_of(SAID, st.integers(), st.none()), max_size=2)


@st.composite
def rounds(draw, number):
    """A user, the assistant, and the results of what it called."""
    user = Message(role="user", parts=tuple(draw(USER)))
    ids = [f"toolu_{number}_{index}" for index in range(draw(st.integers(0, 2)))]
    calls = [
        ToolCall(id=id_, name=draw(NAME), arguments=msgspec.json.encode(draw(ARGUMENTS)).decode(), cache=draw(MARK))
        for id_ in ids
    ]
    said = draw(st.lists(st.one_of(TEXT, THOUGHT, HIDDEN, SEARCHED), max_size=3, unique_by=str))
    results = [
        Message(
            role="tool",
            parts=(ToolResult(call_id=id_, parts=tuple(draw(USER)), is_error=draw(st.booleans()), cache=draw(MARK)),),
        )
        for id_ in ids
    ]
    if not said and not calls:
        said = [Text(text="So.")]
    return [user, Message(role="assistant", parts=(*said, *calls)), *results]


TOOLS = st.lists(
    st.one_of(
        st.builds(Tool, name=NAME, description=st.none() | SAID, parameters=SCHEMA, strict=STRICT),
        st.builds(WebSearch, max_uses=st.none() | st.integers(1, 5), allowed_domains=st.sampled_from(((), ("a.com",)))),
        st.just(
            VendorTool(
                type="bash_20250124",
                name="bash",
                definition=Opaque(origin="anthropic", data='{"type":"bash_20250124","name":"bash"}'),
            )
        ),
    ),
    max_size=3,
    unique_by=lambda tool: getattr(tool, "name", "web_search"),
)  # fmt: skip


@st.composite
def chats(draw):
    system = draw(st.lists(st.builds(Text, text=SAID), max_size=1))
    messages = [Message(role="system", parts=tuple(system))] if system else []
    for number in range(draw(st.integers(0, 2))):
        messages += draw(rounds(number))
    last = draw(USER)
    messages.append(Message(role="user", parts=tuple(last)))
    tools = tuple(draw(TOOLS))
    thinking = draw(st.sampled_from(({}, {"effort": "none"}, {"thinking_budget": -1}, {"effort": "max"})))
    shown = {"summary": draw(st.sampled_from(("auto", "none")))} if thinking.get("effort", "") != "none" else {}
    return Chat(
        model="m",
        messages=tuple(messages),
        tools=tools,
        tool_choice=draw(st.sampled_from((None, ToolChoice(mode="auto"), ToolChoice(mode="none")))) if tools else None,
        max_tokens=draw(st.integers(1, 9000)),
        stop=tuple(draw(st.lists(WORD, max_size=2))),
        answer_format=draw(st.none() | st.builds(AnswerFormat, schema=SCHEMA, strict=st.just(True))),
        cache=draw(MARK),
        service_tier=draw(st.sampled_from((None, "auto", "default"))),
        user=draw(st.none() | WORD),
        stream=draw(st.booleans()),
        **thinking,
        **(shown if thinking else {}),
    )


def marks(value):
    return json.dumps(msgspec.to_builtins(value)).count('"ttl"')


def joined(messages):
    """Neighbours of one role, which are one turn to Anthropic, as one message."""
    kept = []
    for message in messages:
        if kept and kept[-1].role == message.role and message.role in ("user", "assistant"):
            parts = kept[-1].parts + message.parts
            kept[-1] = msgspec.structs.replace(kept[-1], parts=parts)
        else:
            kept.append(message)
    return kept


@settings(max_examples=120, deadline=None)
@given(chat=chats())
def test_what_the_dialect_can_hold_comes_back(validate, chat):
    written = DIALECT.write_request(chat, Model(name="m", thinking="adaptive"))
    asked = json.loads(written.body)
    validate("CreateMessageParams", asked)
    surplus = marks(chat) > 4
    assert [note.field for note in written.notes] == (["cache_control"] if surplus else [])
    if not surplus:
        read = DIALECT.read_request(Body(written.body))
        assert msgspec.structs.replace(read, messages=tuple(joined(read.messages))) == msgspec.structs.replace(
            chat, messages=tuple(joined(chat.messages))
        )
