"""A chat with tools for a model without: what it is told, what it may answer, and what that means to the caller."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from isthmus.core.chat.event import (
    Failed,
    Finished,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.chat.fidelity import Note
from isthmus.core.chat.request import (
    AnswerFormat,
    Chat,
    Image,
    Message,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from isthmus.core.chat.usage import Usage
from isthmus.errors import Interrupted, Unsupported
from isthmus.providers.constrained_tools import CalledTools, constrain

WEATHER = Tool(
    name="get_weather",
    description="Get the weather of a city.",
    parameters={
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "City name"},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        },
        "required": ["city"],
    },
)
CLOCK = Tool(name="clock")


def said(role, *parts):
    return Message(role=role, parts=tuple(Text(text=part) if isinstance(part, str) else part for part in parts))


def chat(*messages, **fields):
    defaults = {"model": "m", "tools": (WEATHER, CLOCK), "messages": messages or (said("user", "Weather in Paris?"),)}
    return Chat(**{**defaults, **fields})


def texts(asked):
    return [(message.role, [part.text for part in message.parts]) for message in asked.messages]


def accepts(asked, value):
    return Draft202012Validator(asked.answer_format.schema).is_valid(value)


CALL = {"name": "get_weather", "arguments": {"city": "Paris"}}


def test_an_answer_is_a_call_of_a_tool_or_a_reply():
    asked = constrain(chat())
    assert asked.tools == ()
    assert accepts(asked, CALL)
    assert accepts(asked, {"name": "clock", "arguments": {}})
    assert accepts(asked, {"reply": "Hello!"})
    assert not accepts(asked, {"name": "other", "arguments": {}})
    assert not accepts(asked, {"name": "get_weather", "arguments": {"unit": "celsius"}})
    assert not accepts(asked, {"name": "clock", "arguments": {"zone": "UTC"}})
    assert not accepts(asked, CALL | {"reply": "Hello!"})


def test_where_it_must_call_it_may_not_reply():
    asked = constrain(chat(tool_choice=ToolChoice(mode="required")))
    assert accepts(asked, CALL)
    assert not accepts(asked, {"reply": "Hello!"})
    assert "reply" not in texts(asked)[0][1][0]


def test_where_one_is_named_it_may_call_no_other():
    asked = constrain(chat(tool_choice=ToolChoice(mode="named", name="clock")))
    assert accepts(asked, {"name": "clock", "arguments": {}})
    assert not accepts(asked, CALL)
    assert "get_weather" not in texts(asked)[0][1][0]


def test_the_instructions_show_each_call():
    instructions = texts(constrain(chat()))[0][1][0]
    sketch = {"name": "get_weather", "arguments": {"city": "<City name>", "unit": "<celsius or fahrenheit>"}}
    assert f"Get the weather of a city.\n{json.dumps(sketch)}\n" in instructions
    assert 'clock\n{"name": "clock", "arguments": {}}' in instructions
    assert '{"reply": "<text>"}' in instructions


def test_nested_parameters_are_sketched():
    point = {"type": "object", "properties": {"x": {"type": "integer"}, "of": {"type": "array", "items": {}}}}
    tool = Tool(name="draw", parameters={"type": "object", "properties": {"at": point}})
    assert '{"at": {"x": "<x>", "of": ["<of>"]}}' in texts(constrain(chat(tools=(tool,))))[0][1][0]


def test_the_instructions_follow_the_callers_own():
    asked = constrain(chat(said("developer", "Be brief."), said("user", "Hi")))
    assert [role for role, _ in texts(asked)] == ["system", "user"]
    assert texts(asked)[0][1][0].startswith("Be brief.\n\nAnswer each request")


@pytest.mark.parametrize("choice", [ToolChoice(mode="none"), None])
def test_without_tools_to_call_the_answer_is_free(choice):
    asked = constrain(chat(tool_choice=choice, tools=(WEATHER,) if choice else ()))
    assert asked.answer_format is None
    assert texts(asked) == [("user", ["Weather in Paris?"])]
    assert (asked.tools, asked.tool_choice) == ((), None)


HISTORY = (
    said("user", "Weather and time?"),
    said("assistant", "Let me see.", ToolCall(id="1", name="get_weather", arguments='{"city": "Paris"}')),
    said("tool", ToolResult(call_id="1", parts=(Text(text="18 degrees"),))),
    said("tool", ToolResult(call_id="2", parts=(Text(text="no such clock"),), is_error=True)),
)


def test_after_a_result_the_answer_is_put_into_words():
    asked = constrain(chat(*HISTORY))
    assert asked.answer_format is None
    assert texts(asked) == [
        ("user", ["Weather and time?"]),
        ("assistant", ["Let me see.", 'I asked get_weather for {"city": "Paris"}.']),
        ("user", ["The answer of get_weather is: 18 degrees", "the tool failed: no such clock"]),
    ]


def test_what_the_user_says_to_a_result_is_in_the_same_turn():
    asked = constrain(chat(*HISTORY, said("user", "And tomorrow?")))
    assert texts(asked)[-1] == (
        "user",
        ["The answer of get_weather is: 18 degrees", "the tool failed: no such clock", "And tomorrow?"],
    )
    assert asked.answer_format is not None


def test_after_a_result_it_calls_again_where_it_must():
    assert accepts(constrain(chat(*HISTORY, tool_choice=ToolChoice(mode="required"))), CALL)


def test_a_reply_keeps_to_the_callers_format():
    wanted = AnswerFormat(
        schema={"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}, "required": ["n"]}
        | {"$defs": {"n": {"type": "integer"}}}
    )
    asked = constrain(chat(answer_format=wanted))
    assert accepts(asked, {"reply": {"n": 1}})
    assert not accepts(asked, {"reply": {"n": "one"}})
    assert not accepts(asked, {"reply": "words"})
    assert accepts(constrain(chat(answer_format=AnswerFormat())), {"reply": {}})
    free = constrain(chat(answer_format=wanted, tools=()))
    assert accepts(free, {"n": 1})
    assert not accepts(free, {"n": "one"})


def test_references_of_a_tool_lead_to_its_own_definitions():
    tools = tuple(
        Tool(
            name=kind,
            parameters={"type": "object", "properties": {"v": {"$ref": "#/$defs/v"}}, "required": ["v"]}
            | {"$defs": {"v": {"type": kind}}},
        )
        for kind in ("integer", "boolean")
    )
    asked = constrain(chat(tools=tools))
    assert accepts(asked, {"name": "integer", "arguments": {"v": 1}})
    assert not accepts(asked, {"name": "integer", "arguments": {"v": True}})
    assert accepts(asked, {"name": "boolean", "arguments": {"v": True}})


def test_it_always_streams_and_says_what_it_left_out():
    seed = Note(field="seed", fate="lost", why="it has none")
    asked = constrain(chat(stop=("}",), unplaced=(seed,)))
    assert (asked.stream, asked.include_usage, asked.stop) == (True, True, ())
    told = [(note.field, note.fate) for note in asked.unplaced]
    assert told == [("seed", "lost"), ("tools", "emulated"), ("stop", "lost")]
    assert asked.temperature == 0.0
    assert constrain(chat(temperature=0.7)).temperature == 0.7
    free = constrain(chat(tools=(), stop=("}",)))
    assert (free.stream, free.stop, free.temperature) == (True, ("}",), None)


def test_images_are_refused():
    picture = Image(url="https://example.test/a.png")
    with pytest.raises(Unsupported):
        constrain(chat(said("user", picture)))
    with pytest.raises(Unsupported):
        constrain(chat(said("tool", ToolResult(call_id="1", parts=(picture,)))))


def answer(pieces, reason="stop", **fields):
    """What the caller sees: (name, arguments, text, reason)."""
    called = CalledTools(chat(**fields))
    events = [made for piece in pieces for made in called.feed(TextDelta(text=piece))]
    events += called.feed(Finished(reason=reason))
    started = [event for event in events if isinstance(event, ToolCallStarted)]
    assert len(started) <= 1
    assert all(event.index == 0 and len(event.id) > 10 for event in started)
    if started:
        assert events.index(started[0]) < min(
            [events.index(event) for event in events if isinstance(event, ToolCallDelta)], default=len(events)
        )
    assert isinstance(events[-1], Finished)
    assert all(event.text for event in events if isinstance(event, TextDelta))
    return (
        started[0].name if started else None,
        "".join(event.arguments for event in events if isinstance(event, ToolCallDelta)),
        "".join(event.text for event in events if isinstance(event, TextDelta)),
        events[-1].reason,
    )


ANSWERS = [
    ('{"name": "get_weather", "arguments": {"city": "Paris"}}', ("get_weather", '{"city":"Paris"}', "", "tool_calls")),
    (
        ' {\n "name" : "get_weather" ,\n "arguments" : {\n "city": "a \\"b}\\\\", "n": [1, {"x": []}]\n}\n}\n',
        ("get_weather", '{"city":"a \\"b}\\\\","n":[1,{"x":[]}]}', "", "tool_calls"),
    ),
    ('{"name": "cl\\u006fck", "arguments": {}}', ("clock", "{}", "", "tool_calls")),
    (
        '{"reply": "He said \\"hi\\",\\nOK? \\u00e9 \\ud83d\\ude00 {}"}',
        (None, "", 'He said "hi",\nOK? é 😀 {}', "stop"),
    ),
    ('{"reply": "half \\ud83d of it"}', (None, "", "half \ufffd of it", "stop")),
    ('{"reply": "half \\ud83d"}', (None, "", "half \ufffd", "stop")),
    ('{ "reply" : "" }', (None, "", "", "stop")),
    ("No JSON at all.", (None, "", "No JSON at all.", "stop")),
    ('{"city": "Paris"}', (None, "", '{"city": "Paris"}', "stop")),
]


@pytest.mark.parametrize(("text", "seen"), ANSWERS)
def test_an_answer_means_the_same_however_it_is_cut(text, seen):
    assert answer([text]) == seen
    assert answer(list(text)) == seen
    for at in range(len(text)):
        assert answer([text[:at], text[at:]]) == seen


@given(st.text(), st.integers(min_value=1, max_value=7))
def test_any_reply_comes_out_as_it_was_meant(text, size):
    meant = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    for ascii_only in (True, False):
        written = json.dumps({"reply": meant}, ensure_ascii=ascii_only)
        assert answer([written[at : at + size] for at in range(0, len(written), size)])[2] == meant


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_arguments_come_out_as_they_were_meant(value):
    written = json.dumps({"name": "clock", "arguments": {"v": value}}, indent=2)
    name, arguments, text, reason = answer([written[at : at + 3] for at in range(0, len(written), 3)])
    assert (name, json.loads(arguments), text, reason) == ("clock", {"v": value}, "", "tool_calls")


def test_a_formatted_reply_is_the_json_itself():
    for value, text in (({"n": [1, "a b"]}, '{"n":[1,"a b"]}'), (12, "12"), ("a b", '"a b"')):
        written = json.dumps({"reply": value}, indent=1)
        assert answer(list(written), answer_format=AnswerFormat()) == (None, "", text, "stop")


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ('{"name": "get_weather", "arguments": {"city": "Par', ("get_weather", '{"city":"Par', "", "length")),
        (
            '{"name": "get_weather", "arguments": {"city": "Paris"}',
            ("get_weather", '{"city":"Paris"}', "", "tool_calls"),
        ),
        ('{"reply": "Once upon a', (None, "", "Once upon a", "length")),
        ('{"reply": "Once \\u00', (None, "", "Once ", "length")),
        ('{"name": "get_wea', (None, "", "", "length")),
        ("```json", (None, "", "", "length")),
        ("", (None, "", "", "length")),
    ],
)
def test_cut_by_max_tokens(text, seen):
    assert answer([text], reason="length") == seen
    assert answer(list(text), reason="length") == seen


def test_a_call_that_stopped_half_way_is_not_called_whole():
    assert answer(['{"name": "clock", "arguments": {'], reason="stop")[3] == "length"
    assert answer(['{"name": "clock", "arguments": {}}'], reason="content_filter")[3] == "content_filter"


def test_a_reply_flows_while_it_is_said():
    called = CalledTools(chat())
    assert called.feed(TextDelta(text='{"rep')) == []
    assert called.feed(TextDelta(text='ly": "One')) == [TextDelta(text="One")]
    assert called.feed(TextDelta(text=" two")) == [TextDelta(text=" two")]
    assert called.feed(TextDelta(text='"}')) == []


def test_other_events_pass():
    others = [
        Started(id="a", model="m"),
        ReasoningDelta(text="hm"),
        UsageReported(usage=Usage()),
        Failed(error=Interrupted("cut")),
    ]
    called = CalledTools(chat())
    assert [made for event in others for made in called.feed(event)] == others


def test_a_free_answer_passes_as_it_is():
    called = CalledTools(chat(*HISTORY))
    events = [TextDelta(text='{"name": "clock", "arguments": {}}'), Finished(reason="stop")]
    assert [made for event in events for made in called.feed(event)] == events
