"""What callers send inside of messages and tools, read: media, marks, thinking, and what servers ran."""

from __future__ import annotations

import json

import pytest

from isthmus.core.chat.request import (
    CacheMark,
    Document,
    Image,
    Message,
    Opaque,
    Reasoning,
    SearchResult,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    VendorTool,
    WebSearch,
)
from isthmus.errors import Unsupported
from isthmus.wire.anthropic_messages import DIALECT
from isthmus.wire.anthropic_messages.parts.signatures import NOTHING
from isthmus.wire.body import Body
from isthmus.wire.sealed import seal, seal_id

USER = {"role": "user", "content": "Hello."}


def body(**fields):
    return Body(json.dumps({"model": "m", "max_tokens": 100, "messages": [USER], **fields}).encode())


def read(**fields):
    return DIALECT.read_request(body(**fields))


def turns(*messages):
    return read(messages=list(messages)).messages


def user(*blocks):
    return {"role": "user", "content": list(blocks)}


def called(*ids):
    return {"role": "assistant", "content": [{"type": "tool_use", "id": id_, "name": "f", "input": {}} for id_ in ids]}


def notes(chat):
    """The receipt as "l:field" for what was lost and "e:field" for what was brought about by other means."""
    return tuple(f"{note.fate[0]}:{note.field}" for note in chat.unplaced)


def test_what_has_no_place_is_noted_once():
    text = {"type": "text", "text": "a", "hue": 1}
    chat = read(
        messages=[user(text, text, {"type": "container_upload", "file_id": "x"})],
        tools=[
            {"name": "f", "input_schema": {"type": "object"}, "input_examples": [{"a": 1}], "defer_loading": True},
            {
                "name": "g",
                "input_schema": {},
                "input_examples": [],
                "defer_loading": False,
                "allowed_callers": ["direct"],
            },
            {"type": "web_search_20260209", "name": "web_search", "response_inclusion": "full"},
            {"type": "computer_20250124", "name": "computer", "display_width_px": 5},
        ],
        thinking={"type": "enabled", "budget_tokens": 1024, "block_binding": {}},
        output_config={"task_budget": {"type": "tokens"}},
        context_management={"edits": []},
        container=None,
        speed="standard",
        mcp_servers=[],
        inference_geo="us",
    )
    assert {note.fate for note in chat.unplaced} == {"lost"}
    assert sorted(note.field for note in chat.unplaced) == [
        "context_management",
        "inference_geo",
        "messages.container_upload",
        "messages.content.hue",
        "output_config.task_budget",
        "thinking.block_binding",
        "tools.defer_loading",
        "tools.input_examples",
        "tools.response_inclusion",
    ]


def test_cache_marks_stay_where_they_stand():
    day, short = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}, {"cache_control": {"type": "ephemeral"}}
    hour, plain = CacheMark(ttl="1h"), CacheMark()
    inner = {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "x", **day}], **short}
    call = {"type": "tool_use", "id": "a", "name": "f", "input": {}, **short}
    chat = read(
        system=[{"type": "text", "text": "s", **day}],
        tools=[
            {"name": "f", "input_schema": {}, **short},
            {"type": "web_search_20250305", "name": "web_search", **day},
        ],
        messages=[
            user({"type": "text", "text": "a", **short}),
            {"role": "assistant", "content": [{"type": "text", "text": "b", **short}, call]},
            user(inner, {"type": "image", "source": {"type": "url", "url": "https://example.com"}, **day}),
        ],
        **short,
    )
    assert chat.cache == plain and [tool.cache for tool in chat.tools] == [plain, hour]
    marks = [part.cache for message in chat.messages for part in message.parts]
    assert marks == [hour, plain, plain, plain, plain, hour]
    assert chat.messages[3].parts[0].parts[0].cache == hour and chat.unplaced == ()


def block(kind, source, **more):
    return {"type": kind, "source": source, **more}


PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQK"}
PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
TEXT = {"type": "text", "text": "One."}


@pytest.mark.parametrize(
    ("given", "parts", "noted"),
    [
        (block("image", {"type": "file", "file_id": "f"}), (Image(file=Opaque(origin="anthropic", data="f")),), ()),
        # What an image is, is told by its bytes.
        (block("image", PNG | {"media_type": "image/jpeg"}), (Image(base64=PNG["data"], media_type="image/png"),), ()),
        (block("document", PDF), (Document(base64=PDF["data"], media_type="application/pdf"),), ()),
        (
            block("document", {"type": "file", "file_id": "f"}),
            (Document(file=Opaque(origin="anthropic", data="f")),),
            (),
        ),
        (
            block("document", {"type": "text", "media_type": "text/plain", "data": "Hi"}, title="T", context="C"),
            (Document(text="Hi", name="T", context="C"),),
            (),
        ),
        (
            block("document", {"type": "url", "url": "https://example.com/a.pdf"}, citations={"enabled": True}),
            (Document(url="https://example.com/a.pdf", cite=True),),
            (),
        ),
        (block("document", {"type": "content", "content": "Hi"}), (Document(text="Hi"),), ()),
        (block("document", {"type": "content", "content": [TEXT]}), (Document(text="One."),), ()),
        (
            block("document", {"type": "content", "content": [TEXT, block("image", PNG), TEXT]}),
            (Document(text="One.\n\nOne."), Image(base64=PNG["data"], media_type="image/png")),
            ("e:messages.document.content",),
        ),
        (
            block("search_result", "https://example.com", title="T", content=[TEXT], citations={"enabled": True}),
            (Document(text="One.", name="T", context="https://example.com", cite=True),),
            ("e:messages.search_result",),
        ),
    ],
)
def test_media(given, parts, noted):
    chat = read(messages=[user(given)])
    assert chat.messages[0].parts == parts and notes(chat) == noted
    result = {"type": "tool_result", "tool_use_id": "a", "content": [given]}
    assert turns(USER, called("a"), user(result))[2].parts[0].parts == parts


SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}
FOUND = {"type": "web_search_result", "url": "https://example.com", "title": "T", "encrypted_content": "e"}
RESULT = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [FOUND]}


def test_tools_that_anthropic_ran_are_one_part():
    code = {"type": "server_tool_use", "id": "srvtoolu_2", "name": "code_execution", "input": {"code": "1"}}
    ran = {
        "type": "code_execution_tool_result",
        "tool_use_id": "srvtoolu_2",
        "content": {"type": "code_execution_tool_result_error", "error_code": "unavailable"},
    }
    alone = {"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "content": [TEXT]}
    content = [SEARCH, code, RESULT, ran, {"type": "text", "text": "So."}, SEARCH | {"id": "srvtoolu_3"}, alone]
    chat = read(messages=[USER, {"role": "assistant", "content": content}])
    search, script, said, pending, remote = chat.messages[1].parts
    assert chat.unplaced == () and said == Text(text="So.")
    assert (search.id, search.tool, search.input) == ("srvtoolu_1", "web_search", '{"query":"x"}')
    assert search.results == (
        SearchResult(url="https://example.com", title="T", opaque=Opaque(origin="anthropic", data="e")),
    )
    assert json.loads(search.opaque.data) == [SEARCH, RESULT] and search.opaque.origin == "anthropic"
    assert (script.tool, script.error, json.loads(script.opaque.data)) == ("code_execution", "unavailable", [code, ran])
    assert (pending.id, json.loads(pending.opaque.data)) == ("srvtoolu_3", [SEARCH | {"id": "srvtoolu_3"}])
    assert (remote.id, remote.tool, json.loads(remote.opaque.data)) == ("mcptoolu_1", "mcp", [alone])


def test_thinking_that_cannot_be_read_and_what_was_summed_up():
    content = [
        {"type": "redacted_thinking", "data": "x"},
        {"type": "compaction", "content": "Before: hello."},
        {"type": "compaction", "content": None, "encrypted_content": "y"},
    ]
    chat = read(messages=[USER, {"role": "assistant", "content": content}])
    assert chat.messages[1].parts == (
        Reasoning(text="", redacted=True, signature=Opaque(origin="anthropic", data="x")),
        Text(text="Before: hello."),
    )
    assert notes(chat) == ("l:messages.compaction",)


def test_tools_of_anthropics_own():
    bash = {"type": "bash_20250124", "name": "bash", "cache_control": {"type": "ephemeral"}}
    search = {
        "type": "web_search_20260209",
        "name": "web_search",
        "max_uses": 2,
        "blocked_domains": ["example.com"],
        "user_location": {"type": "approximate", "city": "Oslo", "country": None},
    }
    chat = read(tools=[bash, search], tool_choice={"type": "tool", "name": "bash"})
    vendor = VendorTool(type="bash_20250124", name="bash", definition=Opaque(origin="anthropic", data=json.dumps(bash)))
    assert chat.tools == (
        vendor,
        WebSearch(max_uses=2, blocked_domains=("example.com",), location={"city": "Oslo"}),
    )
    assert chat.tool_choice == ToolChoice(mode="named", name="bash_20250124") and chat.unplaced == ()


def test_what_others_sealed_is_opened():
    theirs = Opaque(origin="openai", data="gAAA=")
    signed = Opaque(origin="google", data="CiQB+/")
    call = {"type": "tool_use", "id": seal_id("call_1", signed), "name": "f", "input": {}}
    content = [
        {"type": "thinking", "thinking": "Hm.", "signature": seal(theirs, "anthropic")},
        {"type": "redacted_thinking", "data": seal(theirs, "anthropic")},
        {"type": "thinking", "thinking": "Ah.", "signature": NOTHING},
        call,
    ]
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": "1"}
    assert turns(USER, {"role": "assistant", "content": content}, user(result))[1:] == (
        Message(
            role="assistant",
            parts=(
                Reasoning(text="Hm.", signature=theirs),
                Reasoning(text="", redacted=True, signature=theirs),
                Reasoning(text="Ah."),
                ToolCall(id="call_1", name="f", arguments="{}", signature=signed),
            ),
        ),
        Message(role="tool", parts=(ToolResult(call_id="call_1", parts=(Text(text="1"),)),)),
    )


@pytest.mark.parametrize(
    ("content", "param"),
    [
        ([block("image", {"type": "x"})], "messages.0.content.0.source.type"),
        ([block("image", "x")], "messages.0.content.0.source.type"),
        ([block("document", {"type": "x"})], "messages.0.content.0.source.type"),
        ([{"type": "a_later_block"}], "messages.0.content.0.type"),
        ([SEARCH], "messages.0.content.0.type"),
    ],
)
def test_content_that_nobody_knows_is_refused(content, param):
    with pytest.raises(Unsupported) as refused:
        read(messages=[user(*content)])
    assert refused.value.param == param and param in refused.value.message
