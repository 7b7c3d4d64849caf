"""Answers written for callers of Responses, streamed and whole: checked event by event against OpenAI's schemas."""

from __future__ import annotations

import json

import pytest

from isthmus.core.chat.event import (
    Cited,
    Failed,
    Finished,
    HostedToolUsed,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.chat.request import (
    AnswerFormat,
    Chat,
    Citation,
    CustomTool,
    HostedToolUse,
    Message,
    Opaque,
    SearchResult,
    Text,
    Tool,
    ToolChoice,
    VendorTool,
    WebSearch,
)
from isthmus.core.chat.usage import Usage
from isthmus.errors import InvalidRequest, Malformed, Throttled, Unavailable
from isthmus.wire.openai_responses import DIALECT
from isthmus.wire.sealed import seal, seal_id

CHAT = Chat(model="m", messages=())
KEEPING = Chat(model="m", messages=(), keep_reasoning=True)
SIGNED = Opaque(origin="openai", data='{"encrypted_content":"s","id":"rs_1"}')
CLAUDES = Opaque(origin="anthropic", data="t")
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
            said = [event[name] for name in ("text", "refusal", "arguments", "input") if name in event]
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
        ReasoningDelta(signature=SIGNED),
        ReasoningDelta(signature=CLAUDES, redacted=True),
        TextDelta(text="So"),
        RefusalDelta(text="No"),
        *CALL,
        ToolCallStarted(index=1, id="b", name="g"),
        ToolCallDelta(index=1, arguments="{"),
        ToolCallDelta(index=1, arguments="}"),
        Finished(reason="tool_calls"),
        chat=KEEPING,
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
    assert output[1]["encrypted_content"] == "redacted." + seal(CLAUDES, "openai") and output[1]["summary"] == []
    assert [part["type"] for part in output[2]["content"]] == ["output_text", "refusal"]
    assert (output[3]["call_id"], output[3]["name"], output[3]["arguments"]) == ("a", "f", '{"x":1}')
    assert [item["id"].partition("_")[0] for item in output] == ["rs", "rs", "msg", "fc", "fc"]
    assert output == [event["item"] for event in events if event["type"] == "response.output_item.done"]


def test_thinking_is_given_back_only_to_those_who_ask(whole):
    events = (STARTED, ReasoningDelta(text="Hm"), ReasoningDelta(signature=SIGNED), TextDelta(text="x"), STOP)
    assert "encrypted_content" not in whole(*events)["output"][0]
    assert whole(*events, chat=KEEPING)["output"][0]["encrypted_content"] == "s"


def test_hidden_thinking_is_an_item_of_its_own(stream):
    hidden = ReasoningDelta(signature=CLAUDES, redacted=True)
    output = stream(STARTED, ReasoningDelta(text="Hm"), hidden, STOP, chat=KEEPING)[-1]["response"]["output"]
    assert ["encrypted_content" in item for item in output] == [False, True]


CUSTOM = Chat(model="m", messages=(), tools=(CustomTool(name="f"), Tool(name="g")))


def test_a_custom_tools_call(stream):
    """Free text does not show its end: beside another call it might go on."""
    call = ToolCallStarted(index=0, id="a", name="f", custom=True)
    events = stream(STARTED, call, ToolCallDelta(index=0, arguments="a"), ToolCallDelta(index=0, arguments="b"),
                    *(ToolCallStarted(index=1, id="b", name="g"), ToolCallDelta(index=1, arguments="{}")),
                    Finished(reason="tool_calls"), chat=CUSTOM)  # fmt: skip
    assert shape(events)[2:-1] == [
        "+0 custom_tool_call", "0 a", "0 b", "+1 function_call", "1 {}",
        "0 = ab", "-0 completed", "1 = {}", "-1 completed",
    ]  # fmt: skip
    item = events[-1]["response"]["output"][0]
    assert (item["id"], item["call_id"], item["name"], item["input"]) == ("ctc_chatcmpl-1_0", "a", "f", "ab")


def test_a_custom_tools_call_mixed_with_another(stream, whole):
    calls = (ToolCallStarted(index=0, id="a", name="f", custom=True), ToolCallStarted(index=1, id="b", name="g"))
    pieces = ((0, "a"), (1, "{"), (0, "b"), (1, "}"))
    deltas = (ToolCallDelta(index=index, arguments=text) for index, text in pieces)
    events = (STARTED, *calls, *deltas, Finished(reason="tool_calls"))
    output = whole(*events, chat=CUSTOM)["output"]
    assert [item.get("input") or item["arguments"] for item in output] == ["ab", "{}"]
    assert stream(*events, chat=CUSTOM)[-1]["response"]["output"] == output


def test_a_function_that_stands_for_a_custom_tool(stream, whole):
    pieces = ('{"inp', 'ut":"a\\', 'nb"', "}")
    events = (
        STARTED,
        ToolCallStarted(index=0, id="a", name="f"),
        *(ToolCallDelta(index=0, arguments=piece) for piece in pieces),
        ToolCallStarted(index=1, id="b", name="f"),
        ToolCallDelta(index=1, arguments='{"x":1}'),
        Finished(reason="tool_calls"),
    )
    told = stream(*events, chat=CUSTOM)
    assert shape(told)[2:-1] == [
        "+0 custom_tool_call", "0 a", "0 \nb", "0 = a\nb", "-0 completed",
        "+1 custom_tool_call", '1 {"x":1}', '1 = {"x":1}', "-1 completed",
    ]  # fmt: skip
    assert whole(*events, chat=CUSTOM)["output"] == told[-1]["response"]["output"]


def test_a_call_of_a_namespaces_tool(whole):
    call = ToolCallStarted(index=0, id="a", name="crm-_-f")
    (item,) = whole(STARTED, call, ToolCallDelta(index=0, arguments="{}"), STOP)["output"]
    assert (item["namespace"], item["name"]) == ("crm", "f")


def test_a_calls_signature_travels_in_its_id(whole):
    call = ToolCallStarted(index=0, id="a", name="f", signature=Opaque(origin="google", data="g"))
    (item,) = whole(STARTED, call, ToolCallDelta(index=0, arguments="{}"), STOP)["output"]
    assert item["call_id"] == seal_id("a", Opaque(origin="google", data="g"))


def test_a_search_and_its_sources(stream, whole):
    use = HostedToolUse(id="srv_1", tool="web_search", input='{"query":"q"}', opaque=CLAUDES,
                        results=(SearchResult(url="https://a.example", title="A"),))  # fmt: skip
    events = (
        STARTED, HostedToolUsed(use=use), TextDelta(text="One. "), RefusalDelta(text="No"), TextDelta(text="Two"),
        Cited(citation=Citation(url="https://a.example", title="A", start=5, end=7)),
        Cited(citation=Citation(url="https://b.example")), TextDelta(text="!"),
        Cited(citation=Citation(url="https://c.example")), Cited(citation=Citation(document=0)), STOP,
    )  # fmt: skip
    told = stream(*events)
    assert [event["type"].removeprefix("response.") for event in told][2:7] == [
        "output_item.added", "web_search_call.in_progress", "web_search_call.searching", "web_search_call.completed",
        "output_item.done",
    ]  # fmt: skip
    assert told[2]["item"]["status"] == "in_progress" and "encrypted_content" not in told[2]["item"]
    search, message = told[-1]["response"]["output"]
    assert search == told[6]["item"]
    assert search["action"] == {"type": "search", "query": "q", "queries": ["q"],
                                "sources": [{"type": "url", "url": "https://a.example"}]}  # fmt: skip
    assert (search["id"], search["status"]) == ("ws_chatcmpl-1_0", "completed")
    assert search["encrypted_content"] == seal(CLAUDES, "openai")
    added = [event for event in told if event["type"].endswith("annotation.added")]
    assert [(event["content_index"], event["annotation_index"]) for event in added] == [(2, 0), (2, 1), (2, 2)]
    assert [event["annotation"] for event in added] == message["content"][2]["annotations"]
    spans = [(note["start_index"], note["end_index"]) for note in message["content"][2]["annotations"]]
    assert spans == [(0, 2), (0, 3), (3, 4)]
    assert whole(*events)["output"] == [search, message]


def test_a_search_that_failed(whole):
    use = HostedToolUse(id="", tool="web_search", input="[", error="max_uses_exceeded")
    assert whole(STARTED, HostedToolUsed(use=use), STOP)["output"][0]["status"] == "failed"


def test_what_openai_ran_and_what_nobody_else_has_a_form_for(stream):
    item = {"type": "code_interpreter_call", "id": "ci_1", "status": "completed", "code": "1", "container_id": "c",
            "outputs": None}  # fmt: skip
    own = HostedToolUse(id="ci_1", tool="code_interpreter", opaque=Opaque(origin="openai", data=json.dumps(item)))
    other = HostedToolUse(id="x", tool="code_execution", opaque=CLAUDES)
    told = stream(STARTED, TextDelta(text="x"), HostedToolUsed(use=own), HostedToolUsed(use=other), STOP)
    assert [each["type"] for each in told[-1]["response"]["output"]] == ["message", "code_interpreter_call"]
    assert told[-1]["response"]["output"][1] == item
    assert told[-3]["item"]["status"] == "in_progress"


def test_a_source_of_nothing_said_is_passed_over(stream):
    cited = Cited(citation=Citation(url="https://a.example"))
    call = (ToolCallStarted(index=0, id="a", name="f"), ToolCallDelta(index=0, arguments="{}"))
    told = stream(STARTED, TextDelta(text="So."), *call, cited, STOP)
    (late,) = [event for event in told if event["type"] == "response.output_text.annotation.added"]
    assert (late["output_index"], late["content_index"], late["annotation"]["url"]) == (0, 0, "https://a.example")
    assert told[-1]["response"]["output"][0]["content"][0]["annotations"] == [late["annotation"]]
    assert [event["type"] for event in stream(STARTED, cited, RefusalDelta(text="No"), cited, STOP)].count(
        "response.output_text.annotation.added"
    ) == 0


def test_logprobs(stream, whole):
    logprobs = (TokenLogprob(token="ø", logprob=-0.5, top=(("o", -1.0),)),)
    events = (STARTED, TextDelta(text="ø", logprobs=logprobs), TextDelta(text="x"), STOP)
    told = stream(*events)
    token = {"token": "ø", "logprob": -0.5, "bytes": [195, 184],
             "top_logprobs": [{"token": "o", "logprob": -1.0, "bytes": [111]}]}  # fmt: skip
    deltas = [event for event in told if event["type"] == "response.output_text.delta"]
    assert [event["logprobs"] for event in deltas] == [[token], []]
    assert whole(*events)["output"][0]["content"][0]["logprobs"] == [token]


@pytest.mark.parametrize(
    ("reason", "said", "status", "why"),
    [
        ("context_length", TextDelta(text="x"), "incomplete", "max_output_tokens"),
        ("refusal", TextDelta(text="x"), "incomplete", "content_filter"),
        ("refusal", RefusalDelta(text="x"), "completed", None),
        ("pause", TextDelta(text="x"), "completed", None),
    ],
)
def test_reasons_of_other_vendors(stream, reason, said, status, why):
    response = stream(STARTED, said, Finished(reason=reason))[-1]["response"]
    assert response["status"] == response["output"][0]["status"] == status
    assert response["incomplete_details"] == (None if why is None else {"reason": why})


@pytest.mark.parametrize("reason", ["error", "malformed_tool_call"])
def test_answers_that_failed_in_an_answers_form(stream, whole, reason):
    events = (STARTED, TextDelta(text="x"), Finished(reason=reason))
    told = stream(*events)
    assert told[-1]["type"] == "response.failed" and told[-1]["response"] == whole(*events)
    assert told[-1]["response"]["error"]["code"] == "server_error"
    assert told[-1]["response"]["output"][0]["status"] == "incomplete"


@pytest.mark.parametrize(("tier", "told"), [("priority", "priority"), ("standard", "default"), (None, "default")])
def test_the_tier_that_served(stream, tier, told):
    assert stream(STARTED, STOP, UsageReported(usage=Usage(service_tier=tier)))[-1]["response"]["service_tier"] == told


def test_tools_of_every_kind_are_echoed(whole):
    shell = VendorTool(type="local_shell", definition=Opaque(origin="openai", data='{"type":"local_shell"}'))
    tools = (CustomTool(name="f"), WebSearch(max_uses=2), Tool(name="g"))
    chat = Chat(model="m", messages=(), tools=tools, tool_choice=ToolChoice(mode="named", name="web_search"),
                metadata={"a": "b"}, cache_key="k", verbosity="low", summary="auto", top_logprobs=2)  # fmt: skip
    response = whole(STARTED, STOP, chat=chat)
    assert [tool["type"] for tool in response["tools"]] == ["custom", "web_search", "function"]
    assert response["tool_choice"]["type"] == "allowed_tools" and response["max_tool_calls"] == 2
    assert (response["metadata"], response["prompt_cache_key"], response["top_logprobs"]) == ({"a": "b"}, "k", 2)
    assert response["text"]["verbosity"] == "low" and response["reasoning"]["summary"] == "auto"
    # Another vendor's model was never offered it.
    assert whole(STARTED, STOP, chat=Chat(model="m", messages=(), tools=(shell,)))["tools"] == []


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
        (InvalidRequest("No.", kind="invalid_image_url"), "invalid_image_url"),
        (InvalidRequest("No.", kind="other"), "invalid_prompt"),
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
        STARTED, ReasoningDelta(text="Hm"), ReasoningDelta(text=".", signature=SIGNED), TextDelta(text="So"), *CALL,
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
