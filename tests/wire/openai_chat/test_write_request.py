"""Requests for OpenAI and for compatible providers, as OpenAI's own schema wants them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from isthmus.core.chat.model import Model
from isthmus.core.chat.request import (
    AnswerFormat,
    Audio,
    CacheMark,
    Chat,
    Citation,
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
    VendorTool,
    Video,
    WebSearch,
)
from isthmus.errors import Unsupported
from isthmus.wire.openai_chat import DEEPSEEK_CHAT, OPENAI_CHAT, OPENAI_CHAT_COMPATIBLE, OPENROUTER_CHAT, OpenAIChat
from isthmus.wire.openai_chat.options import Options

PNG = "iVBORw0KGgoAAAANSUhEUg=="
PDF = "JVBERi0xLjQK"

HELLO = (Message(role="user", parts=(Text(text="Hello"),)),)
CALL = ToolCall(id="call_1", name="weather", arguments='{"at":"Bern"}')
CLOSED = {"type": "object", "additionalProperties": False}
TOOL = Tool(name="weather", description="w", parameters=CLOSED, strict=True)

CHATS = {
    "plain": Chat(model="a/b", messages=HELLO),
    "everything": Chat(
        model="a/b",
        messages=(
            Message(role="developer", parts=(Text(text="Be brief."),)),
            Message(
                role="user",
                name="ann",
                parts=(
                    Text(text="See."),
                    Image(url="https://x.test/a.png", detail="low"),
                    Image(base64=PNG, media_type="image/png"),
                ),
            ),
            Message(role="assistant", parts=(Text(text="I look."), CALL, msgspec.structs.replace(CALL, id="call_2"))),
            Message(role="tool", parts=(ToolResult(call_id="call_1", parts=(Text(text="sun"), Text(text="ny"))),)),
            Message(role="tool", parts=(ToolResult(call_id="call_2", parts=(), is_error=True),)),
            Message(role="assistant", parts=(Refusal(text="No."),)),
            Message(role="assistant", parts=()),
        ),
        tools=(TOOL, Tool(name="bare")),
        tool_choice=ToolChoice(mode="named", name="weather"),
        parallel_tool_calls=False,
        max_tokens=9,
        temperature=0.5,
        top_p=0.9,
        stop=("a", "b"),
        seed=3,
        frequency_penalty=0.1,
        presence_penalty=0.2,
        answer_format=AnswerFormat(name="n", schema=CLOSED, strict=True, description="d"),
        effort="high",
        user="u",
        stream=True,
    ),
    "json": Chat(model="a/b", messages=HELLO, answer_format=AnswerFormat(), effort="max"),
}


def written(chat: Chat, dialect: Any = OPENAI_CHAT) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(dialect.write_request(chat, Model(name="gpt-x")).body)
    return decoded


@pytest.mark.parametrize("name", CHATS)
@pytest.mark.parametrize("dialect", [OPENAI_CHAT, OPENAI_CHAT_COMPATIBLE])
def test_it_is_what_openai_takes(name: str, dialect: Any, openai_schema: Callable[[str], Draft202012Validator]) -> None:
    body = written(CHATS[name], dialect)
    openai_schema("CreateChatCompletionRequest").validate(body)
    assert None not in body.values()


def test_the_schema_is_one_that_refuses(openai_schema: Callable[[str], Draft202012Validator]) -> None:
    schema = openai_schema("CreateChatCompletionRequest")
    body = written(CHATS["everything"])
    assert not schema.is_valid({**body, "messages": [{"role": "user", "content": None}]})
    assert not schema.is_valid({**body, "reasoning_effort": "max"})
    assert not schema.is_valid({**body, "messages": [{"role": "tool", "content": "x"}]})


def test_every_field_of_it() -> None:
    body = written(CHATS["everything"])
    messages = body.pop("messages")
    function = {"name": "weather", "description": "w", "parameters": CLOSED, "strict": True}
    assert body == {
        "model": "gpt-x",
        "max_completion_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["a", "b"],
        "seed": 3,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": CLOSED, "strict": True, "description": "d"},
        },
        "reasoning_effort": "high",
        "user": "u",
        "tools": [{"type": "function", "function": function}, {"type": "function", "function": {"name": "bare"}}],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "parallel_tool_calls": False,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    call = {"type": "function", "function": {"name": "weather", "arguments": '{"at":"Bern"}'}}
    assert messages == [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "name": "ann",
            "content": [
                {"type": "text", "text": "See."},
                {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
            ],
        },
        {"role": "assistant", "content": "I look.", "tool_calls": [{"id": "call_1"} | call, {"id": "call_2"} | call]},
        {
            "role": "tool",
            "tool_call_id": "call_1",
            "content": [{"type": "text", "text": "sun"}, {"type": "text", "text": "ny"}],
        },
        {"role": "tool", "tool_call_id": "call_2", "content": "Error: "},
        {"role": "assistant", "content": None, "refusal": "No."},
        {"role": "assistant", "content": ""},
    ]


def test_compatible_servers_are_asked_in_words_they_know() -> None:
    body = written(CHATS["everything"], OPENAI_CHAT_COMPATIBLE)
    assert body["max_tokens"] == 9
    assert "max_completion_tokens" not in body
    assert body["messages"][0]["role"] == "system"


@pytest.mark.parametrize(
    ("model", "field"),
    [
        ("gpt-5.5", "max_completion_tokens"),
        ("openai/gpt-5-mini", "max_completion_tokens"),
        ("openai/o4-mini", "max_completion_tokens"),
        ("o3", "max_completion_tokens"),
        ("gpt-4o", "max_tokens"),
        ("openai/gpt-oss-120b", "max_tokens"),
        ("olmo-3", "max_tokens"),
    ],
)
def test_whoever_serves_openais_reasoning_models_is_told_their_bound_in_openais_newer_word(
    model: str, field: str
) -> None:
    chat = Chat(model="m", messages=HELLO, max_tokens=9)
    body = msgspec.json.decode(OPENAI_CHAT_COMPATIBLE.write_request(chat, Model(name=model)).body)
    assert {name: body[name] for name in body if name.startswith("max_")} == {field: 9}


@pytest.mark.parametrize(("model", "field"), [("gpt-4o", "max_tokens"), ("gpt-5.5", "max_completion_tokens")])
def test_no_more_is_asked_for_than_the_model_can_say(model: str, field: str) -> None:
    known = Model(name=model, max_output_tokens=100)
    for asked, sent in ((99, 99), (101, 100)):
        chat = Chat(model="m", messages=HELLO, max_tokens=asked)
        assert msgspec.json.decode(OPENAI_CHAT_COMPATIBLE.write_request(chat, known).body)[field] == sent


def test_that_thinking_is_shown_unasked_is_told() -> None:
    shown = Chat(model="m", messages=HELLO, summary="auto", keep_reasoning=True)
    assert notes(shown, OPENAI_CHAT_COMPATIBLE) == {"summary": "emulated"}


def test_sources_of_an_earlier_answer_are_named() -> None:
    cited = Text(text="Yes.", citations=(Citation(url="https://example.com"),))
    chat = Chat(model="m", messages=(*HELLO, Message(role="assistant", parts=(cited,)), *HELLO))
    assert notes(chat) == {"messages.citations": "lost"}


def test_words_that_are_added_are_told() -> None:
    assert notes(CHATS["json"]) == {"answer_format": "emulated"}
    said = (Message(role="user", parts=(Text(text="In JSON."),)),)
    assert notes(Chat(model="m", messages=said, answer_format=AnswerFormat())) == {}


def notes(chat: Chat, dialect: Any = OPENAI_CHAT, **known: Any) -> dict[str, str]:
    return {note.field: note.fate for note in dialect.write_request(chat, Model(name="x", **known)).notes}


def test_what_openai_has_no_field_for_is_named() -> None:
    thought = Message(role="assistant", parts=(Reasoning(text="Hm."), Text(text="Yes.")))
    chat = Chat(
        model="m", messages=(*HELLO, thought), top_k=3, metadata={"a": "b"}, summary="auto", keep_reasoning=True
    )
    assert notes(chat) == dict.fromkeys(("messages.reasoning", "top_k", "metadata", "summary"), "lost")
    assert "Hm." not in str(written(chat))
    assert notes(CHATS["everything"]) == {"messages.tool_result.is_error": "emulated"}
    nothing = Chat(model="m", messages=HELLO, service_tier="auto", verbosity="medium", summary="none", effort="none")
    assert notes(nothing, OPENAI_CHAT_COMPATIBLE, thinking="none") == {}


NEW = Chat(
    model="m",
    messages=HELLO,
    choices=2,
    logprobs=True,
    top_logprobs=3,
    logit_bias={"1": -100.0},
    verbosity="low",
    service_tier="flex",
    cache_key="k",
    cache_retention="24h",
    tools=(WebSearch(context_size="low", location={"city": "Bern"}), CustomTool(name="patch", description="d")),
)


def test_openais_newer_fields() -> None:
    body = written(NEW)
    location = {"type": "approximate", "approximate": {"city": "Bern"}}
    assert {name: value for name, value in body.items() if name not in ("model", "messages")} == {
        "n": 2,
        "logprobs": True,
        "top_logprobs": 3,
        "logit_bias": {"1": -100.0},
        "verbosity": "low",
        "service_tier": "flex",
        "prompt_cache_key": "k",
        "prompt_cache_retention": "24h",
        "web_search_options": {"search_context_size": "low", "user_location": location},
        "tools": [{"type": "custom", "custom": {"name": "patch", "description": "d"}}],
    }
    assert notes(NEW) == {}


def test_compatible_servers_are_spared_them() -> None:
    body = written(NEW, OPENAI_CHAT_COMPATIBLE)
    assert body.keys() == {"model", "messages", "n", "logprobs", "top_logprobs", "logit_bias", "tools"}
    (tool,) = body["tools"]
    assert tool["type"] == "function"
    assert notes(NEW, OPENAI_CHAT_COMPATIBLE) == {
        "verbosity": "lost",
        "service_tier": "lost",
        "cache_key": "lost",
        "cache_retention": "lost",
        "tools.web_search": "lost",
        "tools.custom": "emulated",
    }


def test_what_a_model_refuses_is_left_out_and_named() -> None:
    refuses = frozenset({"temperature", "stop", "max_tokens", "parallel_tool_calls", "effort", "logprobs"})
    chat = msgspec.structs.replace(CHATS["everything"], logprobs=True, top_logprobs=1)
    answer = OPENAI_CHAT.write_request(chat, Model(name="x", refuses=refuses))
    spelled = {"temperature", "stop", "max_completion_tokens", "parallel_tool_calls", "reasoning_effort", "logprobs"}
    assert not (spelled | {"top_logprobs"}) & msgspec.json.decode(answer.body).keys()
    told = {note.field: note.why for note in answer.notes if note.fate == "lost"}
    assert told == dict.fromkeys(refuses, "this model refuses it")


def test_several_answers_are_refused_where_there_is_one() -> None:
    with pytest.raises(Unsupported) as caught:
        OPENAI_CHAT.write_request(NEW, Model(name="x", refuses=frozenset({"choices"})))
    assert caught.value.param == "choices"


def test_a_model_that_does_not_think_is_not_asked_to() -> None:
    for chat in (Chat(model="m", messages=HELLO, effort="low"), Chat(model="m", messages=HELLO, thinking_budget=99)):
        assert list(notes(chat, thinking="none").values()) == ["lost"]
        answer = OPENAI_CHAT.write_request(chat, Model(name="x", thinking="none"))
        assert b"reasoning_effort" not in answer.body


def test_no_more_stop_sequences_than_openai_takes() -> None:
    chat = Chat(model="m", messages=HELLO, stop=tuple("abcdef"))
    assert written(chat)["stop"] == list("abcd")
    assert notes(chat) == {"stop": "lost"}
    assert written(chat, OPENAI_CHAT_COMPATIBLE)["stop"] == list("abcdef")


def test_json_is_spoken_of_where_json_is_asked_for() -> None:
    chat = Chat(model="m", messages=HELLO, answer_format=AnswerFormat())
    assert "JSON" in written(chat)["messages"][0]["content"]
    asked = msgspec.structs.replace(chat, messages=(Message(role="user", parts=(Text(text="As Json!"),)),))
    assert len(written(asked)["messages"]) == 1


def test_a_format_is_told_in_words_where_there_is_no_field() -> None:
    chat = Chat(model="m", messages=HELLO, answer_format=AnswerFormat(schema={"type": "object", "title": "T"}))
    body = written(chat, DEEPSEEK_CHAT)
    assert body["response_format"] == {"type": "json_object"}
    assert '"title":"T"' in body["messages"][0]["content"]
    assert notes(chat, DEEPSEEK_CHAT) == {"answer_format": "emulated"}
    assert notes(chat, refuses=frozenset({"answer_format"})) == {"answer_format": "emulated"}
    refused = OPENAI_CHAT.write_request(chat, Model(name="x", refuses=frozenset({"answer_format"})))
    assert b"response_format" not in refused.body
    assert b"JSON Schema" in refused.body


@pytest.mark.parametrize("dialect", [OPENAI_CHAT, OPENAI_CHAT_COMPATIBLE])
def test_some_tools_of_all(dialect: Any, openai_schema: Callable[[str], Draft202012Validator]) -> None:
    tools = (TOOL, Tool(name="bare"), CustomTool(name="patch"))
    choice = ToolChoice(mode="required", allowed=("weather", "patch"))
    body = written(Chat(model="m", messages=HELLO, tools=tools, tool_choice=choice), dialect)
    openai_schema("CreateChatCompletionRequest").validate(body)
    if dialect is OPENAI_CHAT:
        named = [{"type": "function", "function": {"name": "weather"}}, {"type": "custom", "custom": {"name": "patch"}}]
        assert body["tool_choice"]["allowed_tools"] == {"mode": "required", "tools": named}
        assert len(body["tools"]) == 3
    else:
        assert body["tool_choice"] == "required"
        assert [tool["function"]["name"] for tool in body["tools"]] == ["weather", "patch"]


def test_custom_tools_where_there_are_none() -> None:
    tool = CustomTool(name="patch", grammar=Grammar(syntax="regex", definition="a+"))
    call = ToolCall(id="c", name="patch", arguments='say "a"', custom=True)
    chat = Chat(
        model="m",
        messages=(*HELLO, Message(role="assistant", parts=(call,))),
        tools=(tool,),
        tool_choice=ToolChoice(mode="named", name="patch"),
    )
    native = written(chat)
    assert native["tool_choice"] == {"type": "custom", "custom": {"name": "patch"}}
    assert native["messages"][1]["tool_calls"][0]["custom"] == {"name": "patch", "input": 'say "a"'}
    other = written(chat, OPENAI_CHAT_COMPATIBLE)
    assert other["tool_choice"] == {"type": "function", "function": {"name": "patch"}}
    called = other["messages"][1]["tool_calls"][0]["function"]
    assert msgspec.json.decode(called["arguments"]) == {"input": 'say "a"'}
    assert "a+" in other["tools"][0]["function"]["description"]


VENDORS = VendorTool(type="code_interpreter", definition=Opaque(origin="openai", data="{}"))


@pytest.mark.parametrize(
    ("tools", "choice"),
    [
        ((VENDORS,), ToolChoice(mode="named", name="code_interpreter")),
        ((VENDORS,), ToolChoice(mode="required")),
        ((WebSearch(),), ToolChoice(mode="named", name="web_search")),
    ],
)
def test_a_choice_of_what_is_not_there_is_refused(tools: Any, choice: ToolChoice) -> None:
    with pytest.raises(Unsupported) as caught:
        written(Chat(model="m", messages=HELLO, tools=tools, tool_choice=choice), OPENAI_CHAT_COMPATIBLE)
    assert caught.value.param == "tool_choice"


def test_tools_of_other_vendors_are_named() -> None:
    search = WebSearch(max_uses=3, allowed_domains=("x.test",))
    assert notes(Chat(model="m", messages=HELLO, tools=(VENDORS, search))) == {
        "tools.code_interpreter": "lost",
        "tools.web_search.max_uses": "lost",
        "tools.web_search.allowed_domains": "lost",
    }


# --- media ----------------------------------------------------------------------------------------------------------


def of_user(*parts: Any, dialect: Any = OPENAI_CHAT, **known: Any) -> Any:
    chat = Chat(model="m", messages=(Message(role="user", parts=parts),))
    answer = dialect.write_request(chat, Model(name="x", **known))
    return msgspec.json.decode(answer.body)["messages"][0]["content"], answer


def test_media_of_every_kind(openai_schema: Callable[[str], Draft202012Validator]) -> None:
    content, answer = of_user(
        Audio(base64="UklGRg==", media_type="audio/mpeg"),
        Document(base64=PDF, media_type="application/pdf", name="a.pdf"),
        Document(base64=PDF, media_type="application/pdf"),
        Document(file=Opaque(origin="openai", data="file-1")),
        Document(text="Once.", name="Tale", context="A tale.", cite=True),
    )
    data = f"data:application/pdf;base64,{PDF}"
    assert content == [
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "mp3"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": data}},
        {"type": "file", "file": {"filename": "document.pdf", "file_data": data}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "text", "text": "A tale."},
        {"type": "text", "text": "Tale\n\nOnce."},
    ]
    openai_schema("CreateChatCompletionRequest").validate(msgspec.json.decode(answer.body))
    assert {note.field: note.fate for note in answer.notes} == {
        "messages.citations": "lost",
        "messages.document.context": "emulated",
        "messages.document": "emulated",
    }


def test_what_must_be_fetched_first() -> None:
    picture, tale = Image(url="https://x.test/a.png"), Document(url="https://x.test/a.pdf")
    assert of_user(picture, tale, tale)[1].fetch == ("https://x.test/a.pdf",)
    shy = OpenAIChat(Options(media_by_value=True))
    assert of_user(picture, tale, dialect=shy)[1].fetch == ("https://x.test/a.png", "https://x.test/a.pdf")


@pytest.mark.parametrize(
    ("part", "known"),
    [
        (Audio(base64="UklGRg==", media_type="audio/flac"), {}),
        (Video(url="https://x.test/a.mp4"), {}),
        (Image(file=Opaque(origin="openai", data="file-1")), {}),
        (Document(file=Opaque(origin="anthropic", data="file_1")), {}),
        (Image(url="https://x.test/a.png"), {"input": frozenset({"text"})}),
    ],
)
def test_media_that_cannot_be_sent(part: Any, known: dict[str, Any]) -> None:
    with pytest.raises(Unsupported) as caught:
        of_user(part, **known)
    assert caught.value.param == "messages"


def test_a_document_of_text_is_text() -> None:
    assert of_user(Document(text="Once."), input=frozenset({"text"}))[0] == "Once."


def test_cache_marks_only_where_they_are_taken() -> None:
    marked = Text(text="x", cache=CacheMark(ttl="1h"))
    result = ToolResult(call_id="c", parts=(Text(text="r"),), cache=CacheMark())
    call = ToolCall(id="c", name="f", arguments="{}", cache=CacheMark())
    chat = Chat(
        model="m",
        messages=(
            Message(role="user", parts=(marked,)),
            Message(role="assistant", parts=(call,)),
            Message(role="tool", parts=(result,)),
        ),
        tools=(Tool(name="f", cache=CacheMark()),),
        cache=CacheMark(),
    )
    assert "cache_control" not in str(written(chat))
    assert notes(chat) == {"cache_control": "emulated"}
    taken = written(chat, OPENROUTER_CHAT)
    assert taken["cache_control"] == {"type": "ephemeral"}
    mark = {"type": "ephemeral", "ttl": "1h"}
    assert taken["messages"][0]["content"] == [{"type": "text", "text": "x", "cache_control": mark}]
    assert taken["messages"][2]["content"] == [{"type": "text", "text": "r", "cache_control": {"type": "ephemeral"}}]
    assert notes(chat, OPENROUTER_CHAT) == {
        "tools.cache_control": "lost",
        "messages.tool_calls.cache_control": "lost",
    }


def test_images_of_tool_results_follow_the_run_of_results() -> None:
    def result(call_id: str, *parts: Text | Image) -> Message:
        return Message(role="tool", parts=(ToolResult(call_id=call_id, parts=parts),))

    picture = Image(url="https://x.test/a.png")
    messages = (*HELLO, result("1", picture, Text(text="see")), result("2", picture), *HELLO, result("3", picture))
    roles = [
        (message["role"], message["content"] if isinstance(message["content"], str) else len(message["content"]))
        for message in written(Chat(model="m", messages=messages))["messages"]
    ]
    assert roles == [
        ("user", "Hello"),
        ("tool", "see"),
        ("tool", ""),
        ("user", 2),
        ("user", "Hello"),
        ("tool", ""),
        ("user", 1),
    ]


def test_a_failed_tool_says_so() -> None:
    failed = ToolResult(call_id="1", parts=(Text(text="no network"),), is_error=True)
    message = written(Chat(model="m", messages=(Message(role="tool", parts=(failed,)),)))["messages"][0]
    assert message["content"] == "Error: no network"


def test_a_call_without_arguments_has_an_empty_object() -> None:
    call = ToolCall(id="1", name="now", arguments="")
    message = written(Chat(model="m", messages=(Message(role="assistant", parts=(call,)),)))["messages"][0]
    assert message["tool_calls"][0]["function"]["arguments"] == "{}"


@pytest.mark.parametrize(
    ("budget", "effort"), [(0, "none"), (1024, "low"), (1025, "medium"), (8192, "medium"), (8193, "high")]
)
def test_a_budget_becomes_an_effort(budget: int, effort: str) -> None:
    assert written(Chat(model="m", messages=HELLO, thinking_budget=budget))["reasoning_effort"] == effort


def test_without_tools_there_is_no_choice_among_them() -> None:
    body = written(Chat(model="m", messages=HELLO, tool_choice=ToolChoice(mode="none"), parallel_tool_calls=True))
    assert not {"tools", "tool_choice", "parallel_tool_calls", "stream", "stream_options"} & body.keys()
