"""What two calls must have in common for one answer to do for both, in 32 bytes (data-plane 9.1).

White space, the order of keys and the caller's dialect do not matter: the request is read, and its `Chat` is the key.
Where that is not all of it (a field that only the provider knows), the body's own values are, in the caller's dialect.
Whether it is to be streamed does not matter either. `cf-aig-*` headers, metadata among them, never do.
"""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping

import msgspec

from isthmus.core.attempt import Target
from isthmus.core.call import Call
from isthmus.core.chat.request import Chat, HostedToolUse, ToolCall, ToolResult, VendorTool, WebSearch
from isthmus.errors import GatewayError
from isthmus.providers.provider import TRACING
from isthmus.wire.body import Body
from isthmus.wire.embeddings.registry import CALLERS as EMBEDDINGS
from isthmus.wire.registry import DIALECTS

_CONTINUES_TEXT = "openai_completions"
"""It gives a text's continuation, not an answer to it."""

_BINDS_THINKING = "openai_responses"
"""Its encrypted thinking is of use under the id of its item alone."""

_TOLD = re.compile(r"[0-9a-fA-F]{64}")
_TRACING = frozenset(name for name, _ in TRACING)
_OF_ONE_VENDOR = frozenset(("safetySettings",))
"""A reader leaves it out where it asks for nothing that others would not do. Its vendor has another default."""
_HOLD_JSON = frozenset((ToolCall, ToolResult, HostedToolUse))
_NOT_CONTENT = ("model", "stream", "stream_options")

VALUES_MAX = 100_000
"""Of a request that is read to find what it has in common with others: 0.1 s."""

_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_encode_json = msgspec.json.Encoder(order="deterministic").encode
_decode_json = msgspec.json.Decoder().decode

ReadChat = Callable[[Call], Chat]


def key_of(call: Call, read_chat: ReadChat) -> bytes | None:
    """None where the call's answers are not kept. `call.target` is known."""
    native = None if call.fingerprint is None else call.fingerprint()
    if call.fingerprint is not None and native is None:
        return None
    if call.options.cache_key is not None:
        return digest(b"custom", _kind(call), call.options.cache_key.encode("utf-8", "surrogatepass"), *_stranger(call))
    if native is not None:
        return native
    target = call.target
    if target is None or not isinstance(call.body, Body):
        return None
    try:
        content = _content(call, call.body, read_chat)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return digest(*place_parts(call, target), *content)


def place_parts(call: Call, target: Target) -> tuple[bytes, ...]:
    """Who is asked, as whom, for what kind of answer: all but the request's content."""
    return (
        _kind(call),
        target.provider.encode(),
        target.model.encode(),
        target.name.encode(),
        secret_part(call.own_key),
        _forwarded(call, target),
    )


def _stranger(call: Call) -> tuple[bytes, ...]:
    """Who comes in without a token: a key of its own opens nothing that others have kept, and plants nothing there."""
    return (b"stranger", secret_part(call.own_key)) if call.token is None else ()


def named_keys(text: str) -> tuple[bytes, ...]:
    """All that a token holder's own key may be kept under; and that itself, where it is one as answers tell it."""
    encoded = text.encode("utf-8", "surrogatepass")
    told = (bytes.fromhex(text),) if _TOLD.fullmatch(text) else ()
    return (*(digest(b"custom", kind, encoded) for kind in _KINDS), *told)


def digest(*parts: bytes) -> bytes:
    """MessagePack writes each with its length in front, so that no two lists of parts are alike."""
    return hashlib.sha256(_encode(parts)).digest()


def canonical(body: bytes) -> bytes:
    """A JSON value without its white space, keys in one order. Raises `DecodeError`, `RecursionError`."""
    return _encode_json(_decode_json(body))


def is_costly(body: bytes) -> bool:
    """Whether reading it would hold all other calls up. Then it is taken as it was spelled. By its values, not by its
    length: a picture is one. Commas in texts count, too."""
    return len(body) > VALUES_MAX and body.count(b",") + body.count(b"[") + body.count(b"{") > VALUES_MAX


def secret_part(own_key: str | None) -> bytes:
    """The caller's own key for the provider: its answers are its own."""
    return b"" if own_key is None else hashlib.sha256(own_key.encode("utf-8", "surrogatepass")).digest()


def _kind(call: Call) -> bytes:
    """Answers of one kind can be given for one another."""
    if call.fingerprint is not None:
        return b"native " + (call.dialect or "").encode()
    if call.dialect in EMBEDDINGS:
        return b"%b %d" % ((call.dialect or "").encode(), call.endpoint.enveloped)
    return b"text" if call.dialect == _CONTINUES_TEXT else b"chat"


_KINDS = (
    b"chat",
    b"text",
    *(b"%b %d" % (dialect.encode(), enveloped) for dialect in EMBEDDINGS for enveloped in (False, True)),
    *(b"native " + dialect.encode() for dialect in sorted({"", *(each.name for each in DIALECTS.values())})),
)
"""All that there are."""


def _content(call: Call, body: Body, read_chat: ReadChat) -> tuple[bytes, ...]:
    if is_costly(body.data):
        return (call.dialect or "").encode(), b"stream" if call.stream else b"", b"%d" % call.keeps_thinking, body.data
    if call.dialect in EMBEDDINGS:
        return (_without(body, _NOT_CONTENT),)
    try:
        chat = _read(call, body, read_chat)
    except (GatewayError, RecursionError):  # the provider's to judge
        return _as_sent(call, b"stream" if call.stream else b"", body)
    return canonical_chat(call, chat) if is_read_whole(chat, body) else _as_sent(call, _form(call, chat), body)


def is_read_whole(chat: Chat, body: Body) -> bool:
    """Whether the answer depends on nothing of the request but what its `Chat` holds."""
    if chat.unplaced or not _OF_ONE_VENDOR.isdisjoint(body.fields):
        return False
    return not any([isinstance(tool, WebSearch) for tool in chat.tools])  # there are several that are called so


def canonical_chat(call: Call, chat: Chat) -> tuple[bytes, ...]:
    """A `Chat` without what is not the answer's matter. As JSON, which has room for every whole number."""
    plain = msgspec.structs.replace(
        chat, model="", stream=False, include_usage=True, keep_reasoning=_keeps_reasoning(call, chat)
    )
    return _form(call, chat), _encode_json(plain)


def _holds_json(chat: Chat) -> bool:
    for message in chat.messages:  # loops, and a look at the type: on every call, and five times as fast
        for part in message.parts:
            if type(part) in _HOLD_JSON:
                return True
    return any([isinstance(tool, VendorTool) for tool in chat.tools])


def _read(call: Call, body: Body, read_chat: ReadChat) -> Chat:
    """Where a reader keeps JSON as it was spelled (what tools are called with, vendors' own tools), that of the body
    without its white space, keys in one order."""
    chat = read_chat(call)
    if not _holds_json(chat):
        return chat
    other = copy.copy(call)
    other.body, other.chat = Body(canonical(body.data)), None
    return read_chat(other)


def _keeps_reasoning(call: Call, chat: Chat) -> bool:
    """Of what the gateway itself wants for a later turn, a model that does not think has nothing."""
    assert call.target is not None
    return chat.keep_reasoning and not (call.keeps_thinking and call.target.traits.thinking in (None, "none"))


def _as_sent(call: Call, form: bytes, body: Body) -> tuple[bytes, ...]:
    thinking = b"thinking" if call.keeps_thinking else b""
    return (call.dialect or "").encode(), form, thinking, _without(body, _NOT_CONTENT)


def _form(call: Call, chat: Chat) -> bytes:
    """What streamed answers say in another way than whole ones is not made into the other."""
    target = call.target
    assert target is not None
    in_one = chat.choices > 1 or chat.logprobs or binds_thinking(call, target, chat)
    return b"stream" if call.stream and in_one else b""


def binds_thinking(call: Call, target: Target, chat: Chat) -> bool:
    """Whether what the caller is given holds thinking that goes back to its maker, bound to the ids in that answer."""
    return target.relay and call.dialect == target.dialect == _BINDS_THINKING and _keeps_reasoning(call, chat)


def _without(body: Body, names: Iterable[str]) -> bytes:
    fields: Mapping[str, object] = _decode_json(body.data)
    return _encode_json({name: value for name, value in fields.items() if name not in names})


def _forwarded(call: Call, target: Target) -> bytes:
    """The caller's headers that go along to the provider, and may change what it says."""
    sent = [
        b"%b:%b" % (name, value)
        for name, default in target.forward
        if name not in _TRACING and (value := call.headers.get(name, default)) is not None
    ]
    return b"\n".join(sent)
