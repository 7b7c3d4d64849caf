"""The rows of the table: which system is asked what, in which dialect, and which row it is compared with."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from bench import answers
from bench.systems.peers import Peer
from bench.systems.server import Server
from bench.systems.stack import ACCOUNT_ID, API_TOKEN


class Kind(StrEnum):
    """How the answer travels: one body, or a stream of events."""

    JSON = "JSON"
    SSE = "SSE"


class Dialect(StrEnum):
    """What the caller speaks."""

    CHAT = "chat completions"
    MESSAGES = "messages"


_PEER_STRETCH = 4.0  # some answer a few dozen requests a second


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One request asked over and over of one server. `baseline`: a row that others are compared with. `stretch`: it is
    measured so many times as long. `differs`: each request has another number in its body. `tells`: the headers by
    which every answer shows what the cache or a limit had to do with it; others of these it has none."""

    name: str
    server: Server
    path: str
    body: bytes
    kind: Kind
    dialect: Dialect = Dialect.CHAT
    headers: dict[str, str] = {}
    baseline: bool = False
    stretch: float = 1.0
    differs: bool = False
    tells: dict[str, str] = {}


CACHE_STATUS, LIMIT = "cf-aig-cache-status", "x-ratelimit-limit"
BEYOND_REACH = 1_000_000_000
"""A limit, in `systems/isthmus.toml` too."""

_OPENAI_PATH = "/v1/chat/completions"
_REST = f"/client/v4/accounts/{ACCOUNT_ID}/ai/v1"
_OPENAI = "openai/gpt-5.5"
_OPENAI_CHAT = "openai/gpt-4.1"  # which does not think, so that it is asked in chat completions
_ANTHROPIC = "anthropic/claude-haiku-4.5"
_KEY = {"Authorization": f"Bearer {API_TOKEN}"}


def plain_rows(name: str, server: Server) -> list[Row]:
    """The upstream itself, or a proxy that does nothing: one row of each kind."""
    return [
        Row(
            name=f"{name}, {kind}",
            server=server,
            path=_OPENAI_PATH,
            body=answers.chat_request(answers.OPENAI_MODEL, stream=kind is Kind.SSE),
            kind=kind,
            headers={"Authorization": "Bearer upstream"},
            baseline=True,
        )
        for kind in Kind
    ]


ISTHMUS_ROWS = {
    "json": "isthmus, JSON relayed",
    "json-messages": "isthmus, JSON translated: messages at openai",
    "json-anthropic": "isthmus, JSON translated: chat at anthropic",
    "sse": "isthmus, SSE relayed",
    "messages": "isthmus, SSE translated: messages at openai",
    "anthropic": "isthmus, SSE translated: chat at anthropic",
    "json-plain": "isthmus, JSON by a named gateway",
    "json-missed": "isthmus, JSON missed",
    "json-limited-fixed": "isthmus, JSON limited, fixed",
    "json-limited-sliding": "isthmus, JSON limited, sliding",
    "json-cached": "isthmus, JSON cached",
    "sse-cached": "isthmus, SSE cached",
}


def isthmus_rows(server: Server) -> dict[str, Row]:
    """Everything on: the key is checked, the gateway and its limits apply, each call is logged with its bodies."""
    chat = Row(
        name=ISTHMUS_ROWS["json"],
        server=server,
        path=f"{_REST}/chat/completions",
        body=answers.chat_request(_OPENAI, stream=False),
        kind=Kind.JSON,
        headers=_KEY,
    )
    change = msgspec.structs.replace
    stream = change(chat, kind=Kind.SSE, body=answers.chat_request(_OPENAI, stream=True))
    messages = f"{_REST}/messages"
    asked = change(
        chat, path=messages, body=answers.messages_request(_OPENAI_CHAT, stream=False), dialect=Dialect.MESSAGES
    )
    rows = {
        "json": chat,
        "json-messages": asked,
        "json-anthropic": change(chat, body=answers.chat_request(_ANTHROPIC, stream=False)),
        "sse": stream,
        "messages": change(asked, kind=Kind.SSE, body=answers.messages_request(_OPENAI_CHAT, stream=True)),
        "anthropic": change(stream, body=answers.chat_request(_ANTHROPIC, stream=True)),
        **_gateway_rows(chat, stream),
    }
    return {key: change(row, name=ISTHMUS_ROWS[key]) for key, row in rows.items()}


def _gateway_rows(chat: Row, stream: Row) -> dict[str, Row]:
    """By gateways that differ in one thing each; `json-plain` is what the others of one body are compared with. The
    two that are kept ask different questions: one kept answer does for a stream and for none, but costs more."""
    change = msgspec.structs.replace

    def by(gateway_id: str, row: Row) -> Row:
        return change(row, headers={**row.headers, "cf-aig-gateway-id": gateway_id})

    hit, limited = {CACHE_STATUS: "HIT"}, {LIMIT: str(BEYOND_REACH)}
    other = answers.NUMBER.encode(), b"%0*d" % (len(answers.NUMBER), 1)
    return {
        "json-plain": by("plain", chat),
        "json-missed": change(by("cached", chat), differs=True, tells={CACHE_STATUS: "MISS"}),
        "json-limited-fixed": change(by("limited-fixed", chat), tells=limited),
        "json-limited-sliding": change(by("limited-sliding", chat), tells=limited),
        "json-cached": change(by("cached", chat), tells=hit),
        "sse-cached": change(by("cached", stream), body=stream.body.replace(*other), tells=hit),
    }


def peer_rows(peer: Peer, server: Server) -> list[Row]:
    """Another gateway, relaying both kinds."""
    return [
        Row(
            name=f"{peer.name}, {kind}",
            server=server,
            path=peer.chat_path,
            body=answers.chat_request(answers.OPENAI_MODEL, stream=kind is Kind.SSE),
            kind=kind,
            headers=dict(peer.headers),
            stretch=_PEER_STRETCH,
        )
        for kind in Kind
    ]
