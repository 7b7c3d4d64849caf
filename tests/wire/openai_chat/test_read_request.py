"""What callers send, read; and what is refused, by the name of the field."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from isthmus.core.chat.request import (
    AnswerFormat,
    Audio,
    CacheMark,
    Chat,
    CustomTool,
    Document,
    Grammar,
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
    Video,
    WebSearch,
)
from isthmus.errors import InvalidRequest, RequestError, Unsupported
from isthmus.wire.body import Body
from isthmus.wire.openai_chat import OPENAI_CHAT

HELLO = [{"role": "user", "content": "Hello"}]
PNG = "iVBORw0KGgoAAAANSUhEUg=="
PDF = "JVBERi0xLjQK"
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def read(messages: Any = HELLO, **fields: Any) -> Chat:
    return OPENAI_CHAT.read_request(Body(msgspec.json.encode({"model": "a/b", "messages": messages, **fields})))


def refusal(messages: Any = HELLO, **fields: Any) -> RequestError:
    with pytest.raises(RequestError) as caught:
        read(messages, **fields)
    assert caught.value.status == 400
    return caught.value


def test_the_least_there_can_be() -> None:
    said = Message(role="user", parts=(Text(text="Hello"),))
    assert read() == Chat(model="a/b", messages=(said,), include_usage=False)


def test_a_whole_conversation() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"at":"Bern"}'}}
    chat = read(
        [
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
            {
                "role": "user",
                "name": "ann",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "data:image/PNG;name=a.png;base64," + PNG}},
                ],
            },
            {
                "role": "assistant",
                "content": "",
                "reasoning_content": "Hm.",
                "tool_calls": [call, {**call, "id": "c2"}],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "rain"}]},
            {"role": "assistant", "content": None, "refusal": "No.", "annotations": [], "audio": None},
            {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "b"}]},
            {"role": "user", "content": ""},
        ]
    )
    made = ToolCall(id="call_1", name="weather", arguments='{"at":"Bern"}')
    assert chat.unplaced == ()
    assert chat.messages == (
        Message(role="system", parts=(Text(text="Be brief."),)),
        Message(role="developer", parts=(Text(text="Be kind."),)),
        Message(
            role="user",
            name="ann",
            parts=(
                Text(text="What is this?"),
                Image(url="https://x.test/a.png", detail="low"),
                Image(base64=PNG, media_type="image/png"),
            ),
        ),
        Message(role="assistant", parts=(Reasoning(text="Hm."), made, msgspec.structs.replace(made, id="c2"))),
        Message(role="tool", parts=(ToolResult(call_id="call_1", parts=(Text(text="sunny"),)),)),
        Message(role="tool", parts=(ToolResult(call_id="c2", parts=(Text(text="rain"),)),)),
        Message(role="assistant", parts=(Refusal(text="No."),)),
        Message(role="assistant", parts=(Text(text="a"), Refusal(text="b"))),
        Message(role="user", parts=(Text(text=""),)),
    )


def test_every_parameter_has_its_place() -> None:
    chat = read(
        max_tokens=5,
        max_completion_tokens=7,
        temperature=0.5,
        top_p=1,
        stop="END",
        seed=3,
        frequency_penalty=0.1,
        presence_penalty=-0.1,
        n=1,
        tools=[WEATHER],
        parallel_tool_calls=False,
        reasoning_effort="low",
        user="u",
        stream=True,
        stream_options={"include_usage": True},
    )
    said = Message(role="user", parts=(Text(text="Hello"),))
    assert chat == Chat(
        model="a/b",
        messages=(said,),
        tools=(Tool(name="weather", parameters={"type": "object"}),),
        parallel_tool_calls=False,
        max_tokens=7,
        temperature=0.5,
        top_p=1.0,
        stop=("END",),
        seed=3,
        frequency_penalty=0.1,
        presence_penalty=-0.1,
        effort="low",
        user="u",
        stream=True,
        include_usage=True,
    )


def test_null_is_absent() -> None:
    names = (
        "max_tokens max_completion_tokens temperature top_p stop seed frequency_penalty presence_penalty n tools "
        "tool_choice parallel_tool_calls response_format reasoning_effort user stream stream_options logprobs functions"
    )
    assert read(**dict.fromkeys(names.split())) == read()


@pytest.mark.parametrize(
    ("fields", "placed"),
    [
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"stop": ["a", "b"]}, {"stop": ("a", "b")}),
        ({"stop": []}, {"stop": ()}),
        ({"safety_identifier": "s"}, {"user": "s"}),
        ({"tools": [WEATHER], "tool_choice": "auto"}, {"tool_choice": ToolChoice(mode="auto")}),
        ({"tool_choice": "none"}, {"tool_choice": ToolChoice(mode="none")}),
        ({"tools": [WEATHER], "tool_choice": "required"}, {"tool_choice": ToolChoice(mode="required")}),
        (
            {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "weather"}}},
            {"tool_choice": ToolChoice(mode="named", name="weather")},
        ),
        ({"response_format": {"type": "text"}}, {"answer_format": None}),
        ({"response_format": {"type": "json_object"}}, {"answer_format": AnswerFormat()}),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "n", "strict": True, "description": "d", "schema": {"type": "object"}},
                }
            },
            {"answer_format": AnswerFormat(name="n", schema={"type": "object"}, strict=True, description="d")},
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"type": "object", "properties": {}}}},
            {"answer_format": AnswerFormat(schema={"type": "object", "properties": {}})},
        ),
        ({"stream": True, "stream_options": {"include_usage": False}}, {"include_usage": False}),
    ],
)
def test_where_a_parameter_goes(fields: dict[str, Any], placed: dict[str, Any]) -> None:
    chat = read(**fields)
    assert {name: getattr(chat, name) for name in placed} == placed
    assert chat.unplaced == ()


def test_what_has_no_place_is_named_and_what_is_ours_is_not() -> None:
    chat = read(
        [{"role": "user", "content": [{"type": "text", "text": "x", "colour": "red"}]}],
        user="u",
        safety_identifier="s",
        store=True,
        prediction={"type": "content", "content": "x"},
        options={"rejectIfBusy": True},
        gateway={"id": "x"},
    )
    assert {(note.field, note.fate) for note in chat.unplaced} == {
        ("messages.content.colour", "lost"),
        ("prediction", "lost"),
        ("safety_identifier", "lost"),
        ("store", "lost"),
    }
    assert read(store=False, modalities=["text"], audio=None, prediction=None, metadata={}).unplaced == ()


def test_what_other_dialects_have_under_their_own_names() -> None:
    chat = read(
        n=3,
        logprobs=True,
        top_logprobs=2,
        logit_bias={"50256": -100},
        top_k=4,
        verbosity="low",
        service_tier="flex",
        prompt_cache_key="k",
        prompt_cache_retention="24h",
        metadata={"a": "b"},
        cache_control={"type": "ephemeral", "ttl": "1h"},
        web_search_options={
            "search_context_size": "low",
            "user_location": {"type": "approximate", "approximate": {"country": "CH", "city": "Bern"}},
        },
    )
    assert chat.unplaced == ()
    search = WebSearch(context_size="low", location={"city": "Bern", "country": "CH"})
    assert chat == msgspec.structs.replace(
        read(),
        choices=3,
        logprobs=True,
        top_logprobs=2,
        logit_bias={"50256": -100.0},
        top_k=4,
        verbosity="low",
        service_tier="flex",
        cache_key="k",
        cache_retention="24h",
        metadata={"a": "b"},
        cache=CacheMark(ttl="1h"),
        tools=(search,),
    )


def test_audio_of_an_earlier_turn_is_named() -> None:
    chat = read([*HELLO, {"role": "assistant", "content": "a", "audio": {"id": "audio_1"}}])
    assert [(note.field, note.fate) for note in chat.unplaced] == [("messages.audio", "lost")]


def test_the_input_of_run_has_no_model() -> None:
    assert OPENAI_CHAT.read_request(Body(b'{"messages":[{"role":"user","content":"x"}]}')).model == ""


def user(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([], "messages"),
        ("Hello", "messages"),
        ([{"content": "x"}], "messages.0.role"),
        ([{"role": "robot", "content": "x"}], "messages.0.role"),
        ([{"role": "user"}], "messages.0.content"),
        ([{"role": "user", "content": None}], "messages.0.content"),
        ([{"role": "user", "content": 3}], "messages.0.content"),
        ([{"role": "user", "content": []}], "messages.0.content"),
        ([*HELLO, {"role": "tool", "content": "x"}], "messages.1.tool_call_id"),
        ([{"role": "user", "content": "x", "tool_calls": [{"id": "1"}]}], "messages.0.tool_calls"),
        ([{"role": "assistant", "tool_calls": [{"id": "1"}]}], "messages.0.tool_calls.0.function"),
        ([{"role": "assistant", "tool_calls": [{"id": "", "function": {"name": "f"}}]}], "messages.0.tool_calls.0.id"),
        ([{"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}], "messages.0.tool_calls.0.id"),
        (user({"text": "x"}), "messages.0.content.0.type"),
        (user({"type": "text"}), "messages.0.content.0.text"),
        (user({"type": "image_url"}), "messages.0.content.0.image_url"),
        (user({"type": "video", "text": "x"}), "messages.0.content.0.type"),
        (user({"type": "refusal", "refusal": "x"}), "messages.0.content.0.type"),
        (user({"type": "image_url", "image_url": {"url": "ftp://x"}}), "messages.0.content.0.image_url.url"),
        (user({"type": "image_url", "image_url": {"url": "data:text/plain,x"}}), "messages.0.content.0.image_url.url"),
        (user({"type": "image_url", "image_url": "https://x"}), "messages.0.content.0.image_url"),
    ],
)
def test_a_wrong_message_is_refused_by_its_path(messages: Any, param: str) -> None:
    error = refusal(messages)
    assert isinstance(error, InvalidRequest)
    assert error.param == param
    assert f"`{param}" in error.message


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"stop": [1]}, "stop.0"),
        ({"n": 0}, "n"),
        ({"tools": [{"type": "function"}]}, "tools.0.function"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools.0.function.name"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": "any"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.function"),
        (
            {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "x"}}},
            "tool_choice.function.name",
        ),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": 3}}}, "response_format.json_schema"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_a_wrong_parameter_is_refused_by_its_name(fields: dict[str, Any], param: str) -> None:
    error = refusal(**fields)
    assert isinstance(error, InvalidRequest)
    assert error.param == param
    assert f"`{param}`" in error.message


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"tools": [{"type": "code_interpreter"}]}, "tools.0.type"),
    ],
)
def test_what_cannot_be_served_is_said_to_be_so(fields: dict[str, Any], param: str) -> None:
    error = refusal(**fields)
    assert isinstance(error, Unsupported)
    assert error.param == param


# --- media ----------------------------------------------------------------------------------------------------------


def parts_of(*parts: dict[str, Any]) -> tuple[Any, ...]:
    return read(user(*parts)).messages[0].parts


def test_media_of_every_kind() -> None:
    assert parts_of(
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PDF}", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "file", "file": {"file_data": "https://x.test/a.pdf"}},
        {"type": "file", "file": {"file_data": f"data:image/png;base64,{PNG}"}},
        {"type": "video_url", "video_url": {"url": "https://x.test/a.mp4"}},
    ) == (
        Audio(base64="UklGRg==", media_type="audio/wav"),
        Document(base64=PDF, media_type="application/pdf", name="a.pdf"),
        Document(file=Opaque(origin="openai", data="file-1")),
        Document(url="https://x.test/a.pdf"),
        Image(base64=PNG, media_type="image/png"),
        Video(url="https://x.test/a.mp4"),
    )


def test_a_mark_on_a_message_is_its_last_parts() -> None:
    mark = {"type": "ephemeral"}
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "system", "content": "s", "cache_control": mark},
        {
            "role": "user",
            "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            "cache_control": mark,
        },
        {"role": "assistant", "content": "x", "tool_calls": [call], "cache_control": {**mark, "ttl": "1h"}},
        {"role": "tool", "tool_call_id": "c", "content": "r", "cache_control": mark},
    ]
    system, user, assistant, tool = OPENAI_CHAT.read_request(
        Body(msgspec.json.encode({"model": "m", "messages": messages}))
    ).messages
    assert system.parts == (Text(text="s", cache=CacheMark()),)
    assert user.parts == (Text(text="a"), Text(text="b", cache=CacheMark()))
    assert assistant.parts[0] == Text(text="x") and assistant.parts[1].cache == CacheMark(ttl="1h")  # type: ignore[union-attr]
    assert tool.parts[0].cache == CacheMark()  # type: ignore[union-attr]


def test_cache_marks_as_other_servers_take_them() -> None:
    marked = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
    assert parts_of(marked, {**marked, "cache_control": {"type": "ephemeral", "ttl": "1h"}}) == (
        Text(text="x", cache=CacheMark()),
        Text(text="x", cache=CacheMark(ttl="1h")),
    )
    (tool,) = read(tools=[{**WEATHER, "cache_control": {"type": "ephemeral"}}]).tools
    assert tool == Tool(name="weather", parameters={"type": "object"}, cache=CacheMark())


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0"}}, "image_url.url"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,!!!!"}}, "image_url.url"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}, "image_url.url"),
        ({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PDF}"}}, "image_url.url"),
        ({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}, "image_url.url"),
        ({"type": "input_audio"}, "input_audio"),
        ({"type": "input_audio", "input_audio": {"data": "x", "format": "wav"}}, "input_audio.data"),
        ({"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "a/b"}}, "input_audio.format"),
        ({"type": "input_audio", "input_audio": {}}, "input_audio.data"),
        ({"type": "file", "file": {}}, "file.file_data"),
        ({"type": "file", "file": {"file_data": "ftp://x"}}, "file.file_data"),
        ({"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PNG}"}}, "file.file_data"),
        ({"type": "video_url", "video_url": {"url": "rtsp://x"}}, "video_url.url"),
        ({"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "9d"}}, "cache_control.ttl"),
    ],
)
def test_media_that_are_not_what_they_are_said_to_be(part: dict[str, Any], param: str) -> None:
    assert refusal(user(part)).param == f"messages.0.content.0.{param}"


# --- conversations --------------------------------------------------------------------------------------------------


def test_the_old_functions_are_tools() -> None:
    chat = read(
        [
            *HELLO,
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "1"},
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"x":1}'}},
            {"role": "function", "name": "f", "content": "2"},
        ],
        functions=[{"name": "f", "description": "d", "parameters": {"type": "object"}}],
        function_call={"name": "f"},
    )
    assert chat.tools == (Tool(name="f", description="d", parameters={"type": "object"}),)
    assert chat.tool_choice == ToolChoice(mode="named", name="f")
    assert chat.parallel_tool_calls is False
    assert [(note.field, note.fate) for note in chat.unplaced] == [("functions", "emulated")]
    calls = [part for message in chat.messages for part in message.parts if isinstance(part, ToolCall)]
    results = [part for message in chat.messages for part in message.parts if isinstance(part, ToolResult)]
    assert [call.arguments for call in calls] == ["{}", '{"x":1}']
    assert len({call.id for call in calls}) == 2
    assert [result.call_id for result in results] == [call.id for call in calls]


CUSTOM = {"type": "custom", "custom": {"name": "patch", "format": {"type": "text"}}}
GRAMMAR = {"syntax": "lark", "definition": "start: A"}
WITH_GRAMMAR = {"type": "custom", "custom": {"name": "g", "format": {"type": "grammar", "grammar": GRAMMAR}}}


def test_custom_tools_and_their_calls() -> None:
    call = {"id": "c", "type": "custom", "custom": {"name": "patch", "input": "*** begin"}}
    chat = read(
        [
            *HELLO,
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "done"},
        ],
        tools=[CUSTOM, WITH_GRAMMAR],
        tool_choice={"type": "custom", "custom": {"name": "g"}},
    )
    assert chat.tools == (
        CustomTool(name="patch"),
        CustomTool(name="g", grammar=Grammar(syntax="lark", definition="start: A")),
    )
    assert chat.tool_choice == ToolChoice(mode="named", name="g")
    assert chat.messages[1].parts == (ToolCall(id="c", name="patch", arguments="*** begin", custom=True),)
    assert chat.messages[2].parts == (ToolResult(call_id="c", parts=(Text(text="done"),), custom=True),)


def test_a_choice_among_some_tools() -> None:
    allowed = [{"type": "function", "function": {"name": "weather"}}, {"type": "custom", "custom": {"name": "patch"}}]
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": allowed}}
    chat = read(tools=[WEATHER, CUSTOM], tool_choice=choice)
    assert chat.tool_choice == ToolChoice(mode="required", allowed=("weather", "patch"))


NO_TOOLS = {"mode": "auto", "tools": []}
CALLED = {"id": "a", "function": {"name": "f", "arguments": "{}"}}
ASSISTANT = {"role": "assistant", "tool_calls": [CALLED]}


@pytest.mark.parametrize(
    ("messages", "fields", "param"),
    [
        ([{"role": "function", "name": "f", "content": "x"}], {}, "messages.0.name"),
        ([{"role": "user", "content": "x", "function_call": {"name": "f"}}], {}, "messages.0.function_call"),
        ([{"role": "assistant", "tool_calls": [{"id": "1", "type": "custom"}]}], {}, "messages.0.tool_calls.0.custom"),
        ([{"role": "assistant", "tool_calls": [{"id": "1", "type": "x"}]}], {}, "messages.0.tool_calls.0.type"),
        ([{"role": "tool", "tool_call_id": "a", "content": "x"}], {}, "messages"),
        ([ASSISTANT, *[{"role": "tool", "tool_call_id": "a", "content": "x"}] * 2], {}, "messages"),
        ([{**ASSISTANT, "tool_calls": [CALLED, CALLED]}], {}, "messages"),
        (HELLO, {"function_call": "auto"}, "function_call"),
        (HELLO, {"functions": [{"name": "f"}], "function_call": "all"}, "function_call"),
        (HELLO, {"functions": [{"name": "f"}], "function_call": {"name": "g"}}, "function_call.name"),
        (HELLO, {"functions": [{"name": "f"}], "tools": [WEATHER]}, "functions"),
        (HELLO, {"tools": [{"type": "custom"}]}, "tools.0.custom"),
        (
            HELLO,
            {"tools": [{"type": "custom", "custom": {"name": "x", "format": {"type": "grammar"}}}]},
            "tools.0.custom.format.grammar",
        ),
        (HELLO, {"tools": [WEATHER], "tool_choice": {"type": "allowed_tools"}}, "tool_choice.allowed_tools"),
        (
            HELLO,
            {
                "tools": [WEATHER],
                "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}},
            },
            "tool_choice.allowed_tools.tools",
        ),
        (HELLO, {"tools": [WEATHER], "tool_choice": {"type": "web"}}, "tool_choice.type"),
        (HELLO, {"n": 129}, "n"),
        (HELLO, {"top_logprobs": 21}, "top_logprobs"),
        (HELLO, {"logit_bias": {"1": "much"}}, "logit_bias"),
        (HELLO, {"metadata": {"a": 1}}, "metadata"),
    ],
)
def test_a_wrong_conversation_is_refused(messages: Any, fields: dict[str, Any], param: str) -> None:
    error = refusal(messages, **fields)
    assert isinstance(error, InvalidRequest)
    assert error.param == param


def test_deep_nesting_is_refused() -> None:
    deep = b'{"x":' * 3000 + b"1" + b"}" * 3000
    for body in (
        b'{"messages":[{"role":"user","content":"x"}],"functions":%b}' % deep,
        b'{"messages":[{"role":"assistant","content":"x","reasoning_details":[%b]}]}' % deep,
        b'{"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f","parameters":%b}}]}'
        % deep,
    ):
        with pytest.raises(InvalidRequest):
            OPENAI_CHAT.read_request(Body(body))
