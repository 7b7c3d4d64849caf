"""Answers written for callers of Responses, streamed and whole: checked event by event against OpenAI's schemas."""

from __future__ import annotations

import json

import pytest

from isthmus.core.event import (
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.request import AnswerFormat, Chat, Message, Text, Tool, ToolChoice
from isthmus.core.usage import Usage
from isthmus.errors import InvalidRequest, Malformed, Throttled, Unavailable
from isthmus.wire.openai_responses import DIALECT

CHAT = Chat(model="m", messages=())
STARTED = Started(id="chatcmpl-1", model="gpt", created=5)
USAGE = Usage(input_tokens=100, output_tokens=20, cache_read_tokens=60, cache_write_tokens=30, reasoning_tokens=5)
STOP = Finished(reason="stop")
CALL = (ToolCallStarted(index=0, id="a", name="f"), ToolCallDelta(index=0, arguments='{"x":1}'))


@pytest.fixture(scope="session")
def schema_of(schemas):
    """Event type → the name of its schema."""
    names = [option["$ref"].rsplit("/", 1)[1] for option in schemas["ResponseStreamEvent"]["anyOf"]]
    return {schemas[name]["properties"]["type"]["enum"][0]: name for name in names}


@pytest.fixture
def stream(validate, frames, schema_of):
    """The events as a stream's data, each valid and in sequence."""

    def written(*events, chat=CHAT):
        writer = DIALECT.writer(False, chat)
        found = frames(b"".join([*(writer.write(event) for event in events), writer.close()]))
        for place, (name, data) in enumerate(found):
            assert data["type"] == name and data["sequence_number"] == place
            validate(schema_of[name], data)
        return [data for _, data in found]

    return written


@pytest.fixture
def whole(validate):
    def written(*events, chat=CHAT):
        writer = DIALECT.writer(True, chat)
        assert not any([writer.write(event) for event in events])
        response = json.loads(writer.close())
        validate("Response", response)
        return response

    return written


def shape(events):
    """What happens, in few words."""
    told = []
    for event in events:
        kind = event["type"].removeprefix("response.")
        place = event.get("output_index", "")
        if kind.endswith(".delta"):
            told.append(f"{place} {event['delta']}")
        elif kind == "output_item.added":
            told.append(f"+{place} {event['item']['type']}")
        elif kind == "output_item.done":
            told.append(f"-{place} {event['item'].get('status', '')}".rstrip())
        elif kind.endswith("part.added"):
            told.append(f"+{place}.{event.get('content_index', event.get('summary_index'))} {event['part']['type']}")
        elif kind.endswith("part.done"):
            told.append(f"-{place}.{event.get('content_index', event.get('summary_index'))}")
        elif kind.endswith(".done"):
            said = [event[name] for name in ("text", "refusal", "arguments") if name in event]
            told.append(f"{place} = {said[0]}")
        else:
            told.append(kind)
    return told


def test_a_text(stream):
    events = stream(STARTED, TextDelta(text="Hel"), TextDelta(text='lo "\u2028'), STOP, UsageReported(usage=USAGE))
    said = 'Hello "\u2028'
    assert shape(events) == [
        "created", "in_progress",
        "+0 message", "+0.0 output_text", "0 Hel", '0 lo "\u2028', f"0 = {said}", "-0.0", "-0 completed",
        "completed",
    ]  # fmt: skip
    first, last = events[0]["response"], events[-1]["response"]
    assert (first["id"], first["status"], first["created_at"], first["model"]) == (
        "resp_chatcmpl-1", "in_progress", 5, "gpt",
    )  # fmt: skip
    assert first["output"] == [] and last["output"] == [events[-2]["item"]]
    assert last["status"] == "completed" and last["output"][0]["content"][0]["text"] == said
    assert last["usage"] == {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 5},
        "total_tokens": 120,
    }
    assert {event["item_id"] for event in events if "item_id" in event} == {last["output"][0]["id"]}
    assert last["output"][0]["id"] == "msg_chatcmpl-1_0"


def test_reasoning_text_refusal_and_calls(stream):
    events = stream(
        STARTED,
        ReasoningDelta(text="H"),
        ReasoningDelta(text="m"),
        ReasoningDelta(signature="s"),
        ReasoningDelta(signature="t"),
        TextDelta(text="So"),
        RefusalDelta(text="No"),
        *CALL,
        ToolCallStarted(index=1, id="b", name="g"),
        ToolCallDelta(index=1, arguments="{"),
        ToolCallDelta(index=1, arguments="}"),
        Finished(reason="tool_calls"),
    )
    assert shape(events) == [
        "created", "in_progress",
        "+0 reasoning", "+0.0 summary_text", "0 H", "0 m", "0 = Hm", "-0.0", "-0",
        "+1 reasoning", "-1",
        "+2 message", "+2.0 output_text", "2 So", "2 = So", "-2.0", "+2.1 refusal", "2 No", "2 = No", "-2.1",
        "-2 completed",
        "+3 function_call", '3 {"x":1}', '3 = {"x":1}', "-3 completed",
        "+4 function_call", "4 {", "4 }", "4 = {}", "-4 completed",
        "completed",
    ]  # fmt: skip
    output = events[-1]["response"]["output"]
    assert output[0]["encrypted_content"] == "s" and output[0]["summary"] == [{"type": "summary_text", "text": "Hm"}]
    assert output[1]["encrypted_content"] == "t" and output[1]["summary"] == []
    assert [part["type"] for part in output[2]["content"]] == ["output_text", "refusal"]
    assert (output[3]["call_id"], output[3]["name"], output[3]["arguments"]) == ("a", "f", '{"x":1}')
    assert [item["id"].partition("_")[0] for item in output] == ["rs", "rs", "msg", "fc", "fc"]
    assert output == [event["item"] for event in events if event["type"] == "response.output_item.done"]


def test_calls_that_a_provider_mixes_stand_open_beside_each_other(stream):
    events = stream(
        STARTED,
        ToolCallStarted(index=0, id="a", name="f"),
        ToolCallDelta(index=0, arguments='{"x":'),
        ToolCallStarted(index=1, id="b", name="g"),
        ToolCallDelta(index=1, arguments="{"),
        ToolCallDelta(index=0, arguments="1}"),
        ToolCallDelta(index=1, arguments="}"),
        TextDelta(text="Ok"),
        STOP,
    )
    assert shape(events)[2:-4] == [
        "+0 function_call", '0 {"x":', "+1 function_call", "1 {", "0 1}", "1 }",
        '0 = {"x":1}', "-0 completed", "1 = {}", "-1 completed", "+2 message", "+2.0 output_text", "2 Ok",
    ]  # fmt: skip
    assert [item["type"] for item in events[-1]["response"]["output"]] == ["function_call", "function_call", "message"]


@pytest.mark.parametrize(("reason", "why"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
def test_an_answer_that_is_not_complete(stream, whole, reason, why):
    events = (STARTED, *CALL, TextDelta(text="x"), Finished(reason=reason))
    told = stream(*events)
    assert told[-1]["type"] == "response.incomplete"
    for response in (told[-1]["response"], whole(*events)):
        assert response["status"] == "incomplete" and response["incomplete_details"] == {"reason": why}
        assert [item["status"] for item in response["output"]] == ["completed", "incomplete"]
    assert shape(told)[-2] == "-1 incomplete"


def test_a_failure_inside_a_stream_is_an_error_and_then_a_failed_response(stream):
    error = Throttled("Slow down.", kind="tokens", param="input")
    events = stream(STARTED, *CALL, TextDelta(text="He"), Failed(error=error))
    assert [event["type"] for event in events[-2:]] == ["error", "response.failed"]
    stated = {"code": "2005", "message": "Slow down.", "param": "input"}
    assert events[-2] == {
        "type": "error", "sequence_number": len(events) - 2, **stated, "error": {"type": "tokens", **stated},
    }  # fmt: skip
    response = events[-1]["response"]
    assert response["status"] == "failed"
    assert response["error"] == {"code": "rate_limit_exceeded", "message": "Slow down."}
    assert [item["status"] for item in response["output"]] == ["completed", "incomplete"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unavailable("No."), "server_error"),
        (InvalidRequest("No."), "invalid_prompt"),
        (Throttled("No."), "rate_limit_exceeded"),
    ],
)
def test_a_failed_response_has_one_of_openais_codes(stream, error, code):
    assert stream(STARTED, Failed(error=error))[-1]["response"]["error"]["code"] == code


def test_a_failure_before_anything_began(stream):
    assert [event["type"] for event in stream(Failed(error=Unavailable("No.")))] == ["error"]


def test_a_failure_in_a_whole_answer_is_raised():
    writer = DIALECT.writer(True, CHAT)
    writer.write(STARTED)
    with pytest.raises(Throttled):
        writer.write(Failed(error=Throttled("Slow down.")))


@pytest.mark.parametrize("whole_answer", [True, False])
def test_arguments_of_no_call_are_refused(whole_answer):
    writer = DIALECT.writer(whole_answer, CHAT)
    writer.write(STARTED)
    with pytest.raises(Malformed):
        writer.write(ToolCallDelta(index=0, arguments="{}"))


def test_nothing_is_written_of_an_answer_that_never_began():
    assert DIALECT.writer(True, CHAT).close() == DIALECT.writer(False, CHAT).close() == b""


def test_a_whole_answer(whole, stream):
    events = (
        STARTED, ReasoningDelta(text="Hm"), ReasoningDelta(text=".", signature="s"), TextDelta(text="So"), *CALL,
        Finished(reason="tool_calls"), UsageReported(usage=USAGE),
    )  # fmt: skip
    assert whole(*events) == stream(*events)[-1]["response"]


def test_an_empty_answer(whole, stream):
    assert whole(STARTED, STOP)["output"] == []
    assert shape(stream(STARTED, STOP)) == ["created", "in_progress", "completed"]


def test_an_id_is_made_where_there_is_none(whole):
    ids = {whole(Started(id="", model="m"), STOP)["id"] for _ in range(2)}
    assert len(ids) == 2 and all(made.startswith("resp_") and len(made) > 12 for made in ids)


def test_usage_known_at_the_start_holds_where_nothing_follows(whole):
    assert whole(Started(id="resp_1", model="m", usage=USAGE), STOP)["usage"]["input_tokens"] == 100


def test_the_request_is_echoed(whole):
    tool = Tool(name="f", parameters={"type": "object"}, strict=True)
    chat = Chat(
        model="m", messages=(Message(role="system", parts=(Text(text="Be."),)),), tools=(tool,),
        tool_choice=ToolChoice(mode="named", name="f"), parallel_tool_calls=False, max_tokens=99, temperature=0.5,
        top_p=0.25, effort="low", user="u", answer_format=AnswerFormat(name="n", schema={"type": "object"}),
    )  # fmt: skip
    response = whole(STARTED, STOP, chat=chat)
    expected = {
        "instructions": "Be.", "max_output_tokens": 99, "temperature": 0.5, "top_p": 0.25, "user": "u",
        "safety_identifier": "u", "parallel_tool_calls": False, "tool_choice": {"type": "function", "name": "f"},
        "reasoning": {"effort": "low", "summary": None}, "store": False, "previous_response_id": None,
    }  # fmt: skip
    assert {name: response[name] for name in expected} == expected
    assert response["tools"][0]["name"] == "f" and response["text"]["format"]["name"] == "n"


def test_what_was_not_asked_for_is_echoed_as_the_default(whole, schemas):
    response = whole(STARTED, STOP)
    expected = {
        "instructions": None, "max_output_tokens": None, "temperature": 1.0, "top_p": 1.0, "tool_choice": "auto",
        "parallel_tool_calls": True, "tools": [], "metadata": {}, "error": None, "incomplete_details": None,
        "background": False, "truncation": "disabled", "completed_at": None,
    }  # fmt: skip
    assert {name: response[name] for name in expected} == expected
    known = set(schemas["ModelResponseProperties"]["properties"]) | set(schemas["ResponseProperties"]["properties"])
    known |= set(schemas["Response"]["allOf"][2]["properties"])
    # `user` may not be null, and `output_text` is made by the libraries.
    assert known - set(response) == {"user", "output_text"}


def test_the_keep_alive_says_nothing():
    assert DIALECT.reader(whole=False).feed(DIALECT.keep_alive) == []
