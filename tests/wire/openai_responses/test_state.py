"""Turns that are kept, put together again: the conversation that a caller would have sent whole."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core.state import StoredItem
from isthmus.errors import InvalidRequest, NotFound
from isthmus.wire.body import Body
from isthmus.wire.openai_responses.request import ENCRYPTED, read_request
from isthmus.wire.openai_responses.state import compaction, items, unfinished, view, wish
from isthmus.wire.sealed import MARK

encode = msgspec.json.encode
decode = msgspec.json.decode

TEXT = st.text(min_size=1, max_size=20)


def user(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def assistant(text: str, item_id: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"id": item_id, "type": "message", "role": "assistant", "status": "completed", "content": [part]}


@st.composite
def conversations(draw: st.DrawFn) -> list[tuple[Any, list[dict[str, Any]]]]:
    """Turns: the `input` as sent, and the answer's output items. Calls are answered in the next turn."""
    turns: list[tuple[Any, list[dict[str, Any]]]] = []
    waiting: list[str] = []
    for number in range(draw(st.integers(1, 6))):
        said: Any = draw(TEXT)
        if waiting or draw(st.booleans()):
            results = [{"type": "function_call_output", "call_id": call, "output": draw(TEXT)} for call in waiting]
            easy = {"role": draw(st.sampled_from(["user", "developer", "system"])), "content": said}
            said = [*results, *draw(st.sampled_from([[easy], [user(said)], [user(said), easy]]))]
        output: list[dict[str, Any]] = []
        if draw(st.booleans()):
            thought = {"id": f"rs_{number}", "type": "reasoning", "summary": [], "encrypted_content": draw(TEXT)}
            output.append(thought)
        if draw(st.booleans()) or not output:
            output.append(assistant(draw(TEXT), f"msg_{number}"))
        waiting = [f"call_{number}_{call}" for call in range(draw(st.integers(0, 2)))]
        output += [
            {"id": f"fc_{call}", "type": "function_call", "call_id": call, "name": "f", "arguments": "{}"}
            for call in waiting
        ]
        turns.append((said, output))
    return turns


@settings(max_examples=200, deadline=None)
@given(turns=conversations(), last=TEXT)
def test_kept_turns_are_the_conversation_sent_whole(turns: list[tuple[Any, list[dict[str, Any]]]], last: str) -> None:
    kept: list[StoredItem] = []
    whole: list[Any] = []
    for said, output in turns:
        new = items.read_input(encode(said))
        response = encode({"id": "resp_1", "output": output, "status": "completed"})
        kept += [*items.kept_items(new, "input"), *items.kept_items(items.output_items(response), "output")]
        whole += [user(said)] if isinstance(said, str) else said
        whole += output
    calls = [item["call_id"] for item in turns[-1][1] if item["type"] == "function_call"]
    results = [{"type": "function_call_output", "call_id": call, "output": "x"} for call in calls]
    final = [*results, user(last)]
    sent = items.sent_again(kept, items.read_input(encode(final)))
    assert decode(sent) == whole + final
    chat = read_request(Body(encode({"model": "m", "input": msgspec.Raw(sent)})))
    assert chat == read_request(Body(encode({"model": "m", "input": whole + final})))
    assert len({item.id for item in kept}) == len(kept)
    shown = [decode(items.shown_item(item)) for item in kept]
    assert [item["id"] for item in shown] == [item.id for item in kept]
    assert not any("encrypted_content" in item for item in shown)


def test_a_text_is_sent_again_as_the_users_message_byte_for_byte() -> None:
    (item,) = items.read_input(b'"h\\u00e9 \\n"')
    assert item == b'{"type":"message","role":"user","content":[{"type":"input_text","text":"h\\u00e9 \\n"}]}'
    assert items.read_input(None) == items.read_input(b"null") == []


@pytest.mark.parametrize("raw", [b"7", b"{}", b"true", b"[7]", b'["x"]', b"[[]]", b'[{"type":7}]'])
def test_what_is_no_input_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRequest):
        items.read_input(raw)


def test_thinking_that_nobody_could_find_again_is_marked_and_its_words_are_kept() -> None:
    def again(**fields: Any) -> Any:
        held = encode({"type": "reasoning", "id": "rs_1", "summary": [], **fields})
        return decode(items.sent_again(items.kept_items([held], "output"), []))[0]

    assert MARK in again()["id"] and MARK in again(encrypted_content=None)["id"]
    assert again(encrypted_content="sealed")["id"] == "rs_1"
    words = [{"type": "reasoning_text", "text": "hm"}]
    assert again(content=words) == {"type": "reasoning", "id": "rs_1", "summary": [], "content": words}


def test_what_is_only_named_is_put_in_full() -> None:
    kept = StoredItem(id="msg_1", body=encode(assistant("hello", "msg_1")))
    thought = StoredItem(id="rs_1", body=b'{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"x"}')
    named = [
        b'{"id":"msg_1"}',
        b'{"type":"item_reference","id":"msg_1"}',
        b'{"type":"reasoning","id":"rs_1","summary":[]}',
    ]
    other = [encode(user("x")), b'{"type":"reasoning","id":"rs_9","summary":[]}', thought.body]
    assert items.references([*named, *other]) == ["msg_1", "msg_1", "rs_1", "rs_9"]
    found = {"msg_1": kept, "rs_1": thought}
    assert items.resolved([*named, *other], found) == [kept.body, kept.body, thought.body, *other]
    with pytest.raises(NotFound):
        items.resolved(named, {})


# --- what is asked for -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "stateless"),
    [
        (b'{"model":"m","store":false}', True),
        (b'{"model":"m"}', False),
        (b'{"model":"m","store":true}', False),
        (b'{"model":"m","store":null}', False),
        (b'{"model":"m","store":false,"previous_response_id":"resp_1"}', False),
        (b'{"model":"m","store":false,"conversation":"conv_1"}', False),
        (b'{"model":"m","store":false,"background":true}', False),
    ],
)
def test_who_wants_no_state(body: bytes, stateless: bool) -> None:
    assert wish.is_stateless(Body(body)) is stateless


def test_a_provider_is_asked_for_thinking_beside_what_the_caller_asks_for() -> None:
    def included(text: bytes) -> Any:
        return decode(wish.with_thinking(Body(text)).data)["include"]

    assert included(b'{"model":"m"}') == [ENCRYPTED]
    for empty in (b'{"include":null}', b'{"include":[]}', b'{"include": [ ] }'):
        assert included(empty) == [ENCRYPTED]
    assert included(b'{"include": ["a.b" ] ,"x":1}') == ["a.b", ENCRYPTED]
    assert included(encode({"include": [ENCRYPTED, "a"]})) == [ENCRYPTED, "a"]
    assert included(b'{"include":"nonsense"}') == "nonsense"


def test_nothing_else_of_a_body_changes() -> None:
    body = Body(b'{ "store":true, "model" : "m", "conversation":"c", "input":"x" , "top_p":1.0 }')
    assert wish.stateless(body, None).data == b'{ "store":false, "model" : "m", "input":"x" , "top_p":1.0 }'
    assert wish.stateless(body, b"[]").data == b'{ "store":false, "model" : "m", "input":[] , "top_p":1.0 }'


# --- what is shown ---------------------------------------------------------------------------------------------------

THOUGHT = b'{"id":"rs_1","type":"reasoning","summary":[],"encrypted_content":"sealed"}'
CHANGES = {"id": b'"resp_ours"', "store": b"true"}


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize("hides", [False, True])
def test_only_response_objects_change_in_a_stream(hides: bool, newline: bytes) -> None:
    shown = view.ResponseView(CHANGES, hides_thinking=hides)
    response = b'{"id" : "resp_theirs","output":[%b], "store":false,"x":1.0}' % THOUGHT
    delta = b'event: d%bdata: {"delta":"\\"response\\": {}"}%b%b' % (newline, newline, newline)
    item = b'data: {"type":"response.output_item.done","item":%b}%b%b' % (THOUGHT, newline, newline)
    last = b'data: {"type":"response.completed","response":%b}%b%b' % (response, newline, newline)
    given = delta + item + last
    seen = shown.stream(given)
    bare = b'{"id":"rs_1","type":"reasoning","summary":[]}'
    expected = given.replace(b"resp_theirs", b"resp_ours").replace(b'"store":false', b'"store":true')
    assert seen == (expected.replace(THOUGHT, bare) if hides else expected)
    assert shown.response is not None and THOUGHT in shown.response and b"resp_ours" in shown.response
    assert shown.visible(shown.response) in seen


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_are_lost_whatever_a_provider_sends(data: bytes) -> None:
    shown = view.ResponseView(CHANGES, hides_thinking=True)
    odd = data + b'"response":"encrypted_content"'
    assert shown.stream(odd) == odd
    assert shown.whole(b"[" + data) == b"[" + data


def test_the_events_after_one() -> None:
    events = [b'data: {"sequence_number":%d}\n\n' % number for number in range(4)]
    stream = events[0] + b": keep-alive\n\n" + b"".join(events[1:])
    assert view.events_after(stream, -1) == stream
    assert view.events_after(stream, 0) == b"".join(events[1:])
    assert view.events_after(stream, 2) == events[3]
    assert view.events_after(stream, 3) == view.events_after(b"", 0) == b""


# --- compaction ------------------------------------------------------------------------------------------------------


@given(st.text(min_size=1, max_size=50).filter(str.strip))
def test_a_summary_comes_back_as_it_was(summary: str) -> None:
    answer = encode({"created_at": 7, "output": [assistant(summary, "msg_1")], "usage": {"total_tokens": 3}})
    made = decode(compaction.CompactionView([encode(user("hello"))]).whole(answer))
    assert compaction.opened(encode(made["output"][-1])) == summary.strip()
    assert (made["object"], made["created_at"], made["usage"]) == ("response.compaction", 7, {"total_tokens": 3})


def test_what_is_no_summary_of_ours_is_not_opened() -> None:
    for other in ({"type": "compaction", "encrypted_content": "theirs"}, user(f"{MARK} compaction"), {"type": "x"}):
        assert compaction.opened(encode(other)) is None


def test_an_answer_that_is_waited_for_has_every_field_and_the_requests_own() -> None:
    body = Body(b'{"model":"m","tools":[{"type":"x"}],"temperature":0.50,"metadata":null}')
    queued = unfinished.queued(body, 7)
    assert b'"temperature":0.50' in queued
    held = decode(queued)
    assert (held["status"], held["created_at"], held["tools"], held["metadata"]) == ("queued", 7, [{"type": "x"}], {})
    assert decode(unfinished.cancelled(queued)) == {**held, "status": "cancelled"}
