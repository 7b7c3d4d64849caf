"""A server that refuses `stream_options`."""

from __future__ import annotations

import json

from isthmus.core.chat.model import Model
from isthmus.core.chat.request import Chat, Message, Text
from isthmus.wire.body import Body
from isthmus.wire.openai_chat import MISTRAL_CHAT

HELLO = Message(role="user", parts=(Text(text="Hello"),))


def test_what_is_refused_is_not_passed_on() -> None:
    sent = b'{"model":"x","stream":true,"stream_options":{"include_usage":true},"messages":[]}'
    relayed = MISTRAL_CHAT.relay_request(Body(sent), "mistral-large")
    assert json.loads(relayed.body) == {"model": "mistral-large", "stream": True, "messages": []}
    assert relayed.filter is None


def test_nor_written() -> None:
    written = MISTRAL_CHAT.write_request(Chat(model="m", messages=(HELLO,), stream=True), Model(name="mistral-large"))
    assert "stream_options" not in json.loads(written.body) and json.loads(written.body)["stream"] is True
