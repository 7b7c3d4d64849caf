"""What callers send, read: the whole vocabulary, and each refusal with the field it names."""

from __future__ import annotations

import json

import pytest

from isthmus.core.chat.event import Finished, ReasoningDelta, Started, TextDelta
from isthmus.core.chat.fidelity import Note
from isthmus.core.chat.request import (
    AnswerFormat,
    Audio,
    CacheMark,
    Chat,
    Citation,
    CustomTool,
    Document,
    Grammar,
    HostedToolUse,
    Image,
    Message,
    Opaque,
    Reasoning,
    Refusal,
    SearchResult,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    VendorTool,
    WebSearch,
)
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.body import Body
from isthmus.wire.openai_responses import DIALECT
from isthmus.wire.sealed import seal, seal_id

CALL = {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}
USER = {"role": "user", "content": "Hello."}
PNG = "iVBORw0KGgo="


def body(**fields):
    return Body(json.dumps({"model": "m", "input": "Hello.", **fields}).encode())


def read(**fields):
    return DIALECT.read_request(body(**fields))


def turns(*items):
    return read(input=list(items)).messages


def signed(content, item_id=None):
    data = {"encrypted_content": content} | ({} if item_id is None else {"id": item_id})
    return Opaque(origin="openai", data=json.dumps(data, separators=(",", ":")))


def names(chat):
    return sorted(note.field for note in chat.unplaced)


def says(role, *texts):
    return Message(role=role, parts=tuple(Text(text=text) for text in texts))


def test_the_least_there_is():
    chat = read()
    assert chat.model == "m" and chat.messages == (says("user", "Hello."),)
    assert not chat.stream and chat.unplaced == () and chat.max_tokens is None and chat.answer_format is None


def test_instructions_come_first():
    assert read(instructions="Be.", input=[USER]).messages == (says("system", "Be."), says("user", "Hello."))
    assert read(instructions="").messages == read().messages


def test_messages_of_every_role():
    parts = [
        {"type": "input_text", "text": "See"},
        {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "high"},
        {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="},
    ]
    assert turns(
        {"type": "message", "role": "developer", "content": "D"},
        {"role": "system", "content": [{"type": "input_text", "text": "S"}]},
        {"role": "user", "content": parts},
    ) == (
        says("developer", "D"),
        says("system", "S"),
        Message(
            role="user",
            parts=(
                Text(text="See"),
                Image(url="https://example.com/a.png", detail="high"),
                Image(base64=PNG, media_type="image/png"),
            ),
        ),
    )


def test_a_turn_of_the_assistant_is_put_together():
    reasoning = {"type": "reasoning", "id": "rs", "encrypted_content": "e",
                 "summary": [{"type": "summary_text", "text": "A"}, {"type": "summary_text", "text": "B"}]}  # fmt: skip
    content = [{"type": "output_text", "text": "So.", "annotations": []}, {"type": "refusal", "refusal": "No."}]
    message = {"type": "message", "id": "msg", "status": "completed", "role": "assistant", "content": content}
    output = {"type": "function_call_output", "call_id": "a", "output": "1"}
    assert turns(USER, reasoning, message, CALL, CALL | {"call_id": "b"}, output, USER) == (
        says("user", "Hello."),
        Message(
            role="assistant",
            parts=(
                Reasoning(text="A\n\nB", signature=signed("e", "rs")),
                Text(text="So."),
                Refusal(text="No."),
                ToolCall(id="a", name="f", arguments="{}"),
                ToolCall(id="b", name="f", arguments="{}"),
            ),
        ),
        Message(role="tool", parts=(ToolResult(call_id="a", parts=(Text(text="1"),)),)),
        says("user", "Hello."),
    )


def test_reasoning_without_a_summary():
    content = [{"type": "reasoning_text", "text": "Hm."}]
    assert turns(USER, {"type": "reasoning", "summary": [], "content": content})[1].parts == (Reasoning(text="Hm."),)
    assert len(turns(USER, {"type": "reasoning", "id": "rs", "summary": []})) == 1


def test_the_output_of_a_function_may_be_parts():
    parts = [
        {"type": "input_text", "text": "x"},
        {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="},
    ]
    assert turns(CALL, {"type": "function_call_output", "call_id": "a", "output": parts})[1].parts == (
        ToolResult(call_id="a", parts=(Text(text="x"), Image(base64=PNG, media_type="image/png"))),
    )


def test_tools():
    schema = {"type": "object", "properties": {}}
    chat = read(
        tools=[
            {"type": "function", "name": "f", "description": "F", "parameters": schema, "strict": True},
            {"type": "function", "name": "g"},
        ]
    )
    assert chat.tools == (Tool(name="f", description="F", parameters=schema, strict=True), Tool(name="g"))


@pytest.mark.parametrize(
    ("sent", "choice"),
    [
        ("auto", ToolChoice(mode="auto")),
        ("none", ToolChoice(mode="none")),
        ("required", ToolChoice(mode="required")),
        ({"type": "function", "name": "f"}, ToolChoice(mode="named", name="f")),
        (None, None),
    ],
)
def test_tool_choices(sent, choice):
    assert read(tool_choice=sent).tool_choice == choice


def test_sampling_and_the_rest():
    chat = read(
        max_output_tokens=20, temperature=2, top_p=0.5, reasoning={"effort": "xhigh"}, stream=True, store=False,
        parallel_tool_calls=False, safety_identifier="s",
    )  # fmt: skip
    assert (chat.max_tokens, chat.temperature, chat.top_p, chat.effort) == (20, 2.0, 0.5, "xhigh")
    assert (chat.stream, chat.parallel_tool_calls, chat.user) == (True, False, "s")


def test_answer_formats():
    schema = {"type": "object"}
    stated = {"type": "json_schema", "name": "n", "schema": schema, "strict": True, "description": "d"}
    assert read(text={"format": stated}).answer_format == AnswerFormat(
        name="n", schema=schema, strict=True, description="d"
    )
    assert read(text={"format": {"type": "json_object"}}).answer_format == AnswerFormat()
    assert read(text={"format": {"type": "text"}}).answer_format is None
    assert read(text={}).answer_format is None


def test_wishes_about_thinking_and_the_cache():
    chat = read(
        reasoning={"effort": "max", "generate_summary": "concise"}, include=["reasoning.encrypted_content"],
        text={"verbosity": "low"}, prompt_cache_key="k", prompt_cache_retention="24h", service_tier="flex",
        metadata={"a": "b"}, top_logprobs=3, frequency_penalty=1, presence_penalty=-1,
    )  # fmt: skip
    assert (chat.effort, chat.summary, chat.keep_reasoning, chat.verbosity) == ("max", "concise", True, "low")
    assert (chat.cache_key, chat.cache_retention, chat.service_tier) == ("k", "24h", "flex")
    assert (chat.metadata, chat.logprobs, chat.top_logprobs) == ({"a": "b"}, True, 3)
    assert (chat.frequency_penalty, chat.presence_penalty) == (1.0, -1.0)
    assert chat.unplaced == ()
    logprobs = read(include=["message.output_text.logprobs", "web_search_call.action.sources"])
    assert logprobs.logprobs and logprobs.top_logprobs is None and not logprobs.keep_reasoning
    assert logprobs.unplaced == ()


def test_what_has_no_place_is_named():
    chat = read(
        input=[USER | {"phase": "commentary"}],
        reasoning={"effort": "low", "context": "all_turns"},
        user="u", safety_identifier="s", client_metadata={"c": "d"}, truncation="auto", max_tool_calls=3,
        tools=[{"type": "file_search", "vector_store_ids": ["v"]}, {"type": "function", "name": "f", "async": True}],
        include=["file_search_call.results", "later"],
    )  # fmt: skip
    assert names(chat) == [
        "client_metadata", "include.file_search_call.results", "include.later", "input.phase", "max_tool_calls",
        "reasoning.context", "safety_identifier", "tools.async", "truncation",
    ]  # fmt: skip
    assert {note.fate for note in chat.unplaced} == {"lost"}
    assert chat.user == "u"


def test_files_by_every_way():
    parts = [
        {"type": "input_image", "file_id": "file-1", "detail": "low"},
        {"type": "input_file", "file_id": "file-2", "filename": "x"},
        {"type": "input_file", "file_url": "https://example.com/a.pdf", "detail": "auto"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,JVBERi0x", "filename": "a.pdf"},
        {"type": "input_file", "file_data": "JVBERi0x"},
        {"type": "input_file", "file_data": "aGVsbG8=", "filename": "a.docx"},
        {"type": "input_file", "file_data": "data:text/plain;base64,aGVsbG8=", "filename": "a.txt"},
        {"type": "input_file", "file_data": "data:text/plain;base64,/w=="},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "input_text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit"}},
    ]
    chat = read(input=[{"role": "user", "content": parts}])
    assert chat.messages[0].parts == (
        Image(file=Opaque(origin="openai", data="file-1"), detail="low"),
        Document(file=Opaque(origin="openai", data="file-2"), name="x"),
        Document(url="https://example.com/a.pdf"),
        Document(base64="JVBERi0x", media_type="application/pdf", name="a.pdf"),
        Document(base64="JVBERi0x", media_type="application/pdf"),
        Document(base64="aGVsbG8=", media_type="application/octet-stream", name="a.docx"),
        Document(text="hello", name="a.txt"),
        Document(base64="/w==", media_type="text/plain"),
        Audio(base64="UklGRg==", media_type="audio/wav"),
        Text(text="x", cache=CacheMark()),
    )
    assert chat.unplaced == ()
    mark = {"mode": "explicit", "ttl": "12h"}
    part = {
        "type": "input_file",
        "file_url": "https://example.com/a",
        "detail": "high",
        "prompt_cache_breakpoint": mark,
    }
    assert names(read(input=[{"role": "user", "content": [part]}])) == [
        "input.content.detail", "input.content.prompt_cache_breakpoint.ttl",
    ]  # fmt: skip


def test_custom_tools_and_their_calls():
    grammar = {"type": "grammar", "syntax": "regex", "definition": "a+"}
    call = {"type": "custom_tool_call", "call_id": "a", "name": "f", "input": "x", "id": "ctc_1"}
    chat = read(
        tools=[{"type": "custom", "name": "f", "format": grammar}, {"type": "custom", "name": "g", "description": "G",
               "format": {"type": "text"}}],
        tool_choice={"type": "custom", "name": "f"},
        input=[USER, call, {"type": "custom_tool_call_output", "call_id": "a", "output": "y"}],
    )  # fmt: skip
    assert chat.tools == (
        CustomTool(name="f", grammar=Grammar(syntax="regex", definition="a+")),
        CustomTool(name="g", description="G"),
    )
    assert chat.tool_choice == ToolChoice(mode="named", name="f")
    assert chat.messages[1].parts == (ToolCall(id="a", name="f", arguments="x", custom=True),)
    assert chat.messages[2].parts == (ToolResult(call_id="a", parts=(Text(text="y"),), custom=True),)
    assert chat.unplaced == ()


def test_web_search():
    place = {"type": "approximate", "city": "Oslo", "region": None, "timezone": "Europe/Oslo"}
    tool = {"type": "web_search_preview", "user_location": place, "search_context_size": "high"}
    chat = read(tools=[tool], tool_choice={"type": "web_search_preview"}, max_tool_calls=2)
    location = {"city": "Oslo", "timezone": "Europe/Oslo"}
    assert chat.tools == (WebSearch(location=location, context_size="high", max_uses=2),)
    assert chat.tool_choice == ToolChoice(mode="named", name="web_search")
    assert chat.unplaced == ()
    filters = {"allowed_domains": ["a.example"], "blocked_domains": None, "later": 1}
    chat = read(tools=[{"type": "web_search_2025_08_26", "filters": filters, "external_web_access": False}])
    assert chat.tools == (WebSearch(allowed_domains=("a.example",)),)
    assert names(chat) == ["tools.external_web_access", "tools.filters.later"]


def test_tools_that_only_openai_has_go_as_they_came():
    chat = read(
        tools=[{"type": "mcp", "server_label": "w", "server_url": "https://x.example"}, {"type": "local_shell"},
               {"type": "tool_search"}],
        tool_choice={"type": "mcp", "server_label": "w", "name": "ask"},
    )  # fmt: skip
    assert [(tool.type, tool.name, tool.definition.origin) for tool in chat.tools] == [
        ("mcp", "w", "openai"), ("local_shell", None, "openai"), ("tool_search", None, "openai"),
    ]  # fmt: skip
    assert all(isinstance(tool, VendorTool) for tool in chat.tools)
    assert json.loads(chat.tools[0].definition.data)["server_url"] == "https://x.example"
    assert chat.tool_choice == ToolChoice(mode="named", name="mcp") and names(chat) == ["tool_choice.name"]


def test_a_namespaces_tools_go_under_joined_names():
    inner = [{"type": "function", "name": "f", "parameters": {"type": "object"}}, {"type": "custom", "name": "g"}]
    call = CALL | {"namespace": "crm"}
    chat = read(
        tools=[{"type": "namespace", "name": "crm", "description": "D", "tools": inner}],
        input=[USER, call, {"type": "function_call_output", "call_id": "a", "output": "1"}],
        tool_choice={"type": "function", "name": "f", "namespace": "crm"},
    )
    assert [tool.name for tool in chat.tools] == ["crm-_-f", "crm-_-g"]
    assert chat.messages[1].parts[0].name == "crm-_-f" and chat.tool_choice.name == "crm-_-f"
    assert chat.unplaced == (Note(field="tools.namespace", fate="emulated", why="its tools go under joined names"),)


def test_allowed_tools():
    allowed = {"type": "allowed_tools", "mode": "required"}
    f, search = {"type": "function", "name": "f"}, {"type": "web_search"}
    choice = read(tool_choice=allowed | {"tools": [f, search, {"type": "mcp", "server_label": "w"}]}).tool_choice
    assert choice == ToolChoice(mode="required", allowed=("f", "web_search", "mcp"))
    assert read(tool_choice=allowed | {"tools": [search]}).tool_choice == ToolChoice(mode="named", name="web_search")
    assert read(tool_choice=allowed | {"mode": "auto", "tools": [f]}).tool_choice == ToolChoice(
        mode="auto", allowed=("f",)
    )


def test_what_openai_ran_goes_as_it_came():
    sources = [{"type": "url", "url": "https://a.example"}]
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed",
              "action": {"type": "search", "query": "q", "sources": sources}}  # fmt: skip
    shell = {"type": "local_shell_call_output", "id": "l", "output": "x"}
    first, second = turns(USER, search, shell)[1].parts
    assert first == HostedToolUse(
        id="ws_1", tool="web_search", input='{"type":"search","query":"q"}',
        results=(SearchResult(url="https://a.example"),), opaque=Opaque(origin="openai", data=json.dumps(search)),
    )  # fmt: skip
    assert isinstance(second, HostedToolUse) and second.tool == "local_shell_call_output"
    assert json.loads(second.opaque.data) == shell


def test_sources_of_an_earlier_answer():
    cited = {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 1, "end_index": 2}
    file = {"type": "file_citation", "file_id": "file-1", "filename": "a.pdf", "index": 3}
    content = [
        {"type": "output_text", "text": "One.", "annotations": [cited], "logprobs": []},
        {"type": "output_text", "text": "Two.", "annotations": [cited, file]},
    ]
    first, second = turns(USER, {"role": "assistant", "content": content, "type": "message"})[1].parts
    assert first.citations == (Citation(url="https://a.example", title="A", start=1, end=2),)
    assert second.citations[0] == Citation(url="https://a.example", title="A", start=5, end=6)
    assert second.citations[1].title == "a.pdf" and json.loads(second.citations[1].opaque.data) == file


def test_what_we_sealed_is_opened():
    google, anthropic = Opaque(origin="google", data="g"), Opaque(origin="anthropic", data="ä")
    call = CALL | {"call_id": seal_id("a", google)}
    thought = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}],
               "encrypted_content": seal(anthropic, "openai")}  # fmt: skip
    hidden = {"type": "reasoning", "summary": [], "encrypted_content": "redacted." + seal(anthropic, "openai")}
    quiet = {"type": "reasoning", "summary": [], "encrypted_content": seal(anthropic, "openai")}
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "encrypted_content": seal(anthropic, "x"),
              "action": {"type": "search", "query": "q"}}  # fmt: skip
    output = {"type": "function_call_output", "call_id": seal_id("a", google), "output": "1"}
    messages = turns(USER, thought, hidden, quiet, search, call, output)
    assert messages[1].parts[:3] == (
        Reasoning(text="Hm", signature=anthropic),
        Reasoning(text="", signature=anthropic, redacted=True),
        Reasoning(text="", signature=anthropic),
    )
    assert messages[1].parts[3].opaque == anthropic
    assert messages[1].parts[4] == ToolCall(id="a", name="f", arguments="{}", signature=google)
    assert messages[2].parts[0].call_id == "a"


def test_thinking_that_is_encrypted_only():
    thought = {"type": "reasoning", "summary": [], "encrypted_content": "e", "content": None, "status": None}
    assert turns(USER, thought)[1].parts == (Reasoning(text="", signature=signed("e"), redacted=True),)


def test_what_asks_for_nothing_is_not_named():
    chat = read(
        include=["reasoning.encrypted_content"], truncation="disabled", service_tier="auto", metadata={},
        top_logprobs=0, stream_options={"include_obfuscation": False}, previous_response_id=None, background=False,
        prompt=None, store=False, conversation=None,
    )  # fmt: skip
    assert chat.unplaced == ()


def test_what_codex_sends():
    """Its thinking comes back without ids; of what it says, nothing but its own bookkeeping is lost."""
    chat = read(
        instructions="You are Codex.", store=False, stream=True, include=["reasoning.encrypted_content"],
        prompt_cache_key="k", client_metadata={"x": "y"}, text={"verbosity": "low"}, parallel_tool_calls=True,
        reasoning={"effort": "high", "summary": "auto"}, tool_choice="auto",
        tools=[
            {"type": "function", "name": "shell", "strict": False, "parameters": {"type": "object"}},
            {"type": "custom", "name": "apply_patch", "description": "D",
             "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"}},
            {"type": "web_search", "external_web_access": True},
            {"type": "tool_search", "execution": "client", "description": "D", "parameters": {}},
            {"type": "local_shell"},
        ],
        input=[
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "D"}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "U"}]},
            {"type": "reasoning", "summary": [], "content": None, "encrypted_content": "gAAA"},
            {"type": "custom_tool_call", "status": "completed", "call_id": "a", "name": "apply_patch", "input": "x"},
            {"type": "custom_tool_call_output", "call_id": "a", "output": "ok"},
        ],
    )  # fmt: skip
    assert chat.unplaced == (Note(field="client_metadata", fate="lost", why="no other dialect has it"),)
    assert [message.role for message in chat.messages] == ["system", "developer", "user", "assistant", "tool"]
    assert [type(tool).__name__ for tool in chat.tools] == [
        "Tool", "CustomTool", "WebSearch", "VendorTool", "VendorTool",
    ]  # fmt: skip
    assert chat.messages[3].parts[0] == Reasoning(text="", signature=signed("gAAA"), redacted=True)


def test_conversations_are_not_kept():
    for name, value in (
        ("store", True),
        ("background", True),
        ("previous_response_id", "resp_1"),
        ("conversation", {"id": "conv_1"}),
        ("prompt", {"id": "pmpt_1"}),
    ):
        with pytest.raises(Unsupported) as refused:
            read(**{name: value})
        assert refused.value.param == name and refused.value.status == 400 and f"`{name}`" in refused.value.message


@pytest.mark.parametrize("kind", ["item_reference", "compaction", "compaction_trigger"])
def test_what_stands_for_a_conversation_at_openai_is_refused(kind):
    with pytest.raises(Unsupported) as refused:
        turns(USER, {"type": kind, "id": "x", "later": 1})
    assert refused.value.param == "input.1.type" and kind in refused.value.message


OUTPUT = {"type": "function_call_output", "call_id": "a"}


def content(part, role="user"):
    return {"input": [{"role": role, "content": [part]}]}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": 5}, "input"),
        ({"input": [5]}, "input.0"),
        ({"input": [{"content": "x"}]}, "input.0.role"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input.0.role"),
        ({"input": [{"role": "user"}]}, "input.0.content"),
        ({"input": [{"role": "user", "content": {"text": "x"}}]}, "input.0.content"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input.0.content.0.text"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "ftp://x"}]}]},
         "input.0.content.0.image_url"),
        ({"input": [{"role": "assistant", "content": [{"type": "refusal"}]}]}, "input.0.content.0.refusal"),
        ({"input": [{"type": "", "content": "x"}]}, "input.0.type"),
        (content({"type": "refusal", "refusal": "x"}), "input.0.content.0.type"),
        (content({"type": "input_image", "image_url": "https://x"}, "system"), "input.0.content.0.type"),
        (content({"type": "later"}), "input.0.content.0.type"),
        (content({"type": "input_image"}), "input.0.content.0.image_url"),
        (content({"type": "input_image", "image_url": "data:image/png;base64,aGk="}), "input.0.content.0.image_url"),
        (content({"type": "input_image", "image_url": "data:image/png;base64,%%"}), "input.0.content.0.image_url"),
        (content({"type": "input_file"}), "input.0.content.0.file_data"),
        (content({"type": "input_file", "file_data": "aGk="}), "input.0.content.0.file_data"),
        (content({"type": "input_file", "file_url": "file:///etc"}), "input.0.content.0.file_url"),
        (content({"type": "input_audio"}), "input.0.content.0.input_audio"),
        (content({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}),
         "input.0.content.0.input_audio.data"),
        ({"input": [CALL, OUTPUT | {"output": [{"type": "refusal", "refusal": "x"}]}]}, "input.1.output.0.type"),
        ({"input": [{"type": "custom_tool_call", "call_id": "a", "name": "f"}]}, "input.0.input"),
        ({"input": [CALL | {"later": 1, "name": 5}]}, "input.0.name"),
        ({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, "input.0.call_id"),
        ({"input": [{"type": "function_call", "call_id": "a", "arguments": "{}"}]}, "input.0.name"),
        ({"input": [{"type": "function_call", "call_id": "a", "name": "f", "arguments": {}}]}, "input.0.arguments"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input.0.call_id"),
        ({"input": [CALL, OUTPUT]}, "input.1.output"),
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
        ({"tools": [{"name": "f"}]}, "tools.0.type"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools.0.name"),
        ({"tools": [5]}, "tools.0"),
        ({"tools": [{"type": "function", "name": 5}]}, "tools.0.name"),
        ({"tools": [{"type": "custom"}]}, "tools.0.name"),
        ({"tools": [{"type": "custom", "name": "f", "format": {"type": "grammar", "syntax": "lark"}}]},
         "tools.0.format.definition"),
        ({"tools": [{"type": "web_search", "filters": 5}]}, "tools.0.filters"),
        ({"tools": [{"type": "namespace", "tools": []}]}, "tools.0.name"),
        ({"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "mcp"}]}]}, "tools.0.tools.0.type"),
        ({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}}, "tool_choice.tools"),
        ({"tool_choice": "any"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"temperature": 2.5}, "temperature"),
        ({"reasoning": {"effort": "extreme"}}, "reasoning.effort"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name"),
        ({"stream": "yes"}, "stream"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"include": [5]}, "include.0"),
        ({"text": {"verbosity": "loud"}}, "text.verbosity"),
    ],
)  # fmt: skip
def test_each_refusal_names_its_field(fields, param):
    with pytest.raises(InvalidRequest) as refused:
        read(**fields)
    assert refused.value.param == param and param in refused.value.message and refused.value.status == 400


@pytest.mark.parametrize(
    "items",
    [[OUTPUT | {"output": "1"}], [CALL, CALL], [CALL, OUTPUT | {"output": "1"}, OUTPUT | {"output": "1"}]],
)
def test_calls_and_results_must_match(items):
    with pytest.raises(InvalidRequest) as refused:
        turns(*items)
    assert refused.value.param == "input" and "'a'" in refused.value.message


def test_a_relayed_body_changes_in_its_model_only():
    data = b'{ "model" : "openai/m","store":true ,"options":{"a":1}, "input":[ ], "unknown":1.0 }'
    relayed = DIALECT.relay_request(Body(data), "gpt")
    assert relayed.body == b'{ "model" : "gpt","store":true, "input":[ ], "unknown":1.0 }'
    assert relayed.filter is None
    assert DIALECT.relay_request(Body(b'{"gateway":{"id":"g"},"model":"a"}'), "b").body == b'{"model":"b"}'


def test_a_relayed_body_is_opened_where_we_sealed_it():
    google = Opaque(origin="google", data="g")
    kept = '{"type":"reasoning" , "encrypted_content":"gAAA", "summary":[]}'
    sealed = json.dumps({"type": "reasoning", "summary": [], "encrypted_content": seal(google, "openai")})
    hidden = json.dumps({"type": "reasoning", "encrypted_content": "redacted." + seal(google, "openai")})
    call = '{"type":"function_call","call_id":"%s","n":1.0}'
    said = '{"role":"user","content":"isthmus-sealed_x_"}'
    data = '{"model":"m", "input": [%s, %s,%s,%s,%s], "x":1.0}'
    marked = data % (kept, sealed, hidden, call % seal_id("a", google), said)
    relayed = DIALECT.relay_request(Body(marked.encode()), "gpt").body
    left = ",".join((kept, call % "a", said))
    assert relayed.decode() == f'{{"model":"gpt", "input": [{left}], "x":1.0}}'
    text = b'{"model":"m","input":"isthmus-sealed_x_"}'
    assert DIALECT.relay_request(Body(text), "m").body == text


def test_thinking_that_nobody_signed_is_not_looked_for_at_openai():
    """OpenAI would look for it by its id: it keeps nothing, and answers 404."""
    writer = DIALECT.writer(True, Chat(model="m", messages=()))
    events = (Started(id="x", model="m"), ReasoningDelta(text="Hm."), TextDelta(text="So."), Finished(reason="stop"))
    answer = json.loads(b"".join([*(writer.write(event) for event in events), writer.close()]))
    thought, said = answer["output"]
    assert thought["type"] == "reasoning" and "encrypted_content" not in thought
    signed = thought | {"encrypted_content": "gAAA"}
    data = json.dumps({"model": "m", "input": [thought, said, signed]}).encode()
    relayed = DIALECT.relay_request(Body(data), "m")
    back = json.loads(relayed.body)["input"]
    assert back[0] == said and back[1]["encrypted_content"] == "gAAA" and "sealed" not in back[1]["id"]
    assert [(note.fate, note.field) for note in relayed.notes] == [("lost", "messages.reasoning")]
    (first, _, last) = DIALECT.read_request(Body(data)).messages[0].parts
    assert first == Reasoning(text="Hm.") and "sealed" not in last.signature.data


def test_what_the_dialect_calls_things():
    assert DIALECT.origin == "openai" and DIALECT.spellings["messages"] == "input"
    assert DIALECT.spellings["max_tokens"] == "max_output_tokens"


def test_deep_nesting_is_refused():
    deep = b"[" * 5000 + b"]" * 5000
    for field in ("input", "tools", "metadata", "text", "tool_choice"):
        with pytest.raises(InvalidRequest):
            DIALECT.read_request(Body(b'{"model":"m","%b":%b}' % (field.encode(), deep)))
    for field, kind in (
        ("input", b"web_search_call"),
        ("input", b"message"),
        ("tools", b"mcp"),
        ("tools", b"function"),
    ):
        with pytest.raises(InvalidRequest) as refused:
            item = b'[{"type":"%b","x":%b}]' % (kind, deep)
            DIALECT.read_request(Body(b'{"model":"m","%b":%b}' % (field.encode(), item)))
        assert refused.value.message
