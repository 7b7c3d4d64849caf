"""Requests passed on byte for byte but for what is ours, and the usage we asked for taken out of the answer again."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from isthmus.wire.body import Body
from isthmus.wire.framing.sse import EventCut, ServerSentEvents
from isthmus.wire.openai_chat import (
    DEEPSEEK_CHAT,
    MISTRAL_CHAT,
    OPENAI_CHAT,
    OPENAI_CHAT_COMPATIBLE,
    OPENROUTER_CHAT,
    OpenAIChat,
)
from isthmus.wire.openai_chat.options import Options
from isthmus.wire.openai_chat.relay import HideUsage, stream_ended


def relayed(text: str, model: str = "gpt-x") -> tuple[str, bool]:
    request = OPENAI_CHAT.relay_request(Body(text.encode()), model)
    return request.body.decode(), request.filter is not None


@pytest.mark.parametrize(
    ("sent", "passed_on"),
    [
        ('{"model":"a/b", "x": 1.0 }', '{"model":"gpt-x", "x": 1.0 }'),
        ('{ "options":{}, "model":"a/b","gateway":{"id":"g"}}', '{ "model":"gpt-x"}'),
        ('{"messages":[]}', '{"messages":[],"model":"gpt-x"}'),
        ('{"m\\u006fdel":"a/b","stream":false}', '{"m\\u006fdel":"gpt-x","stream":false}'),
        ('{"model":"gpt-x","options":1,"gateway":2}', '{"model":"gpt-x"}'),
        ('{"stream":null,"model":"gpt-x"}', '{"stream":null,"model":"gpt-x"}'),
    ],
)
def test_only_what_must_change_changes(sent: str, passed_on: str) -> None:
    assert relayed(sent) == (passed_on, False)


@pytest.mark.parametrize(
    ("model", "sent", "passed_on"),
    [
        ("gpt-5.5", '{"model":"m","max_tokens":9,"n":1}', '{"model":"gpt-5.5","n":1,"max_completion_tokens":9}'),
        ("openai/o4-mini", '{"max_tokens":9,"model":"m"}', '{"model":"openai/o4-mini","max_completion_tokens":9}'),
        ("gpt-4o", '{"model":"m","max_tokens":9}', '{"model":"gpt-4o","max_tokens":9}'),
        (
            "gpt-5.5",
            '{"model":"m","max_tokens":9,"max_completion_tokens":8}',
            '{"model":"gpt-5.5","max_tokens":9,"max_completion_tokens":8}',
        ),
    ],
)
def test_models_that_refuse_max_tokens_are_given_its_new_name(model: str, sent: str, passed_on: str) -> None:
    request = OPENAI_CHAT.relay_request(Body(sent.encode()), model)
    assert request.body.decode() == passed_on
    renamed = sent.count("max_") == 1 and passed_on.endswith('"max_completion_tokens":9}')
    assert [(note.field, note.fate) for note in request.notes] == [("max_tokens", "emulated")] * renamed


def test_a_body_that_needs_no_change_is_the_same_bytes() -> None:
    body = Body(b'{"model": "gpt-x", "messages": []}')
    assert OPENAI_CHAT.relay_request(body, "gpt-x").body is body.data


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        (None, {"include_usage": True}),
        ("null", {"include_usage": True}),
        ("{}", {"include_usage": True}),
        ('{"include_usage":false}', {"include_usage": True}),
        ('{"include_obfuscation":false}', {"include_obfuscation": False, "include_usage": True}),
    ],
)
def test_a_stream_is_asked_for_its_usage_which_is_hidden_again(options: str | None, asked: dict[str, Any]) -> None:
    given = "" if options is None else f',"stream_options":{options}'
    body, hidden = relayed(f'{{"model":"m","stream":true{given}}}')
    assert json.loads(body)["stream_options"] == asked
    assert hidden


@pytest.mark.parametrize("options", ['{"include_usage": true}', '"nonsense"'])
def test_who_asked_himself_is_left_alone(options: str) -> None:
    sent = f'{{"model":"gpt-x","stream":true,"stream_options":{options}}}'
    assert relayed(sent) == (sent, False)


THOUGHT = b"""{"role":"assistant","content":"4.0","reasoning_content":"Hm.","reasoning": null,"tool_calls":[]}"""


def test_openai_is_sent_no_thinking_of_others() -> None:
    """It refuses fields that it does not know; others may want them back."""
    data = b'{"model":"m", "x":1.0 , "messages":[ {"role":"user","content":"?"}, %b ]}'
    body = Body(data % THOUGHT)
    sent = OPENAI_CHAT.relay_request(body, "m")
    assert sent.body == (
        b'{"model":"m", "x":1.0 , "messages":[{"role":"user","content":"?"},'
        b'{"role":"assistant","content":"4.0","tool_calls":[]}]}'
    )
    assert {(note.fate, note.field) for note in sent.notes} == {
        ("lost", "messages.reasoning_content"),
        ("lost", "messages.reasoning"),
    }
    for compatible in (OPENAI_CHAT_COMPATIBLE, OPENROUTER_CHAT, DEEPSEEK_CHAT, MISTRAL_CHAT):
        relayed = compatible.relay_request(body, "m")
        assert relayed.body is body.data and relayed.notes == ()


@pytest.mark.parametrize(
    "sent",
    [
        '{"model":"gpt-x","messages":[ {"role":"user","content":"\\"reasoning\\""} ]}',
        '{"model":"gpt-x","messages":[ {"role":"user","content":"reasoning"} ]}',
        '{"model":"gpt-x","reasoning":{"effort":"low"},"messages":[ ]}',
        '{"model":"gpt-x","messages":"reasoning"}',
        '{"model":"gpt-x","messages":[ "reasoning", 5, ["reasoning"] ]}',
    ],
)
def test_what_only_speaks_of_thinking_stays(sent: str) -> None:
    assert relayed(sent) == (sent, False)


def test_a_server_that_refuses_stream_options_is_not_sent_any() -> None:
    shy = OpenAIChat(Options(asks_usage=False))
    body = Body(b'{"model":"m","stream":true}')
    assert shy.relay_request(body, "m").body == body.data
    assert shy.relay_request(body, "m").filter is None


TEXT = b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"\\"usage\\":{"}}],"usage":null}\n\n'
END = b'data: {"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}\n\n'
USAGE = b'data: {"id":"1","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n'
SPACED = b'data: {"id": "1", "choices": [], "usage": {"prompt_tokens": 1}}\n\n'
BOTH = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}\n\n'
DONE = b"data: [DONE]\n\n"
NOISE = b": keep-alive\n\n"
BROKEN = b'data: {"choices":[],"usage":{"prompt\n\n'


def filtered(pieces: list[bytes]) -> tuple[bytes, bytes]:
    """As the data plane does it: cut at the ends of events, then filtered."""
    cut, hide = EventCut(), HideUsage()
    passed = b"".join([*[hide.feed(cut.feed(piece)) for piece in pieces], hide.feed(cut.close()), hide.close()])
    return passed, hide.taken


@pytest.mark.parametrize(
    ("stream", "left", "taken"),
    [
        (TEXT + END + USAGE + DONE, TEXT + END + DONE, USAGE),
        (NOISE + TEXT + SPACED + NOISE + DONE, NOISE + TEXT + NOISE + DONE, SPACED),
        (TEXT + BOTH + DONE, TEXT + BOTH + DONE, b""),
        (BROKEN + DONE, BROKEN + DONE, b""),
        (USAGE, b"", USAGE),
    ],
)
def test_the_usage_chunk_is_taken_out_however_the_stream_is_cut(stream: bytes, left: bytes, taken: bytes) -> None:
    assert filtered([stream]) == (left, taken)
    assert filtered([stream[i : i + 1] for i in range(len(stream))]) == (left, taken)
    for cut in range(len(stream)):
        assert filtered([stream[:cut], stream[cut:]]) == (left, taken)
    for a, b in itertools.combinations(range(0, len(stream), 13), 2):
        assert filtered([stream[:a], stream[a:b], stream[b:]]) == (left, taken)


def test_a_stream_of_other_line_ends_keeps_its_events() -> None:
    def events(stream: bytes) -> list[tuple[bytes, bytes]]:
        frames = ServerSentEvents()
        return frames.feed(stream) + frames.close()

    stream = (TEXT + USAGE + DONE).replace(b"\n", b"\r\n")
    pieces = [[stream], [stream[i : i + 1] for i in range(len(stream))]]
    for cut in pieces + [[stream[:cut], stream[cut:]] for cut in range(len(stream))]:
        left, taken = filtered(cut)
        assert events(left) == events(TEXT + DONE)
        assert events(taken) == events(USAGE)


def test_a_chunk_without_usage_is_passed_on_itself() -> None:
    assert HideUsage().feed(TEXT) is TEXT


@pytest.mark.parametrize(
    ("window", "ended"),
    [
        (DONE, True),
        (TEXT + DONE, True),
        (b"data:[DONE]\r\n\r\n", True),
        (b"\ndata: [DONE]", True),
        (b"\ndata: [DONE] \n\n", True),
        (TEXT, False),
        (b'data: {"content":"data: [DONE]"}\n\n', False),
        (b'ntent":"\\ndata: [DONE]\\n\\n"}\n\n', False),
        (b": data: [DONE]\n\n", False),
        (b"data: [DONE\n\n", False),
    ],
)
def test_where_a_stream_ends(window: bytes, ended: bool) -> None:
    assert stream_ended(window) is ended
