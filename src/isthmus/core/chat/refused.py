"""A request without the fields that a model refuses."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.request import Chat

TOP_P_IDLE = 0.99  # models that refuse the field take what asks for nothing


def without(names: Set[str], chat: Chat, receipt: Receipt, why: str = "this model refuses it") -> Chat:
    """The same request with these fields of `Chat` as if nobody had set them, each noted as lost: but for a temperature
    of 1 and a `top_p` of all, which leave a model's own distribution as it is."""
    gone: dict[str, Any] = {}
    for field in msgspec.structs.fields(Chat) if names else ():
        value = getattr(chat, field.name)
        if field.name in names and not field.required and value != field.default:
            gone[field.name] = field.default
            idle = (field.name == "temperature" and value == 1) or (field.name == "top_p" and value >= TOP_P_IDLE)
            if not idle:
                receipt.lost(field.name, why)
    return msgspec.structs.replace(chat, **gone) if gone else chat
