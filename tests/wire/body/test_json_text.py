"""Typed reading names the field it refuses; ids keep their dialect's form."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest

from isthmus.errors import InvalidRequest
from isthmus.wire.json_text import made_up_id, prefixed_id, read_typed


class Turn(msgspec.Struct):
    role: Literal["user", "tool"]
    content: str | list[str] | None = None


class Asked(msgspec.Struct):
    turns: list[Turn]
    count: Annotated[int, msgspec.Meta(ge=1)] = 1
    extra: dict[str, Any] = {}


decode = msgspec.json.Decoder(Asked).decode


@pytest.mark.parametrize(
    ("data", "param", "message"),
    [
        (b"{}", "turns", "`turns` is required."),
        (b'{"turns":1}', "turns", "`turns` must be an array, not an integer."),
        (b'{"turns":[{}]}', "turns.0.role", "`turns.0.role` is required."),
        (b'{"turns":[{"role":"x"}]}', "turns.0.role", "`turns.0.role` may not be 'x'."),
        (
            b'{"turns":[{"role":"user"},{"role":"user","content":{}}]}',
            "turns.1.content",
            "`turns.1.content` must be a string or an array or null, not an object.",
        ),
        (b'{"turns":[],"count":0}', "count", "`count` must be >= 1."),
        (b'{"turns":[],"count":true}', "count", "`count` must be an integer, not a boolean."),
        (b'{"turns":[],"extra":{"a":1e999}}', "extra", None),
        (b'{"turns":[', None, None),
    ],
)
def test_a_refusal_names_the_field(data: bytes, param: str | None, message: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_typed(decode, data)
    assert (caught.value.param or "").partition(".[")[0].partition("...")[0] == (param or "")
    if message is not None:
        assert caught.value.message == message


def test_ids_keep_their_form() -> None:
    assert prefixed_id("chatcmpl-", "chatcmpl-7") == "chatcmpl-7"
    assert prefixed_id("chatcmpl-", 'msg_01"\n\u00e9') == "chatcmpl-msg_01"
    assert made_up_id("call_") != made_up_id("call_")
