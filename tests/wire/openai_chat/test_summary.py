"""What is found in a relayed answer without decoding it."""

from __future__ import annotations

import pytest

from isthmus.core.chat.event import Summary
from isthmus.core.chat.usage import Usage
from isthmus.wire.openai_chat import OPENAI_CHAT

FIRST = b'data: {"id":"1","model":"gpt-x","choices":[{"index":0,"delta":{"role":"assistant"}}],"usage":null}\n\n'
LYING = (
    b'data: {"id":"1","model":"gpt-x","choices":[{"index":0,"delta":{"content":'
    b'"\\"usage\\":{\\"prompt_tokens\\":99} \\"finish_reason\\":\\"length\\""},"finish_reason":null}],"usage":null}\n\n'
)
END = b'data: {"id":"1","model":"gpt-x","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}\n\n'
USAGE = (
    b'data: {"id":"1","model":"gpt-x","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,'
    b'"prompt_tokens_details":{"cached_tokens":8},"completion_tokens_details":{"reasoning_tokens":3}}}\n\n'
)
DONE = b"data: [DONE]\n\n"
BOTH = USAGE.replace(b"[]", b'[{"finish_reason":"length"}]')
USED = Usage(input_tokens=9, output_tokens=4, cache_read_tokens=8, reasoning_tokens=3)


@pytest.mark.parametrize(
    ("stream", "found"),
    [
        (FIRST + LYING + END + USAGE + DONE, Summary(model="gpt-x", usage=USED, finish_reason="stop")),
        (FIRST + LYING + END + DONE, Summary(model="gpt-x", finish_reason="stop")),
        (FIRST + LYING, Summary(model="gpt-x")),
        # Usage that was taken out of the stream is handed over behind it.
        (FIRST + END + DONE + USAGE, Summary(model="gpt-x", usage=USED, finish_reason="stop")),
        # Usage beside the last choice, and null again after it.
        (BOTH + END, Summary(model="gpt-x", usage=USED, finish_reason="stop")),
        (
            b'data: {"model": "gpt-x", "choices": [{"finish_reason": "length"}], "usage": {"prompt_tokens": 9}}\n\n',
            Summary(model="gpt-x", usage=Usage(input_tokens=9), finish_reason="length"),
        ),
        ((FIRST + END + USAGE).replace(b"\n", b"\r\n"), Summary(model="gpt-x", usage=USED, finish_reason="stop")),
        (FIRST + b'data: {"error":{"message":"m"}}\n\n', Summary(model="gpt-x", failed=True)),
        (FIRST + FIRST.replace(b"usage", b"error").replace(b"null}", b'"m"}'), Summary(model="gpt-x", failed=True)),
        (FIRST + END.replace(b"stop", b"error") + DONE, Summary(model="gpt-x", failed=True)),
        (LYING.replace(b"usage", b"error"), Summary(model="gpt-x")),
        (b"", Summary()),
        (b"<html>", Summary()),
        (b'data: {"usage":{\n\n', Summary()),
        (b'x{"usage":{"prompt_tokens":1}}', Summary()),
        (b"\xff\x00" * 9, Summary()),
    ],
)
def test_of_a_stream(stream: bytes, found: Summary) -> None:
    assert OPENAI_CHAT.summarize(stream, False) == found


WHOLE = (
    b'{"id":"1","model":"gpt-x","choices":[{"index":0,"message":{"content":"x"},"finish_reason":"length"}],'
    b'"usage":{"prompt_tokens":9,"completion_tokens":4}}'
)
CALLS = b'{"choices":[{"message":{"tool_calls":[{"id":"1"}]},"finish_reason":"stop"}]}'


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (WHOLE, Summary(model="gpt-x", usage=Usage(input_tokens=9, output_tokens=4), finish_reason="length")),
        (CALLS, Summary(finish_reason="tool_calls")),
        (b'{"error":{"message":"m"}}', Summary(failed=True)),
        (b'{"error":null,"choices":null}', Summary()),
        (b"", Summary()),
        (WHOLE[:-9], Summary()),
        (b"[1]", Summary()),
    ],
)
def test_of_a_whole_answer(answer: bytes, found: Summary) -> None:
    assert OPENAI_CHAT.summarize(answer, True) == found
