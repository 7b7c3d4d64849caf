"""What is sent to Anthropic for a conversation in nobody's words."""

from __future__ import annotations

import json

import msgspec
import pytest

from isthmus.core.chat.model import Model
from isthmus.core.chat.request import (
    AnswerFormat,
    CacheMark,
    Chat,
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
)
from isthmus.wire.anthropic_messages import DIALECT


def says(role, *texts, **more):
    return Message(role=role, parts=tuple(Text(text=text) for text in texts), **more)


def calls(*ids, before=()):
    made = tuple(ToolCall(id=call, name="f", arguments='{"x": 1}') for call in ids)
    return Message(role="assistant", parts=tuple(before) + made)


def result(call_id, text="1", **more):
    return Message(role="tool", parts=(ToolResult(call_id=call_id, parts=(Text(text=text),), **more),))


HELLO = says("user", "Hello.")
TOOL = Tool(name="f", parameters={"type": "object"})
CLAUDE = Model(name="claude")


def own(data):
    return Opaque(origin="anthropic", data=data)


@pytest.fixture
def write(validate):
    """The body, and its receipt: "l:field" for what was lost, "e:field" for what was brought about by other means."""

    def written(*messages, model=CLAUDE, schema="CreateMessageParams", **fields):
        chat = Chat(model="ours", messages=messages or (HELLO,), **fields)
        out = DIALECT.write_request(chat, model)
        asked = json.loads(out.body)
        validate(schema, asked)
        return asked, tuple(f"{note.fate[0]}:{note.field}" for note in out.notes)

    return written


def test_the_least_there_is(write):
    asked, lost = write()
    assert asked == {"model": "claude", "max_tokens": 4096, "messages": [{"role": "user", "content": "Hello."}]}
    assert lost == ()


def test_instructions_are_joined_in_order_and_lose_their_place(write):
    asked, lost = write(says("system", "A", "B"), says("developer", "C"), HELLO)
    assert asked["system"] == "A\n\nB\n\nC" and lost == ()
    asked, lost = write(says("system", "A"), HELLO, says("developer", "C"))
    assert asked["system"] == "A\n\nC" and lost == ("l:messages.system",)
    assert len(asked["messages"]) == 1


def test_tool_results_stand_in_one_turn_before_its_text(write):
    asked, lost = write(HELLO, calls("a", "b"), result("a"), result("b", is_error=True), says("user", "And?"))
    assert lost == ()
    assert asked["messages"][1]["content"] == [
        {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
        {"type": "tool_use", "id": "b", "name": "f", "input": {"x": 1}},
    ]
    assert asked["messages"][2] == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": "1"},
            {"type": "tool_result", "tool_use_id": "b", "content": "1", "is_error": True},
            {"type": "text", "text": "And?"},
        ],
    }


def test_results_come_first_even_where_text_stood_before_them(write):
    asked, _ = write(HELLO, calls("a"), says("user", "Wait."), result("a"))
    assert [block["type"] for block in asked["messages"][2]["content"]] == ["tool_result", "text"]


def test_results_with_images_and_with_nothing(write):
    image = Image(base64="aGk=", media_type="image/png")
    seen = Message(role="tool", parts=(ToolResult(call_id="a", parts=(image, Text(text="x"))),))
    asked, _ = write(HELLO, calls("a", "b"), seen, result("b", ""))
    first, second = asked["messages"][2]["content"]
    assert first["content"] == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
        {"type": "text", "text": "x"},
    ]
    assert "content" not in second


def test_neighbours_of_one_role_merge_and_nothing_empty_is_sent(write):
    asked, lost = write(
        HELLO, says("assistant", ""), says("user", " \n"), says("user", "Again."), says("assistant"), says("user", "!")
    )
    texts = [{"type": "text", "text": text} for text in ("Hello.", "Again.", "!")]
    assert asked["messages"] == [{"role": "user", "content": texts}] and lost == ()


@pytest.mark.parametrize("messages", [(says("assistant", "Ahoy!"), HELLO), (says("system", "Be."),)])
def test_a_conversation_that_does_not_begin_with_the_user_is_given_a_beginning(write, messages):
    asked, lost = write(*messages)
    assert asked["messages"][0] == {"role": "user", "content": "(The conversation begins here.)"}
    assert lost == ("e:messages",)


def test_an_answer_begun_for_the_model_ends_without_white_space(write):
    assert write(HELLO, says("assistant", "So: \n"))[0]["messages"][1]["content"] == "So:"


def test_images(write):
    far, near = Image(url="https://example.com/a.png"), Image(base64="aGk=", media_type="image/gif", detail="low")
    asked, lost = write(Message(role="user", parts=(far, near)))
    assert [block["source"] for block in asked["messages"][0]["content"]] == [
        {"type": "url", "url": "https://example.com/a.png"},
        {"type": "base64", "media_type": "image/gif", "data": "aGk="},
    ]
    assert lost == ("l:messages.image.detail",)


def test_reasoning_goes_back_signed_or_not_at_all(write):
    signed, unsigned = Reasoning(text="Hm.", signature=own("s")), Reasoning(text="Ah.")
    asked, lost = write(HELLO, Message(role="assistant", parts=(signed, unsigned, Text(text="So."))), HELLO)
    assert asked["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
        {"type": "text", "text": "So."},
    ]
    assert lost == ("l:messages.reasoning",)


def test_refusals_and_names_lose_what_they_are(write):
    asked, lost = write(says("user", "Hi", name="Ada"), Message(role="assistant", parts=(Refusal(text="No."),)), HELLO)
    assert asked["messages"][1]["content"] == "No."
    assert lost == ("l:messages.name", "e:messages.refusal")


@pytest.mark.parametrize(
    ("arguments", "sent", "lost"),
    [
        ("", {}, ()),
        (" ", {}, ()),
        ('{"a": 1e2}', {"a": 100.0}, ()),
        ('{"a": ', {"unparsed_arguments": '{"a": '}, ("e:messages.tool_calls",)),
        ("[1]", {"unparsed_arguments": "[1]"}, ("e:messages.tool_calls",)),
    ],
)
def test_arguments_are_an_object(write, arguments, sent, lost):
    call = ToolCall(id="a", name="f", arguments=arguments)
    asked, named = write(HELLO, Message(role="assistant", parts=(call,)), result("a"))
    assert asked["messages"][1]["content"][0]["input"] == sent and named == lost


def test_ids_are_spelled_with_what_anthropic_takes_alike_in_call_and_result(write):
    asked, lost = write(HELLO, calls("functions.f:0"), result("functions.f:0"))
    spelled = asked["messages"][1]["content"][0]["id"]
    assert spelled == "functions_2ef_3a0" == asked["messages"][2]["content"][0]["tool_use_id"]
    assert lost == ()


@pytest.mark.parametrize(
    ("choice", "parallel", "written"),
    [
        (None, None, None),
        (None, True, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice(mode="auto"), None, {"type": "auto"}),
        (ToolChoice(mode="required"), False, {"type": "any", "disable_parallel_tool_use": True}),
        (ToolChoice(mode="none"), False, {"type": "none"}),
        (ToolChoice(mode="named", name="f"), None, {"type": "tool", "name": "f"}),
    ],
)
def test_tool_choice(write, choice, parallel, written):
    asked, _ = write(tools=(TOOL,), tool_choice=choice, parallel_tool_calls=parallel)
    assert asked.get("tool_choice") == written
    assert "tool_choice" not in write(tool_choice=choice, parallel_tool_calls=parallel)[0]


def test_tools(write):
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    tools = (
        Tool(name="f", description="F", parameters=schema, strict=True),
        Tool(name="g", strict=False),
        Tool(name="h", parameters={"properties": {"a": {"type": "string"}}}),
    )
    asked, lost = write(tools=tools)
    assert lost == () and asked["tools"] == [
        {"name": "f", "description": "F", "input_schema": schema, "strict": True},
        {"name": "g", "input_schema": {"type": "object"}},
        {"name": "h", "input_schema": {"type": "object", "properties": {"a": {"type": "string"}}}},
    ]


@pytest.mark.parametrize(
    ("fields", "sent", "lost"),
    [
        ({"temperature": 0.3}, {"temperature": 0.3}, ()),
        ({"temperature": 1.7}, {"temperature": 1.0}, ("e:temperature",)),
        ({"temperature": 0.3, "top_p": 1.0}, {"temperature": 0.3}, ()),
        ({"temperature": 1.0, "top_p": 0.5}, {"top_p": 0.5}, ()),
        ({"temperature": 0.3, "top_p": 0.5, "top_k": 2}, {"temperature": 0.3, "top_p": 0.5, "top_k": 2}, ()),
        ({"temperature": 1.0, "effort": "low"}, {"temperature": 1.0}, ()),
        ({"temperature": 0.3, "effort": "low"}, {}, ("l:temperature",)),
        ({"temperature": 1.7, "effort": "low"}, {"temperature": 1.0}, ("e:temperature",)),
        ({"top_p": 0.5, "top_k": 2, "effort": "low"}, {}, ("l:top_p", "l:top_k")),
        ({"top_p": 0.97, "effort": "low"}, {"top_p": 0.97}, ()),
        ({"seed": 1, "frequency_penalty": 0.5, "presence_penalty": 1.0}, {},
         ("l:seed", "l:frequency_penalty", "l:presence_penalty")),
        ({"frequency_penalty": 0.0}, {}, ()),
        ({"stop": ("a", " \n")}, {"stop_sequences": ["a"]}, ("l:stop",)),
        ({"user": "u"}, {"metadata": {"user_id": "u"}}, ()),
        ({"user": "u" * 513}, {}, ("l:user",)),
        ({"stream": True}, {"stream": True}, ()),
    ],
)  # fmt: skip
def test_sampling_and_the_rest(write, fields, sent, lost):
    asked, named = write(**fields)
    rest = {name: value for name, value in asked.items() if name not in ("model", "max_tokens", "messages", "thinking")}
    assert rest == sent and named == lost


@pytest.mark.parametrize(
    ("fields", "max_tokens", "budget", "lost"),
    [
        ({}, 4096, None, ()),
        ({"max_tokens": 10}, 10, None, ()),
        ({"effort": "none"}, 4096, 0, ()),
        ({"effort": "minimal"}, 4096, 0, ()),
        ({"effort": "low"}, 5120, 1024, ()),
        ({"effort": "medium"}, 8192, 4096, ()),
        ({"effort": "high"}, 16384, 12288, ()),
        ({"effort": "xhigh"}, 24576, 20480, ()),
        ({"effort": "max"}, 32000, 27904, ()),
        ({"effort": "high", "max_tokens": 4000}, 4000, 3000, ()),
        ({"effort": "low", "max_tokens": 1365}, 1365, 1024, ()),
        ({"effort": "high", "max_tokens": 1000}, 1000, 0, ("l:effort",)),
        ({"thinking_budget": 0}, 4096, 0, ()),
        ({"thinking_budget": 3000}, 7096, 3000, ()),
        ({"thinking_budget": 3000, "max_tokens": 3001}, 3001, 3000, ()),
        ({"thinking_budget": 3000, "max_tokens": 3000}, 3000, 2250, ("e:thinking_budget",)),
        ({"thinking_budget": 500, "max_tokens": 9000}, 9000, 1024, ("e:thinking_budget",)),
        ({"thinking_budget": 500, "max_tokens": 1000}, 1000, 0, ("l:thinking_budget",)),
        ({"effort": "low", "tools": (TOOL,), "tool_choice": ToolChoice(mode="required")}, 4096, 0, ("l:effort",)),
        ({"effort": "low", "tools": (TOOL,), "tool_choice": ToolChoice(mode="auto")}, 5120, 1024, ()),
        ({"effort": "low", "tool_choice": ToolChoice(mode="required")}, 5120, 1024, ()),
    ],
)
def test_thinking(write, fields, max_tokens, budget, lost):
    asked, named = write(**fields)
    assert asked["max_tokens"] == max_tokens and named == lost
    if budget is None:
        assert "thinking" not in asked
    elif budget == 0:
        assert asked["thinking"] == {"type": "disabled"}
    else:
        assert asked["thinking"] == {"type": "enabled", "budget_tokens": budget}


def test_thinking_needs_the_signed_thought_of_the_tool_loop_it_is_in(write):
    signed = (Reasoning(text="Hm.", signature=own("s")),)
    for before, thinks in ((signed, True), ((), False), ((Reasoning(text="Hm."),), False)):
        asked, lost = write(HELLO, calls("a", before=before), result("a"), effort="low")
        assert (asked["thinking"]["type"] == "enabled") == thinks == ("l:effort" not in lost)
    asked, _ = write(HELLO, calls("a"), result("a"), says("assistant", "Done."), HELLO, effort="low")
    assert asked["thinking"]["type"] == "enabled"
    asked, lost = write(HELLO, says("assistant", "So"), effort="low")
    assert asked["thinking"]["type"] == "disabled" and lost == ("l:effort",)


def test_answer_formats(write):
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
    asked, lost = write(answer_format=AnswerFormat(name="x", schema=schema, strict=True))
    assert asked["output_config"] == {"format": {"type": "json_schema", "schema": schema}} and lost == ()
    asked, lost = write(says("system", "Be."), HELLO, answer_format=AnswerFormat())
    assert asked["system"].startswith("Be.\n\nAnswer with one valid JSON object") and lost == ("e:answer_format",)


def test_objects_of_schemas_are_closed_where_anthropic_insists_on_it(write):
    closed = {"additionalProperties": False}
    inner = {"type": "object", "properties": {"additionalProperties": {"type": "string"}}}
    schema = {
        "type": "object",
        "properties": {"a": inner, "b": {"type": ["object", "null"]}, "c": {"type": "array", "items": inner}},
        "$defs": {"d": {"anyOf": [inner, {"type": "object", "additionalProperties": {"type": "string"}}, True]}},
    }
    whole = {
        "type": "object",
        "properties": {
            "a": inner | closed,
            "b": {"type": ["object", "null"]} | closed,
            "c": {"type": "array", "items": inner | closed},
        },
        "$defs": {
            "d": {"anyOf": [inner | closed, {"type": "object", "additionalProperties": {"type": "string"}}, True]}
        },
    } | closed
    asked, notes = write(answer_format=AnswerFormat(schema=schema))
    assert asked["output_config"]["format"]["schema"] == whole and notes == ("e:answer_format",)
    assert write(answer_format=AnswerFormat(schema=whole))[1] == ()
    asked, notes = write(tools=(Tool(name="f", parameters=schema, strict=True), Tool(name="g", parameters=schema)))
    assert [tool["input_schema"] for tool in asked["tools"]] == [whole, schema] and notes == ("e:tools.strict",)


def test_every_field_of_a_chat_is_written_or_named(write):
    """A field that is added to `Chat` must be placed here, or be named as lost."""
    told = {
        "tools": (TOOL,), "tool_choice": ToolChoice(mode="auto"), "parallel_tool_calls": False, "max_tokens": 9,
        "temperature": 0.5, "top_p": 0.5, "top_k": 5, "stop": ("x",), "seed": 0, "frequency_penalty": 0.5,
        "presence_penalty": 0.5, "logit_bias": {"5": 1.0}, "logprobs": True, "top_logprobs": 2,
        "answer_format": AnswerFormat(schema={"type": "object"}), "verbosity": "low", "effort": "low",
        "thinking_budget": 2000, "summary": "auto", "cache": CacheMark(), "cache_key": "k", "cache_retention": "24h",
        "service_tier": "flex", "metadata": {"a": "b"}, "user": "u", "stream": True,
    }  # fmt: skip
    elsewhere = {"model", "messages", "include_usage", "unplaced", "choices", "keep_reasoning"}
    assert set(told) | elsewhere == {field.name for field in msgspec.structs.fields(Chat)}
    plainly = write(tools=(TOOL,))[0]
    for name, value in told.items():
        asked, lost = write(**{"tools": (TOOL,), name: value})
        assert name == "tools" or asked != plainly or lost == (f"l:{name}",), name


def test_what_asks_for_nothing_is_no_loss(write):
    idle = {
        "frequency_penalty": 0.0, "presence_penalty": 0.0, "logprobs": False, "top_logprobs": 0, "logit_bias": {},
        "metadata": {}, "verbosity": "medium", "summary": "none", "keep_reasoning": True, "include_usage": False,
    }  # fmt: skip
    assert write(**idle) == (write()[0], ())
