"""A `Chat` to a Converse request for Amazon Bedrock (data-plane 16.5). What it cannot carry is noted, never dropped."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.model import Model
from isthmus.core.chat.refused import without
from isthmus.core.chat.request import Chat, Text, Written
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.bedrock_converse.answer import STOP_SEQUENCE_PATH
from isthmus.wire.bedrock_converse.blocks import TurnWriter
from isthmus.wire.bedrock_converse.parts.caching import bound_points, marked
from isthmus.wire.bedrock_converse.parts.families import Asked, Family, ask, family_of
from isthmus.wire.bedrock_converse.parts.tools import Offered, offer
from isthmus.wire.instructions import answer_format_in_words
from isthmus.wire.strict_schemas import closed

METADATA_MAX = 16
USER_KEY = "user_id"

_TIERS = ("default", "flex", "priority")
_LACKING = (
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "verbosity",
)
_IDLE: dict[str, Any] = {"frequency_penalty": 0, "presence_penalty": 0, "top_logprobs": 0, "verbosity": "medium"}
_METADATA_KEY = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,\-.]{1,256}\Z", re.ASCII)
_METADATA_VALUE = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,\-.]{0,256}\Z", re.ASCII)

Json = dict[str, Any]


def write_request(chat: Chat, model: Model) -> Written:
    """Raises `Unsupported`, or `InvalidRequest` where the caller's own objects are nested too deeply to be written."""
    receipt = Receipt()
    if chat.choices > 1:
        raise Unsupported("This model gives one answer a request.", param="choices")
    chat = without(model.refuses, chat, receipt)
    family = family_of(model.name)
    wanted = ask(chat, model, family, receipt)
    tools = offer(chat, model, family, receipt)
    turns = TurnWriter(family, receipt)
    asked: Json = {"messages": turns.write(chat.messages)}
    if system := _system(chat, tools, turns, family, receipt):
        asked["system"] = system
    if wanted.config:
        asked["inferenceConfig"] = wanted.config
    if tools.config is not None:
        asked["toolConfig"] = tools.config
    if extra := wanted.extra | tools.extra:
        asked["additionalModelRequestFields"] = extra
    if family.claude and "stopSequences" in wanted.config:
        asked["additionalModelResponseFieldPaths"] = [STOP_SEQUENCE_PATH]
    asked |= _output(chat, wanted, family, receipt) | _rest(chat, receipt)
    if chat.cache is not None:
        last = asked["messages"][-1]["content"]
        last[:] = last if "cachePoint" in last[-1] else marked(last, chat.cache, family, receipt)
    bound_points(asked, receipt)
    try:
        body = msgspec.json.encode(asked)
    except RecursionError:
        raise InvalidRequest("The request is nested too deeply.") from None
    return Written(body=body, notes=receipt.notes(), fetch=turns.fetch)


def _system(chat: Chat, tools: Offered, turns: TurnWriter, family: Family, receipt: Receipt) -> list[Json]:
    """Instructions from anywhere in the conversation, in their order: one in the middle loses its place. What has no
    field is asked for in words after them."""
    blocks: list[Json] = []
    talking = False
    for message in chat.messages:
        if message.role not in ("system", "developer"):
            talking = True
            continue
        for part in message.parts:
            if isinstance(part, Text):
                blocks += turns.text(part)
        if talking:
            receipt.lost("messages.system", "it stands before the conversation, not where it was said")
    if chat.answer_format is not None and not _is_enforced(chat, family):
        blocks.append({"text": answer_format_in_words(chat.answer_format)})
        receipt.emulated("answer_format", "it is asked for in words")
    blocks += [{"text": words} for words in tools.words]
    return blocks


def _is_enforced(chat: Chat, family: Family) -> bool:
    return family.schemas and chat.answer_format is not None and chat.answer_format.schema is not None


def _output(chat: Chat, wanted: Asked, family: Family, receipt: Receipt) -> Json:
    config: Json = {}
    if wanted.effort is not None:
        config["effort"] = wanted.effort
    answer = chat.answer_format
    if answer is not None and _is_enforced(chat, family):
        stated = {"schema": _encoded(answer.schema or {}, receipt), "name": answer.name}
        if answer.description:
            stated["description"] = answer.description
        config["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": stated}}
    return {"outputConfig": config} if config else {}


def _encoded(schema: Json, receipt: Receipt) -> str:
    try:
        written = closed(schema)
        if written != schema:
            receipt.emulated("answer_format", "every object in its schema is closed")
        return msgspec.json.encode(written).decode()
    except RecursionError:
        raise InvalidRequest("The schema of the answer is nested too deeply.") from None


def _rest(chat: Chat, receipt: Receipt) -> Json:
    written: Json = {}
    if metadata := _metadata(chat, receipt):
        written["requestMetadata"] = metadata
    if chat.service_tier in _TIERS:
        written["serviceTier"] = {"type": chat.service_tier}
    elif chat.service_tier not in (None, "auto"):
        receipt.lost("service_tier", "this provider has no such tier")
    for name in _LACKING:
        value = getattr(chat, name)
        if value not in (None, False, {}, _IDLE.get(name)) or (name == "seed" and value == 0):
            receipt.lost(name, "this provider has no such field")
    for name in ("cache_key", "cache_retention"):
        if getattr(chat, name):
            receipt.lost(name, "this provider caches what is marked")
    return written


def _metadata(chat: Chat, receipt: Receipt) -> dict[str, str]:
    """What AWS writes beside the call in the account's own logs; the model's maker is not told who the user is."""
    kept = {
        key: value
        for key, value in (chat.metadata or {}).items()
        if _METADATA_KEY.match(key) and _METADATA_VALUE.match(value)
    }
    surplus = list(kept)[METADATA_MAX:]
    for key in surplus:
        del kept[key]
    if len(kept) < len(chat.metadata or {}):
        receipt.lost("metadata", f"this provider takes {METADATA_MAX} entries of 256 plain characters")
    if chat.user:
        if USER_KEY not in kept and len(kept) < METADATA_MAX and _METADATA_VALUE.match(chat.user):
            kept[USER_KEY] = chat.user
            receipt.emulated("user", "it is sent as metadata")
        else:
            receipt.lost("user", "this provider takes it as metadata, where it has no room")
    return kept
