"""What is sent to OpenAI for a conversation in nobody's words."""

from __future__ import annotations

import json

import msgspec
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
    HostedToolUse,
    Image,
    Message,
    Opaque,
    Reasoning,
    Refusal,
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
from isthmus.wire.openai_responses import DIALECT

TOOL = Tool(name="f")


def says(role, *texts, **more):
    return Message(role=role, parts=tuple(Text(text=text) for text in texts), **more)


HELLO = says("user", "Hello.")


ENCRYPTED = "reasoning.encrypted_content"
SIGNED = Opaque(origin="openai", data='{"encrypted_content":"e","id":"rs_1"}')
ELSEWHERE = Opaque(origin="anthropic", data="s")


@pytest.fixture
def write(validate):
    """What is sent, and the fields that the receipt names."""

    def written(*messages, model=Model(name="gpt", thinking="adaptive"), **fields):  # noqa: B008 - frozen
        chat = Chat(model="ours", messages=messages or (HELLO,), **fields)
        out = DIALECT.write_request(chat, model)
        asked = json.loads(out.body)
        validate("CreateResponse", asked)
        assert out.fetch == ()
        return asked, tuple((note.fate, note.field) for note in out.notes)

    return written


def test_the_least_there_is(write):
    asked, notes = write()
    hello = {"type": "message", "role": "user", "content": "Hello."}
    assert asked == {"model": "gpt", "input": [hello], "store": False, "stream": False, "include": [ENCRYPTED]}
    assert notes == ()


def test_instructions_keep_their_place(write):
    asked, notes = write(says("system", "A"), HELLO, says("developer", "B", "C"))
    assert [(item["role"], item["content"]) for item in asked["input"]] == [
        ("system", "A"),
        ("user", "Hello."),
        ("developer", [{"type": "input_text", "text": "B"}, {"type": "input_text", "text": "C"}]),
    ]
    assert "instructions" not in asked and notes == ()


def test_an_assistants_turn_is_taken_apart(write):
    call, later = ToolCall(id="a", name="f", arguments='{"x":1}'), ToolCall(id="b", name="g", arguments="")
    parts = (Reasoning(text="Hm.", signature=SIGNED), Text(text="S"), Text(text="o"), call, Text(text="And"), later)
    asked, notes = write(HELLO, Message(role="assistant", parts=parts))
    thought = {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}
    assert asked["input"][1:] == [
        thought | {"encrypted_content": "e"},
        {"type": "message", "role": "assistant", "content": "So"},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": '{"x":1}'},
        {"type": "message", "role": "assistant", "content": "And"},
        {"type": "function_call", "call_id": "b", "name": "g", "arguments": "{}"},
    ]
    assert notes == ()


def test_thinking_of_others_stays_behind(write):
    said = Text(text="So.")
    for thought in (Reasoning(text="Hm."), Reasoning(text="Hm.", signature=ELSEWHERE),
                    Reasoning(text="", signature=Opaque(origin="openai", data="no JSON"), redacted=True)):  # fmt: skip
        asked, notes = write(HELLO, Message(role="assistant", parts=(thought, said)))
        assert [item["type"] for item in asked["input"]] == ["message", "message"]
        assert notes == (("lost", "messages.reasoning"),)
    call = ToolCall(id="a", name="f", arguments="", signature=ELSEWHERE)
    assert write(HELLO, Message(role="assistant", parts=(call,)))[1] == (("lost", "messages.reasoning"),)


def test_thinking_that_nothing_follows_is_left_out(write):
    asked, notes = write(HELLO, Message(role="assistant", parts=(Reasoning(text="", signature=SIGNED),)), HELLO)
    assert len(asked["input"]) == 2 and notes == (("lost", "messages.reasoning"),)


def test_custom_calls_and_what_openai_ran(write):
    shell = {"type": "local_shell_call_output", "id": "l", "call_id": "s", "output": "x"}
    own = HostedToolUse(id="l", tool="local_shell_call_output", opaque=Opaque(origin="openai", data=json.dumps(shell)))
    other = HostedToolUse(id="srv", tool="web_search", opaque=ELSEWHERE)
    call = ToolCall(id="a", name="f", arguments="free", custom=True)
    result = ToolResult(call_id="a", parts=(Text(text="1"),))
    asked, notes = write(HELLO, Message(role="assistant", parts=(own, other, call)),
                         Message(role="tool", parts=(result,)))  # fmt: skip
    assert asked["input"][1:] == [
        shell,
        {"type": "custom_tool_call", "call_id": "a", "name": "f", "input": "free"},
        {"type": "custom_tool_call_output", "call_id": "a", "output": "1"},
    ]
    assert notes == (("lost", "messages.hosted_tool_use"),)


def test_sources_of_an_earlier_answer(write):
    file = {"type": "file_path", "file_id": "file-1", "index": 0}
    text = Text(text="Two.", citations=(
        Citation(url="https://a.example", start=5, end=7),
        Citation(url="https://b.example", title="B"),
        Citation(opaque=Opaque(origin="openai", data=json.dumps(file))),
        Citation(document=0, title="D"),
    ))  # fmt: skip
    asked, notes = write(HELLO, Message(role="assistant", parts=(Text(text="One."), text)))
    page = {"type": "url_citation"}
    assert asked["input"][1]["content"][1]["annotations"] == [
        page | {"url": "https://a.example", "start_index": 1, "end_index": 3, "title": ""},
        page | {"url": "https://b.example", "start_index": 0, "end_index": 4, "title": "B"},
        file,
    ]
    assert notes == (("lost", "messages.citations"),)


def test_ids_that_are_too_long_stay_in_pairs(write):
    call = ToolCall(id="x" * 65, name="f", arguments="{}")
    result = ToolResult(call_id="x" * 65, parts=(Text(text="1"),))
    asked, _ = write(HELLO, Message(role="assistant", parts=(call,)), Message(role="tool", parts=(result,)))
    ids = {item["call_id"] for item in asked["input"][1:]}
    assert len(ids) == 1 and len(ids.pop()) <= 64


def test_a_refusal_stays_one(write):
    refused = Message(role="assistant", parts=(Text(text="Hm."), Refusal(text="No.")))
    asked, notes = write(HELLO, refused, HELLO, refused)
    first, second = asked["input"][1], asked["input"][3]
    assert first["content"] == [
        {"type": "output_text", "text": "Hm.", "annotations": [], "logprobs": []},
        {"type": "refusal", "refusal": "No."},
    ]
    assert first["id"] != second["id"] and first["id"].startswith("msg_") and notes == ()


def test_the_results_of_tools(write):
    image = Image(base64="iVBORw0KGgo=", media_type="image/png")
    results = (
        ToolResult(call_id="a", parts=(Text(text="1"),)),
        ToolResult(call_id="b", parts=(Text(text="1"),), is_error=True),
        ToolResult(call_id="c", parts=()),
        ToolResult(call_id="d", parts=(), is_error=True),
        ToolResult(call_id="e", parts=(image,), is_error=True),
    )
    asked, notes = write(*(Message(role="tool", parts=(result,)) for result in results))
    picture = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo=", "detail": "auto"}
    assert [(item["call_id"], item["output"]) for item in asked["input"]] == [
        ("a", "1"),
        ("b", "Error: 1"),
        ("c", ""),
        ("d", "Error: "),
        ("e", [{"type": "input_text", "text": "Error:"}, picture]),
    ]
    assert notes == (("emulated", "messages.tool_result.is_error"),)


def test_images_and_names(write):
    image = Image(url="https://example.com/a.png", detail="low")
    asked, notes = write(Message(role="user", parts=(image,), name="Ada"))
    assert asked["input"][0]["content"] == [
        {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "low"}
    ]
    assert notes == (("lost", "messages.name"),)


def test_files(write):
    own = Opaque(origin="openai", data="file-1")
    parts = (
        Image(file=own),
        Document(file=own, name="x"),
        Document(url="https://example.com/a.pdf", cite=True),
        Document(base64="JVBERi0x", media_type="application/pdf", context="C"),
        Document(text="hello", name="a.txt"),
    )
    asked, notes = write(Message(role="user", parts=parts))
    assert asked["input"][0]["content"] == [
        {"type": "input_image", "detail": "auto", "file_id": "file-1"},
        {"type": "input_file", "file_id": "file-1"},
        {"type": "input_file", "file_url": "https://example.com/a.pdf"},
        {"type": "input_text", "text": "C"},
        {"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,JVBERi0x"},
        {"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain;base64,aGVsbG8="},
    ]
    assert notes == (
        ("lost", "messages.document.name"),
        ("lost", "messages.document.citations"),
        ("emulated", "messages.document.context"),
    )


def test_sound():
    """OpenAI's specification has the part, but does not list it among a message's: so it is not validated here."""
    sound = Audio(base64="SUQz", media_type="audio/mpeg")
    chat = Chat(model="m", messages=(Message(role="user", parts=(sound,)),))
    asked = json.loads(DIALECT.write_request(chat, Model(name="gpt")).body)
    assert asked["input"][0]["content"] == [{"type": "input_audio", "input_audio": {"data": "SUQz", "format": "mp3"}}]


@pytest.mark.parametrize(
    "part",
    [
        Video(url="https://example.com/a.mp4"),
        Audio(base64="SUQz", media_type="audio/ogg"),
        Image(file=ELSEWHERE),
        Document(file=ELSEWHERE),
    ],
)
def test_content_that_cannot_be_given_is_refused(write, part):
    with pytest.raises(Unsupported) as refused:
        write(Message(role="user", parts=(part,)))
    assert refused.value.param == "messages"


def test_sound_as_a_tools_result_is_refused(write):
    call = Message(role="assistant", parts=(ToolCall(id="a", name="f", arguments=""),))
    result = ToolResult(call_id="a", parts=(Audio(base64="SUQz", media_type="audio/mp3"),))
    with pytest.raises(Unsupported):
        write(HELLO, call, Message(role="tool", parts=(result,)))


def test_content_that_the_model_does_not_take_is_refused(write):
    model = Model(name="gpt", input=frozenset(("text",)))
    assert write(Message(role="user", parts=(Document(text="x"),)), model=model)[1] == ()
    for part in (Image(url="https://example.com/a.png"), Document(url="https://example.com/a.pdf")):
        with pytest.raises(Unsupported):
            write(Message(role="user", parts=(part,)), model=model)


def test_cache_marks_are_not_needed(write):
    marked = Message(role="user", parts=(Text(text="x", cache=CacheMark()),))
    expected = (("emulated", "cache_control"),)
    assert write(marked)[1] == write(cache=CacheMark())[1] == expected
    assert write(tools=(Tool(name="f", cache=CacheMark(ttl="1h")),))[1] == expected


def test_what_the_model_refuses_is_left_out(write):
    model = Model(name="gpt", refuses=frozenset(("temperature", "top_p", "tools")), thinking="none")
    asked, notes = write(model=model, temperature=0.5, effort="high", summary="auto", logprobs=True)
    assert asked == {"model": "gpt", "input": asked["input"], "store": False, "stream": False,
                     "include": ["message.output_text.logprobs"]}  # fmt: skip
    assert notes == (("lost", "temperature"), ("lost", "effort"))
    assert write(model=model, thinking_budget=5000)[1] == (("lost", "thinking_budget"),)
    assert write(model=model, effort="none")[1] == ()


def test_several_answers_are_refused(write):
    with pytest.raises(Unsupported) as refused:
        write(choices=2)
    assert refused.value.param == "choices"


def test_hosted_tools(write):
    code = {"type": "code_interpreter", "container": {"type": "auto"}}
    own = VendorTool(type="code_interpreter", definition=Opaque(origin="openai", data=json.dumps(code)))
    other = VendorTool(type="bash_20250124", definition=ELSEWHERE)
    search = WebSearch(max_uses=3, blocked_domains=("b.example",), location={"city": "Oslo"}, context_size="low")
    asked, notes = write(tools=(search,))
    place = {"type": "approximate", "city": "Oslo"}
    assert asked["tools"] == [{"type": "web_search", "user_location": place, "search_context_size": "low"}]
    assert asked["max_tool_calls"] == 3 and notes == (("lost", "tools.web_search.blocked_domains"),)
    asked, notes = write(tools=(WebSearch(max_uses=3), own, other))
    assert asked["tools"] == [{"type": "web_search"}, code] and "max_tool_calls" not in asked
    assert notes == (("lost", "tools.bash_20250124"), ("lost", "tools.web_search.max_uses"))
    assert "tools" not in write(tools=(other,))[0]


def test_choices_of_tools(write):
    own = VendorTool(type="code_interpreter", definition=Opaque(origin="openai", data='{"type":"code_interpreter",'
                     '"container":{"type":"auto"}}'))  # fmt: skip
    other = VendorTool(type="bash_20250124", definition=ELSEWHERE)
    tools = (TOOL, CustomTool(name="c"), WebSearch(), own, other)
    named = {name: write(tools=tools, tool_choice=ToolChoice(mode="named", name=name))[0]["tool_choice"]
             for name in ("f", "c", "web_search", "code_interpreter")}  # fmt: skip
    assert named == {
        "f": {"type": "function", "name": "f"},
        "c": {"type": "custom", "name": "c"},
        "web_search": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "web_search"}]},
        "code_interpreter": {"type": "code_interpreter"},
    }
    allowed = ToolChoice(mode="auto", allowed=("f", "c", "bash_20250124"))
    assert write(tools=tools, tool_choice=allowed)[0]["tool_choice"] == {
        "type": "allowed_tools", "mode": "auto",
        "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "c"}],
    }  # fmt: skip
    for choice in (
        ToolChoice(mode="named", name="bash_20250124"),
        ToolChoice(mode="auto", allowed=("bash_20250124",)),
    ):
        with pytest.raises(Unsupported) as refused:
            write(tools=tools, tool_choice=choice)
        assert refused.value.param == "tool_choice"
    with pytest.raises(Unsupported):
        write(tools=(other,), tool_choice=ToolChoice(mode="required"))


def test_schemas_that_are_nested_too_deeply_are_refused():
    schema = {}
    for _ in range(5000):
        schema = {"items": schema}
    with pytest.raises(InvalidRequest):
        DIALECT.write_request(
            Chat(model="m", messages=(HELLO,), tools=(Tool(name="f", parameters=schema),)), Model(name="m")
        )


def test_tools_say_whether_they_are_strict(write):
    schema = {"type": "object", "properties": {"x": {}}, "required": ["x"], "additionalProperties": False}
    tools = (Tool(name="f", description="F", parameters=schema, strict=True), TOOL)
    asked, _ = write(tools=tools, tool_choice=ToolChoice(mode="named", name="f"), parallel_tool_calls=True)
    empty = {"type": "object", "properties": {}}
    assert asked["tools"] == [
        {"type": "function", "name": "f", "description": "F", "parameters": schema, "strict": True},
        {"type": "function", "name": "f", "description": None, "parameters": empty, "strict": False},
    ]
    assert asked["tool_choice"] == {"type": "function", "name": "f"} and asked["parallel_tool_calls"] is True
    assert write(tools=(TOOL,), tool_choice=ToolChoice(mode="required"))[0]["tool_choice"] == "required"
    assert "tool_choice" not in write(tool_choice=ToolChoice(mode="auto"))[0]


HALF = {"type": "object", "properties": {"x": {}, "y": {}}, "additionalProperties": False, "required": ["x"]}


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (HALF | {"required": ["y", "x"]}, True),
        (HALF, False),
        (HALF | {"required": None}, False),
        ({"type": "object"}, False),
        ({"type": ["null", "object"]}, False),
        ({"type": "object", "additionalProperties": {"type": "string"}}, False),
        ({"type": "array", "items": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/a"}]}, "$defs": {"a": HALF}}, False),
        ({"type": "array", "items": {"anyOf": [{"type": "null"}, {"properties": {}}]}}, False),
        ({"type": "array", "items": [], "anyOf": 5, "properties": 5, "additionalProperties": False}, True),
        ({"enum": ["a", None]}, True),
    ],
)
def test_schemas_that_openai_would_refuse_are_only_shown(write, schema, strict):
    """Other vendors hold their models to schemas that say less."""
    asked, notes = write(answer_format=AnswerFormat(schema=schema, strict=True), tools=(
        Tool(name="f", parameters=schema, strict=True), Tool(name="g", parameters=schema)))  # fmt: skip
    assert asked["text"]["format"]["schema"] == schema and asked["text"]["format"]["strict"] is strict
    assert [(tool["parameters"], tool["strict"]) for tool in asked["tools"]] == [(schema, strict), (schema, False)]
    assert notes == (() if strict else (("emulated", "answer_format"), ("lost", "tools.strict")))


@pytest.mark.parametrize(
    ("fields", "sent", "notes"),
    [
        ({"max_tokens": 100, "temperature": 1.5, "top_p": 0.5},
         {"max_output_tokens": 100, "temperature": 1.5, "top_p": 0.5}, ()),
        ({"max_tokens": 5}, {"max_output_tokens": 16}, (("lost", "max_tokens"),)),
        ({"stop": ("x",), "seed": 1, "top_k": 2, "frequency_penalty": 0.1, "presence_penalty": 0.1,
          "logit_bias": {"1": 1.0}}, {},
         tuple(("lost", name) for name in
               ("top_k", "stop", "seed", "frequency_penalty", "presence_penalty", "logit_bias"))),
        ({"frequency_penalty": 0.0}, {}, ()),
        ({"seed": 0}, {}, (("lost", "seed"),)),
        ({"effort": "low", "summary": "auto"}, {"reasoning": {"effort": "low", "summary": "auto"}}, ()),
        ({"summary": "none"}, {}, ()),
        ({"effort": "max"}, {"reasoning": {"effort": "xhigh"}}, (("emulated", "effort"),)),
        ({"thinking_budget": 0}, {"reasoning": {"effort": "none"}}, ()),
        ({"thinking_budget": -1}, {}, ()),
        ({"thinking_budget": 1024}, {"reasoning": {"effort": "low"}}, ()),
        ({"thinking_budget": 8192}, {"reasoning": {"effort": "medium"}}, ()),
        ({"thinking_budget": 8193}, {"reasoning": {"effort": "high"}}, ()),
        ({"verbosity": "low"}, {"text": {"verbosity": "low"}}, ()),
        ({"logprobs": True, "top_logprobs": 2},
         {"include": ["message.output_text.logprobs", ENCRYPTED], "top_logprobs": 2}, ()),
        ({"cache_key": "k", "cache_retention": "24h", "service_tier": "flex"},
         {"prompt_cache_key": "k", "prompt_cache_retention": "24h", "service_tier": "flex"}, ()),
        ({"metadata": {"a": "b"}}, {"metadata": {"a": "b"}}, ()),
        ({"metadata": {"a": "b" * 513}}, {}, (("lost", "metadata"),)),
        ({"user": "u"}, {"user": "u"}, ()),
        ({"answer_format": AnswerFormat()}, {"text": {"format": {"type": "json_object"}}}, ()),
        ({"answer_format": AnswerFormat(name="n", schema={"type": "object"}, description="d")},
         {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "description": "d",
                              "strict": False}}}, ()),
    ],
)  # fmt: skip
def test_sampling_and_the_rest(write, fields, sent, notes):
    asked, named = write(**fields)
    rest = {name: value for name, value in asked.items() if name not in ("model", "input", "store", "stream")}
    assert rest == {"include": [ENCRYPTED]} | sent and named == notes


def test_no_more_is_asked_for_than_the_model_can_say(write):
    model = Model(name="gpt", max_output_tokens=100)
    assert [write(model=model, max_tokens=n)[0]["max_output_tokens"] for n in (99, 101)] == [99, 100]


@pytest.mark.parametrize(
    ("asks", "fields"),
    [
        (False, {}),
        (False, {"effort": "none"}),
        (False, {"effort": "minimal"}),
        (False, {"thinking_budget": 0}),
        (True, {"effort": "low"}),
        (True, {"thinking_budget": -1}),
        (True, {"keep_reasoning": True}),
    ],
)
def test_a_model_of_which_nothing_is_known_is_asked_for_thinking_by_those_who_want_it(write, asks, fields):
    asked, notes = write(model=Model(name="gpt"), **fields)
    assert asked.get("include") == ([ENCRYPTED] if asks else None) and notes == ()
    thought = Message(role="assistant", parts=(Reasoning(text="Hm.", signature=SIGNED), Text(text="So.")))
    assert write(HELLO, thought, model=Model(name="gpt"), **fields)[0]["include"] == [ENCRYPTED]


def test_every_field_of_a_chat_is_written_or_named(write):
    """A field that is added to `Chat` must be placed here, or be named as lost."""
    told = {
        "tools": (TOOL,), "tool_choice": ToolChoice(mode="auto"), "parallel_tool_calls": False, "max_tokens": 90,
        "temperature": 0.5, "top_p": 0.5, "top_k": 5, "stop": ("x",), "seed": 5, "frequency_penalty": 0.5,
        "presence_penalty": 0.5, "answer_format": AnswerFormat(schema={"type": "object"}), "effort": "low",
        "thinking_budget": 2000, "user": "u", "stream": True, "logit_bias": {"1": 1.0}, "logprobs": True,
        "top_logprobs": 2, "verbosity": "low", "summary": "auto", "cache": CacheMark(), "cache_key": "k",
        "cache_retention": "24h", "service_tier": "flex", "metadata": {"a": "b"},
    }  # fmt: skip
    # Thinking always comes back in a form that can be sent again; several answers are refused.
    elsewhere = {"model", "messages", "include_usage", "unplaced", "keep_reasoning", "choices"}
    assert set(told) | elsewhere == {field.name for field in msgspec.structs.fields(Chat)}
    plainly, _ = write(tools=(TOOL,))
    for name, value in told.items():
        asked, notes = write(**{"tools": (TOOL,), name: value})
        named = {"cache": "cache_control"}.get(name, name)
        assert name == "tools" or asked != plainly or [field for _, field in notes] == [named], name
