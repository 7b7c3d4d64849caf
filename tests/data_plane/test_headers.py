"""Headers of ours, in and out; and the few bytes of ours around a whole answer."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core.attempt import Target
from isthmus.core.call import NO_OPTIONS, Call, CallOptions
from isthmus.core.chat.fidelity import Note
from isthmus.core.gateway import DEFAULT_SETTINGS, Gateway
from isthmus.core.ids import uuid7
from isthmus.core.reply import Reply
from isthmus.core.snapshot import Snapshot
from isthmus.data_plane.options.headers import read_options
from isthmus.data_plane.options.metadata import METADATA_MAX_BYTES
from isthmus.data_plane.options.values import TIMEOUT_MAX_MS
from isthmus.data_plane.routes import POST
from isthmus.data_plane.send import head
from isthmus.data_plane.shape import shaped
from isthmus.providers.models import ModelTable

few = settings(max_examples=150, deadline=None, database=None)


def options(**headers: str | bytes) -> CallOptions:
    """Of headers without their `cf-aig-`, underscores for hyphens."""
    named = {
        b"cf-aig-" + name.replace("_", "-").encode(): value if isinstance(value, bytes) else value.encode()
        for name, value in headers.items()
    }
    return read_options(named)


def test_without_any_nothing_is_made() -> None:
    assert read_options({b"content-type": b"x", b"cf-ray": b"1", b"x-cf-aig-metadata": b"{}"}) is NO_OPTIONS
    assert options(authorization="Bearer x") is NO_OPTIONS


def test_all_of_them() -> None:
    found = options(
        gateway_id=" team-a ",
        event_id="event-1",
        collect_log="TRUE",
        collect_log_payload="False",
        metadata='{"a": 1}',
        request_timeout="1500",
        fidelity="strict",
    )
    assert found == CallOptions(
        gateway_id="team-a",
        event_id="event-1",
        collect_log=True,
        collect_log_payload=False,
        metadata='{"a":1}',
        metadata_values={"a": 1},
        request_timeout_seconds=1.5,
        strict_fidelity=True,
    )


FLAGS = {"true": True, " True ": True, "FALSE": False, "": None, "1": None, "yes": None, "truee": None, "null": None}


@pytest.mark.parametrize("text", FLAGS)
def test_flags(text: str) -> None:
    assert options(collect_log=text).collect_log is FLAGS[text]
    assert options(collect_log_payload=text).collect_log_payload is (FLAGS[text] is not False)


TIMEOUTS = {
    "1": 0.001,
    " 250 ": 0.25,
    "999999999": TIMEOUT_MAX_MS / 1000,
    "3600000": 3600.0,
    "0": None,
    "000": None,
    "-5": None,
    "+5": None,
    "1.5": None,
    "1e3": None,
    "9999999999": TIMEOUT_MAX_MS / 1000,
    "soon": None,
    "": None,
    "²": None,
    "\uff11\uff12": None,
}


@pytest.mark.parametrize("text", TIMEOUTS)
def test_timeouts(text: str) -> None:
    assert options(request_timeout=text).request_timeout_seconds == TIMEOUTS[text]


ATTEMPTS = {"1": 1, " 5 ": 5, "6": 5, "99": 5, "0": None, "-1": None, "2.5": None, "many": None, "": None}


@pytest.mark.parametrize("text", ATTEMPTS)
def test_attempts(text: str) -> None:
    assert options(max_attempts=text).max_attempts == ATTEMPTS[text]


DELAYS = {"0": 0.0, "1": 0.001, "60000": 60.0, "60001": 60.0, "-1": None, "1s": None, "": None}


@pytest.mark.parametrize("text", DELAYS)
def test_delays_between_them(text: str) -> None:
    assert options(retry_delay=text).retry_delay_seconds == DELAYS[text]


@pytest.mark.parametrize("text", ["constant", "linear", "exponential", " Linear ", "", "never", "1"])
def test_backoffs(text: str) -> None:
    known = ("constant", "linear", "exponential")
    assert options(backoff=text).backoff == (text.strip().lower() if text.strip().lower() in known else None)


EVENTS = {
    "a": "a",
    "~!{}": "~!{}",
    "x" * 128: "x" * 128,
    "x" * 129: None,
    "a b": None,
    "": None,
    "é": None,
    "a\tb": None,
}


@pytest.mark.parametrize("text", EVENTS)
def test_event_ids_go_into_a_header_again(text: str) -> None:
    assert options(event_id=text).event_id == EVENTS[text]


def test_bytes_that_are_no_text() -> None:
    assert options(gateway_id=b"\xff").gateway_id == "ÿ"
    assert options(event_id=b"\xff").event_id is None
    assert options(metadata=b'{"a":"\xff"}').metadata is None
    assert options(collect_log=b"\xff").collect_log is None


METADATA: dict[str, str | None] = {
    '{"a":"b","n":-1.5,"t":true,"z":null}': '{"a":"b","n":-1.5,"t":true,"z":null}',
    '{"1":1,"2":2,"3":3,"4":4,"5":5,"6":6}': '{"1":1,"2":2,"3":3,"4":4,"5":5}',
    '{"x":{},"y":[],"1":1,"2":2,"3":3,"4":4,"5":5,"6":6}': '{"1":1,"2":2,"3":3,"4":4,"5":5}',
    '{"cf.user_id":1,"cf.":2,"cfx":3}': '{"cfx":3}',
    '{"a":9007199254740992,"b":-9007199254740992,"c":9007199254740991}': (
        '{"a":"9007199254740992","b":"-9007199254740992","c":9007199254740991}'
    ),
    '{"a":123456789012345678901234567890}': '{"a":"123456789012345678901234567890"}',
    '{"a":1,"a":2}': '{"a":2}',
    '{"ключ":"значение"}': '{"ключ":"значение"}',
    "{}": None,
    '{"x":{}}': None,
    "[]": None,
    "7": None,
    "null": None,
    '"text"': None,
    "{nonsense": None,
    '{"a":NaN}': None,
    '{"a":1} x': None,
    "": None,
    "[" * 5000: None,
    '{"a":"' + "x" * METADATA_MAX_BYTES + '"}': None,
}


@pytest.mark.parametrize("text", METADATA, ids=lambda text: text[:30])
def test_56_metadata(text: str) -> None:
    assert options(metadata=text).metadata == METADATA[text]


@few
@given(
    st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.integers() | st.text(max_size=5), max_size=8)
)
def test_metadata_is_flat_and_small_whatever_comes(entries: dict[str, Any]) -> None:
    try:
        sent = json.dumps(entries, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return
    kept = options(metadata=sent).metadata
    found = {} if kept is None else json.loads(kept)
    expected = [key for key in entries if not key.startswith("cf.")][:5]
    assert list(found) == expected
    for key in expected:
        assert str(found[key]) == str(entries[key])


# The answer's head.


def a_call(path: str = "v1/chat/completions") -> Call:
    snapshot = Snapshot(version=1, accounts={}, tokens={}, gateways={}, models=ModelTable({}, {}))
    call = Call(uuid7(), POST[path], "a", f"/ai/{path}", {}, snapshot)
    call.gateway = Gateway(id="default", account_id="a", settings=DEFAULT_SETTINGS, created_at=0.0, modified_at=0.0)
    return call


def a_reply() -> Reply:
    return Reply(200, content_type=b"application/json", dialect="openai_chat", whole=True)


def test_the_head_of_an_answer() -> None:
    call, reply = a_call(), a_reply()
    call.event_id = "event-1"
    reply.headers.append((b"x-request-id", b"req_1"))
    assert dict(head(call, reply)) == {
        b"content-type": b"application/json",
        b"cf-aig-request-id": call.id.encode(),
        b"cf-aig-log-id": call.id.encode(),
        b"cf-aig-event-id": b"event-1",
        b"cf-aig-step": b"0",
        b"x-request-id": b"req_1",
    }


def test_no_row_no_log_id() -> None:
    call = a_call()
    call.options = CallOptions(collect_log=False)
    assert b"cf-aig-log-id" not in dict(head(call, a_reply()))


def test_the_receipt_of_what_the_target_lacked() -> None:
    """Its form is shown in test_fidelity_header."""
    call = a_call()
    assert b"cf-aig-fidelity" not in dict(head(call, a_reply()))
    call.notes = (
        Note(field="top_k", fate="lost", why="this provider has no such field"),
        Note(field='a"b', fate="emulated", why="it is"),
    )
    assert dict(head(call, a_reply()))[b"cf-aig-fidelity"] == (
        b'lost;field="top_k";why="this provider has no such field", emulated;field="a?b";why="it is"'
    )


# Around a whole answer.

METADATA_OF_OURS = {"keySource": "Unified"}
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
answers = st.dictionaries(st.text(max_size=5).filter(lambda name: name != "gatewayMetadata"), values, max_size=4)


def a_target(platform: bool = False) -> Target:
    return Target(provider="openai", model="m", name="openai/m", dialect="openai_chat", platform=platform)


@few
@given(answers, st.sampled_from([None, 2]), st.sampled_from(["", "\n", " \r\n\t"]))
def test_ours_comes_beside_what_the_provider_said(answer: dict[str, Any], indent: int | None, after: str) -> None:
    body = (json.dumps(answer, indent=indent) + after).encode()
    plain = a_call()
    assert json.loads(shaped(plain, a_target(), body)) == {**answer, "gatewayMetadata": METADATA_OF_OURS}
    assert body.rstrip()[:-1].rstrip() in shaped(plain, a_target(), body)
    run = a_call("run")
    run.dialect = "openai_chat"
    assert json.loads(shaped(run, a_target(), body)) == {
        "result": {**answer, "gatewayMetadata": METADATA_OF_OURS},
        "success": True,
        "errors": [],
        "messages": [],
    }
    # The installation's own models have no key of anybody's; messages and responses are left clean.
    assert json.loads(shaped(run, a_target(platform=True), body))["result"] == answer
    assert shaped(plain, a_target(platform=True), body) == body
    for path in ("v1/messages", "v1/responses"):
        assert shaped(a_call(path), a_target(), body) == body


def test_an_answer_without_fields() -> None:
    for body in (b"{}", b"{ }\n", b" {\r\n} "):
        assert msgspec.json.decode(shaped(a_call(), a_target(), body)) == {"gatewayMetadata": METADATA_OF_OURS}
