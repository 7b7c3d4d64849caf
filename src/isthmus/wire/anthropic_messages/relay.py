"""A Messages request passed on to Anthropic as it is, but for what earlier turns at other vendors left in it that
Anthropic would refuse: what these signed, and thinking that cannot go on. Else every byte stays but the model's name.
"""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.wire.anthropic_messages.parts import hosted_tools
from isthmus.wire.body import Body
from isthmus.wire.protocol import Relayed
from isthmus.wire.sealed import MARK, is_marked, without_sealed_ids

# Ours in a body, and nobody else's: `gateway` and `options` of data-plane 4.2.
_OURS = ("gateway", "options")

_THOUGHTS = ("thinking", "redacted_thinking")

_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode

Json = dict[str, Any]


def relay_request(body: Body, model: str) -> Relayed:
    receipt = Receipt()
    if is_marked(body.data):
        body = _opened(body, receipt)
    changes: dict[str, bytes | None] = {"model": msgspec.json.encode(model)}
    changes |= {name: None for name in _OURS if name in body}
    if _thinks_by_budget(body) and _breaks_off_thinking(body):
        changes["thinking"] = b'{"type":"disabled"}'
        receipt.lost("thinking", "this provider does not think in this place of a conversation")
    return Relayed(body=body.changed(changes), notes=receipt.notes())


def _opened(body: Body, receipt: Receipt) -> Body:
    """Ids are opened in their place. Only where a block has to go are the messages written anew."""
    body = Body(without_sealed_ids(body.data))
    messages = body.value("messages")
    if not isinstance(messages, list):
        return body
    kept = [turn for message in messages if (turn := _without_foreign(message, receipt)) is not None]
    return body if kept == messages else Body(body.changed({"messages": msgspec.json.encode(kept)}))


def _without_foreign(message: Any, receipt: Receipt) -> Any:
    """The message without the blocks that are another vendor's; None where nothing is left of it."""
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list) or not any(isinstance(block, dict) for block in content):
        return message
    gone = [block.get("id") for block in content if isinstance(block, dict) and hosted_tools.is_foreign(block)]
    if gone:
        receipt.lost("messages.hosted_tool_use", "another provider ran it")
    blocks = [_without_pages(block, receipt) for block in content if not _is_foreign(block, gone, receipt)]
    return message | {"content": blocks} if blocks else None


def _is_foreign(block: Any, gone: list[Any], receipt: Receipt) -> bool:
    if not isinstance(block, dict):
        return False
    kind = block.get("type")
    if kind in _THOUGHTS:
        signature = block.get("signature" if kind == "thinking" else "data")
        is_theirs = isinstance(signature, str) and signature.startswith(MARK)
        if is_theirs:
            receipt.lost("messages.reasoning", "it was signed by another provider")
        return is_theirs
    id_ = block.get("id") or block.get("tool_use_id")
    return isinstance(id_, str) and id_ in gone


def _without_pages(block: Any, receipt: Receipt) -> Any:
    """The block without citations of pages that another vendor found."""
    citations = block.get("citations") if isinstance(block, dict) else None
    if not isinstance(citations, list):
        return block
    kept = [one for one in citations if not _is_sealed_page(one)]
    if len(kept) == len(citations):
        return block
    receipt.lost("messages.citations", "they are of pages that another provider found")
    return block | {"citations": kept or None}


def _is_sealed_page(citation: Any) -> bool:
    index = citation.get("encrypted_index") if isinstance(citation, dict) else None
    return isinstance(index, str) and index.startswith(MARK)


def _thinks_by_budget(body: Body) -> bool:
    raw = body.fields.get("thinking")
    if raw is None or b"enabled" not in bytes(raw):
        return False
    thinking = body.value("thinking")
    return isinstance(thinking, dict) and thinking.get("type") == "enabled"


def _breaks_off_thinking(body: Body) -> bool:
    """Whether the conversation stands in a tool loop that did not begin with thinking, or whose thinking is gone:
    Anthropic refuses to go on thinking then. Of the messages only the assistant's last turn is decoded."""
    raw = body.fields.get("messages", msgspec.Raw(b""))
    if b'"tool_use"' not in bytes(raw):
        return False
    try:
        turn = _last_turn(_decode_items(raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    kinds = [block.get("type") for block in turn if isinstance(block, dict)]
    return "tool_use" in kinds and kinds[0] not in _THOUGHTS


def _last_turn(messages: list[msgspec.Raw]) -> list[Any]:
    """The blocks of the assistant's last turn: messages of one role that follow each other are one."""
    turn: list[Any] = []
    for raw in reversed(messages):
        message = msgspec.json.decode(raw)
        if isinstance(message, dict) and message.get("role") == "assistant":
            content = message.get("content")
            turn = (content if isinstance(content, list) else [{"type": "text"}]) + turn
        elif turn:
            break
    return turn
