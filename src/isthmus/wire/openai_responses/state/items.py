"""Items as they are kept, shown, and sent again with a later turn. Pure.

An item is kept as it came. Where it has no `id` it is given one that is only ever shown: to providers it goes as it
was sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from isthmus.core.chat.part import Opaque
from isthmus.core.state import ItemKind, StoredItem
from isthmus.errors import InvalidRequest, NotFound
from isthmus.wire.body import Body
from isthmus.wire.json_text import made_up_id
from isthmus.wire.sealed import MARK, seal_id

ITEM_ID_MAX_CHARS = 512
"""Of an id that is kept as the item's own: sealed ones are long."""

_PREFIXES = {
    "message": "msg_",
    "function_call": "fc_",
    "function_call_output": "fco_",
    "custom_tool_call": "ctc_",
    "custom_tool_call_output": "ctco_",
    "reasoning": "rs_",
    "compaction": "cmp_",
    "web_search_call": "ws_",
}
_SAID = {"type": "output_text", "annotations": [], "logprobs": []}
# Marks thinking that its provider could not find again: what is relayed goes without it (`openai_responses.relay`).
_NOT_KEPT_THERE = Opaque(origin="none", data="")


class Head(msgspec.Struct, frozen=True):
    """As much of an item as tells what it is."""

    type: str | None = None
    id: str | None = None
    role: str | None = None
    content: msgspec.Raw = msgspec.Raw()
    encrypted_content: str | None = None

    @property
    def kind(self) -> str:
        return self.type or ("item_reference" if self.role is None and self.id is not None else "message")


_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_head = msgspec.json.Decoder(Head).decode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.encode


def read_input(raw: bytes | None, param: str = "input") -> list[bytes]:
    """The items of a request's input; a bare text is a message of the user's. Raises `InvalidRequest`."""
    if raw is None or raw == b"null":
        return []
    if raw[:1] == b'"':
        part = b'{"type":"input_text","text":%b}' % raw
        return [b'{"type":"message","role":"user","content":[%b]}' % part]
    try:
        items = [bytes(item) for item in _decode_list(raw)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidRequest(f"`{param}` must be a string or an array of items.", param=param) from None
    for index, item in enumerate(items):
        _head(item, f"{param}.{index}")
    return items


def kept_items(items: Iterable[bytes], kind: ItemKind) -> list[StoredItem]:
    return [StoredItem(id=_id_of(item), body=item, kind=kind) for item in items]


def output_items(response: bytes) -> list[bytes]:
    """Of a response object; none where it has none that can be read."""
    try:
        output = Body(response).fields.get("output")
        return [] if output is None else [bytes(item) for item in _decode_list(output)]
    except (InvalidRequest, msgspec.DecodeError, RecursionError):
        return []


def shown_item(item: StoredItem) -> msgspec.Raw:
    """With its id and, for a message, with its content in parts: callers are shown no short forms. Thinking is not
    shown."""
    try:
        held = _decode_object(item.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return msgspec.Raw(item.body)
    kind = str(held.get("type") or "message")
    shown: dict[str, Any] = {"id": held.get("id") or item.id, "type": kind}
    if kind == "message":
        shown |= {"status": held.get("status") or "completed", "role": held.get("role")}
        content = held.get("content")
        if isinstance(content, str):
            said = _SAID if held.get("role") == "assistant" else {"type": "input_text"}
            shown["content"] = [{**said, "text": content}]
    elif kind in _PREFIXES and kind not in ("reasoning", "compaction"):
        shown["status"] = held.get("status") or "completed"
    if kind == "reasoning":
        held.pop("encrypted_content", None)
    return msgspec.Raw(_encode(shown | {name: value for name, value in held.items() if name not in shown}))


def sent_again(context: Iterable[StoredItem], items: Iterable[bytes]) -> bytes:
    """The input of a request that goes on from `context`."""
    return b"[%b]" % b",".join([*(_again(item.body) for item in context), *items])


def references(items: Iterable[bytes]) -> list[str]:
    """Ids of what a caller left with us and only names: references, and its thinking, of which callers keep the id."""
    return [head.id for head in map(_head, items) if head.id is not None and _refers(head)]


def resolved(items: Sequence[bytes], found: Mapping[str, StoredItem]) -> list[bytes]:
    """What was only named, in full. Raises `NotFound` for a reference that leads nowhere; other vendors' and unknown
    thinking stays as it is."""
    return [_resolved(item, _head(item), found) for item in items]


def _resolved(item: bytes, head: Head, found: Mapping[str, StoredItem]) -> bytes:
    if head.id is None or not _refers(head):
        return item
    kept = found.get(head.id)
    if kept is not None:
        return kept.body
    if head.kind == "item_reference":
        raise NotFound(f"Item with id '{head.id[:200]}' not found.", param="input")
    return item


def _refers(head: Head) -> bool:
    if head.kind == "item_reference":
        return True
    return head.kind == "reasoning" and not head.encrypted_content and bytes(head.content) in (b"", b"null", b"[]")


def _again(item: bytes) -> bytes:
    if b'"reasoning"' not in item:
        return item
    head = _head(item)
    if head.id is None or not _refers(head) or MARK in head.id:
        return item
    return Body(item).changed({"id": _encode(seal_id(head.id, _NOT_KEPT_THERE))})


def _id_of(item: bytes) -> str:
    head = _head(item)
    if head.id and len(head.id) <= ITEM_ID_MAX_CHARS:
        return head.id
    return made_up_id(_PREFIXES.get(head.kind, "item_"))


def _head(item: bytes, at: str = "input") -> Head:
    """Raises `InvalidRequest` for what is no item."""
    try:
        return _decode_head(item)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidRequest(f"`{at}` must be an item: an object with a `type`.", param=at) from None
