"""Odd answers read, and answers written whatever the provider was."""

from __future__ import annotations

import json

import pytest

from isthmus.core.chat.event import (
    Failed,
    Finished,
    HostedToolUsed,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.chat.request import Chat, HostedToolUse, Opaque
from isthmus.core.chat.usage import Usage
from isthmus.errors import Interrupted, Malformed, Rejected, Throttled, Unavailable
from isthmus.wire.gemini import DIALECT

CHAT = Chat(model="m", messages=())
STARTED = Started(id="x", model="m")


def read(data, whole=True):
    reader = DIALECT.reader(whole)
    return reader.feed(data) + reader.close()


def candidate(reason="STOP", parts=None, **fields):
    return {"candidates": [{"content": {"parts": parts or [{"text": "x"}]}, "finishReason": reason, **fields}]}


def finished(answer):
    (end,) = [event for event in read(json.dumps(answer).encode()) if isinstance(event, Finished)]
    return end.reason, end.detail


@pytest.mark.parametrize(
    ("given", "reason", "detail"),
    (
        ("STOP", "stop", None),
        ("MAX_TOKENS", "length", None),
        ("RECITATION", "content_filter", "RECITATION"),
        ("MODEL_ARMOR", "content_filter", "MODEL_ARMOR"),
        ("MALFORMED_FUNCTION_CALL", "malformed_tool_call", "MALFORMED_FUNCTION_CALL"),
        ("OTHER", "error", "OTHER"),
        ("SOMETHING_NEW", "stop", None),
    ),
)
def test_every_reason(given, reason, detail):
    assert finished(candidate(given)) == (reason, detail)
    writer = DIALECT.writer(True, CHAT)
    writer.write(STARTED)
    writer.write(Finished(reason=reason, detail=detail))
    (written,) = json.loads(writer.close())["candidates"]
    assert written["finishReason"] == (given if given != "SOMETHING_NEW" else "STOP")


def test_a_stop_after_calls_is_a_call():
    assert finished(candidate(parts=[{"functionCall": {"name": "f"}}]))[0] == "tool_calls"


def test_a_whole_answer_without_a_reason_has_ended():
    assert finished(candidate(None)) == ("stop", None)


@pytest.mark.parametrize("body", (b"{}", b"[]", b'{"candidates":[]}', b'"x"', b"<html>", b'{"candidates":5}'))
def test_what_is_no_answer_is_malformed(body):
    with pytest.raises(Malformed):
        read(body)


def test_half_an_answer_is_interrupted():
    with pytest.raises(Interrupted):
        read(json.dumps(candidate()).encode()[:-5])


def test_a_reason_with_every_chunk_ends_the_answer_once():
    chunk = b"data: " + json.dumps(candidate()).encode() + b"\r\n\r\n"
    events = read(chunk * 3, whole=False)
    assert [type(event).__name__ for event in events] == ["Started", "TextDelta", "TextDelta", "TextDelta", "Finished"]


@pytest.mark.parametrize("step", (1, 1000))
def test_an_error_that_is_no_event_breaks_a_stream_off(step):
    stream = b"data: " + json.dumps(candidate(None)).encode() + b"\r\n\r\n"
    stream += b'{\n  "error": {\n    "code": 503,\n    "message": "Overloaded.",\n    "status": "UNAVAILABLE"\n  }\n}\n'
    reader = DIALECT.reader(False)
    events = [event for at in range(0, len(stream), step) for event in reader.feed(stream[at : at + step])]
    last = (events + reader.close())[-1]
    assert isinstance(last, Failed) and last.error.message == "Overloaded." and last.error.status == 503


def test_usage_is_inclusive_and_adds_up():
    given = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 60,
        "toolUsePromptTokenCount": 10,
        "candidatesTokenCount": 20,
        "thoughtsTokenCount": 30,
        "totalTokenCount": 160,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 75}, {"modality": "AUDIO", "tokenCount": 25}],
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 5}],
        "trafficType": "ON_DEMAND",
    }
    usage = Usage(
        input_tokens=110,
        output_tokens=50,
        cache_read_tokens=60,
        reasoning_tokens=30,
        input_audio_tokens=25,
        output_audio_tokens=5,
        service_tier="ON_DEMAND",
    )
    body = json.dumps(candidate() | {"usageMetadata": given}).encode()
    assert UsageReported(usage=usage) in read(body)
    assert DIALECT.summarize(body, True).usage == usage


def test_segments_count_bytes_of_their_part():
    parts = [{"text": "Thought.", "thought": True}, {"text": "Änd "}, {"text": "ünd so."}]
    support = {
        "segment": {"partIndex": 2, "startIndex": 0, "endIndex": 4, "text": "ünd"},
        "groundingChunkIndices": [0, 7],
    }
    grounding = {"groundingChunks": [{"web": {"uri": "https://a.example"}}], "groundingSupports": [support]}
    events = read(json.dumps(candidate(parts=parts, groundingMetadata=grounding)).encode())
    (cited,) = [event.citation for event in events if hasattr(event, "citation")]
    assert (cited.url, cited.start, cited.end) == ("https://a.example", 4, 7)


def test_grounding_of_a_form_that_nobody_knows_costs_no_answer():
    for odd in (
        {"groundingChunks": 5},
        [1],
        "x",
        {"groundingSupports": [{"segment": {"startIndex": -1, "endIndex": 9}}]},
    ):
        assert finished(candidate(groundingMetadata=odd)) == ("stop", None)


def test_fetched_pages_are_told():
    pages = {"urlMetadata": [{"retrievedUrl": "https://a.example", "urlRetrievalStatus": "URL_RETRIEVAL_STATUS_ERROR"}]}
    events = read(json.dumps(candidate(urlContextMetadata=pages)).encode())
    (use,) = [event.use for event in events if isinstance(event, HostedToolUsed)]
    assert (use.tool, use.results[0].url, use.error) == (
        "url_context",
        "https://a.example",
        "URL_RETRIEVAL_STATUS_ERROR",
    )


# --- writing --------------------------------------------------------------------------------------------------------


def written(*events, whole=True, summary=None):
    writer = DIALECT.writer(whole, Chat(model="m", messages=(), summary=summary))
    data = b"".join([*(writer.write(event) for event in (STARTED, *events)), writer.close()])
    if whole:
        return json.loads(data)
    return [json.loads(line[6:]) for line in data.decode().split("\n\n") if line]


def parts_of(answer):
    return answer["candidates"][0]["content"]["parts"]


def test_calls_that_come_mixed_are_written_whole_and_in_order():
    events = (
        ToolCallStarted(index=0, id="a", name="f"),
        ToolCallStarted(index=1, id="b", name="g"),
        ToolCallDelta(index=1, arguments='{"y":2}'),
        ToolCallDelta(index=0, arguments='{"x":'),
        TextDelta(text="!"),
        ToolCallDelta(index=0, arguments="1}"),
    )
    for whole in (True, False):
        answers = written(*events, whole=whole)
        parts = parts_of(answers) if whole else [part for answer in answers for part in parts_of(answer)]
        calls = [part["functionCall"] for part in parts if "functionCall" in part]
        assert calls == [{"id": "a", "name": "f", "args": {"x": 1}}, {"id": "b", "name": "g", "args": {"y": 2}}]


def test_free_text_beside_another_call_may_go_on():
    events = (
        ToolCallStarted(index=0, id="a", name="f", custom=True),
        ToolCallStarted(index=1, id="b", name="g"),
        ToolCallDelta(index=0, arguments="l"),
        ToolCallDelta(index=1, arguments="{}"),
        ToolCallDelta(index=0, arguments="s"),
    )
    for whole in (True, False):
        answers = written(*events, whole=whole)
        parts = parts_of(answers) if whole else [part for answer in answers for part in parts_of(answer)]
        assert [part["functionCall"]["args"] for part in parts if "functionCall" in part] == [{"input": "ls"}, {}]


def test_sources_are_told_with_the_text_that_they_are_of():
    """Before what closes it for others: the signature behind it, and the search."""
    grounding = {
        "webSearchQueries": ["q"],
        "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}],
        "groundingSupports": [{"segment": {"endIndex": 3}, "groundingChunkIndices": [0]}],
    }
    parts = [{"text": "So."}, {"text": "", "thoughtSignature": "QUJD"}]
    answer = candidate(parts=parts, groundingMetadata=grounding)
    kinds = [type(event).__name__ for event in read(json.dumps(answer).encode())]
    assert kinds[1:] == ["TextDelta", "Cited", "ReasoningDelta", "HostedToolUsed", "Finished"]


def test_arguments_for_a_call_that_was_not_begun_are_malformed():
    with pytest.raises(Malformed):
        written(ToolCallDelta(index=3, arguments="{}"))


def test_arguments_that_are_no_object_are_kept_in_one():
    (part,) = parts_of(written(ToolCallStarted(index=0, id="a", name="f"), ToolCallDelta(index=0, arguments="[1")))
    assert part["functionCall"]["args"] == {"unparsed_arguments": "[1"}


@pytest.mark.parametrize("end", ("\n", "\r\n", "\r"))
def test_arguments_of_several_lines_do_not_break_an_event(end):
    call = ToolCallDelta(index=0, arguments=f'{{{end} "at": "a\\n",{end} "n": 1.0{end}}}')
    for whole in (False, True):
        answer = written(ToolCallStarted(index=0, id="a", name="f"), call, whole=whole)
        (part,) = parts_of(answer if whole else answer[0])
        assert part["functionCall"]["args"] == {"at": "a\n", "n": 1.0}


def test_thoughts_are_shown_to_those_who_asked():
    thought = (ReasoningDelta(text="Hm"), ReasoningDelta(text="."), TextDelta(text="A"), RefusalDelta(text="b"))
    assert parts_of(written(*thought)) == [{"text": "Ab"}]
    assert parts_of(written(*thought, summary="none")) == [{"text": "Ab"}]
    assert parts_of(written(*thought, summary="auto")) == [{"text": "Hm.", "thought": True}, {"text": "Ab"}]


def test_googles_own_parts_are_given_as_they_were():
    parts = [
        {"executableCode": {"language": "PYTHON", "code": "1"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK"}},
    ]
    use = HostedToolUse(id="1", tool="code_execution", opaque=Opaque(origin="google", data=json.dumps(parts)))
    assert parts_of(written(HostedToolUsed(use=use), TextDelta(text="1"))) == [*parts, {"text": "1"}]


def test_several_answers_are_several_candidates():
    events = (
        TextDelta(text="a"),
        TextDelta(text="b", choice=1),
        Finished(reason="stop"),
        Finished(reason="length", choice=1),
    )
    candidates = written(*events)["candidates"]
    assert [(one["index"], one["finishReason"], one["content"]["parts"]) for one in candidates] == [
        (0, "STOP", [{"text": "a"}]),
        (1, "MAX_TOKENS", [{"text": "b"}]),
    ]
    last = written(*events, whole=False)[-1]["candidates"]
    assert [one["finishReason"] for one in last] == ["STOP", "MAX_TOKENS"]


# --- errors ---------------------------------------------------------------------------------------------------------


def test_googles_errors_are_read_with_all_they_say():
    error = {
        "code": 429,
        "message": "Quota.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}],
    }
    for body in ({"error": error}, [{"error": error}]):
        read_error = DIALECT.read_error(429, json.dumps(body).encode(), None)
        assert isinstance(read_error, Throttled)
        assert (read_error.message, read_error.kind, read_error.retry_after) == ("Quota.", "RESOURCE_EXHAUSTED", 34.5)
    assert DIALECT.read_error(429, json.dumps({"error": error}).encode(), 3.0).retry_after == 3.0


def test_the_field_that_google_names_is_kept():
    violation = {"field": "contents", "description": "empty"}
    details = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}]
    body = json.dumps({"error": {"code": 400, "message": "Bad.", "status": "INVALID_ARGUMENT", "details": details}})
    error = DIALECT.read_error(400, body.encode(), None)
    assert isinstance(error, Rejected) and error.param == "contents"


def test_a_refused_key_is_the_installations():
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
    stated = {"error": {"code": 400, "message": "API key abc not valid.", "details": details}}
    error = DIALECT.read_error(400, json.dumps(stated).encode(), None)
    assert isinstance(error, Unavailable) and error.status == 503 and "abc" not in error.message
    (event,) = read(json.dumps(stated).encode())
    assert event.error.status == 503 and "abc" not in event.error.message


@pytest.mark.parametrize(
    "body", (b"", b"<html>", b"[]", b'{"error":"gone"}', b'{"error":{"details":[{"@type":5}]}}', b"[" * 9999)
)
def test_any_body_of_an_error_will_do(body):
    assert DIALECT.read_error(502, body, None).status == 502


def test_our_errors_in_googles_words():
    error = Throttled("Slow down.", retry_after=1.2, param="contents")
    stated = json.loads(DIALECT.write_error(error, "r"))
    details = stated["error"].pop("details")
    assert stated == {
        "error": {"code": 429, "message": "Slow down.", "status": "RESOURCE_EXHAUSTED"},
        "success": False,
        "errors": [{"code": 2005, "message": "Slow down."}],
    }
    assert details[0]["metadata"] == {"code": "2005"}
    assert details[1]["fieldViolations"][0]["field"] == "contents"
    assert details[2]["retryDelay"] == "2s"
    again = DIALECT.read_error(429, DIALECT.write_error(error, "r"), None)
    assert (again.param, again.retry_after, again.kind) == ("contents", 2.0, "RESOURCE_EXHAUSTED")
