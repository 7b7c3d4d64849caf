"""`Chat` to a text completions request, for models that go on from a text and know no conversation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.model import Model
from isthmus.core.chat.request import Chat, Text, Written
from isthmus.errors import Unsupported
from isthmus.wire.instructions import answer_format_in_words

STOP_MAX = 4
TOP_LOGPROBS_MAX = 5
ANSWER_TOKENS = 1024
"""What is asked for where nobody says how long the answer may be: a completion would end after 16."""

_FIELDS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "stop": "stop",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "logit_bias": "logit_bias",
    "choices": "n",
    "logprobs": "logprobs",
    "user": "user",
}
# What asks for nothing is no loss.
_NOT_CARRIED: dict[str, tuple[Any, ...]] = {
    "top_k": (None,),
    "verbosity": (None, "medium"),
    "effort": (None, "none"),
    "thinking_budget": (None, 0, -1),
    "summary": (None, "none"),
    "cache_key": (None,),
    "cache_retention": (None,),
    "service_tier": (None, "auto"),
    "metadata": (None,),
}


def write_request(chat: Chat, model: Model) -> Written:
    """Raises `Unsupported` for a conversation, for content other than text, and for tools."""
    receipt = Receipt()
    if chat.tools:
        raise Unsupported("`tools`: this model goes on from a text, and calls none.", param="tools")
    for name, nothing in _NOT_CARRIED.items():
        if getattr(chat, name) not in nothing:
            receipt.lost(name, "completions have no field for it")
    body: dict[str, Any] = {"model": model.name, "prompt": _prompt(chat, receipt)}
    body |= _parameters(chat, model, receipt)
    if chat.stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return Written(body=msgspec.json.encode(body), notes=receipt.notes())


def _prompt(chat: Chat, receipt: Receipt) -> str:
    texts = list(_texts(chat, receipt))
    if not any(texts):
        raise Unsupported("`messages`: this model goes on from a text, and there is none.", param="messages")
    if len(texts) > 1 or chat.messages[0].role != "user":
        receipt.emulated("messages", "this model goes on from one text, which holds all of them")
    if chat.answer_format is not None:
        receipt.emulated("answer_format", "this model is told so in words")
        texts.append(answer_format_in_words(chat.answer_format))
    return "\n\n".join(texts)


def _texts(chat: Chat, receipt: Receipt) -> Iterator[str]:
    marked = chat.cache is not None
    for index, message in enumerate(chat.messages):
        at = f"messages.{index}"
        if message.role not in ("system", "developer", "user"):
            raise Unsupported(
                f"`{at}`: this model goes on from one text and knows no conversation. Send one question, without "
                "earlier answers.",
                param=at,
            )
        if message.name is not None:
            receipt.lost("messages.name", "completions have no field for it")
        for part in message.parts:
            if not isinstance(part, Text):
                raise Unsupported(f"`{at}.content`: this model takes text only.", param=f"{at}.content")
            marked = marked or part.cache is not None
            yield part.text
    if marked:
        receipt.emulated("cache_control", "this provider caches prefixes by itself")


def _parameters(chat: Chat, model: Model, receipt: Receipt) -> dict[str, Any]:
    wanted = ANSWER_TOKENS if chat.max_tokens is None else chat.max_tokens
    fields: dict[str, Any] = {"max_tokens": min(wanted, model.max_output_tokens or wanted)}
    if chat.max_tokens is None:
        receipt.emulated("max_tokens", f"completions want a number, and {ANSWER_TOKENS} are asked for")
    for name, spelling in _FIELDS.items():
        value = getattr(chat, name)
        if value is None or value is False or value == () or (name == "choices" and value == 1):
            continue
        if name in model.refuses:
            receipt.lost(name, "this model refuses it")
        else:
            fields[spelling] = value
    if len(chat.stop) > STOP_MAX and "stop" in fields:
        fields["stop"] = chat.stop[:STOP_MAX]
        receipt.lost("stop", f"only {STOP_MAX} stop sequences are taken")
    if "logprobs" in fields:
        rivals = chat.top_logprobs or 0
        fields["logprobs"] = min(rivals, TOP_LOGPROBS_MAX)
        if rivals > TOP_LOGPROBS_MAX:
            receipt.lost("top_logprobs", f"only {TOP_LOGPROBS_MAX} are told")
    return fields
