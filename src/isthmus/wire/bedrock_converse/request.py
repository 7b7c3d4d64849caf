"""A Converse request to a `Chat`, and one passed on as it is. Its turns are in `turns`, writing is in `upstream`."""

from __future__ import annotations

from typing import Any, Literal, cast, get_args

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.request import AnswerFormat, Chat, Effort
from isthmus.errors import InvalidRequest
from isthmus.wire.bedrock_converse import schema
from isthmus.wire.bedrock_converse.parts.tools import read_choice, read_tools
from isthmus.wire.bedrock_converse.turns import Turns
from isthmus.wire.bedrock_converse.upstream import USER_KEY
from isthmus.wire.body import Body
from isthmus.wire.conversation import check_tool_ids
from isthmus.wire.json_text import read_typed
from isthmus.wire.protocol import Relayed
from isthmus.wire.sealed import MARK, is_marked, without_sealed_ids

# "adaptive" leaves the amount of thinking to the model.
AS_IT_SEES_FIT = -1

_NO_OTHER = "no other dialect has it"
# Ours in a body, and nobody else's: `gateway` and `options` of data-plane 4.2.
_OURS = ("gateway", "options")
_TIERS = {"default": "default", "flex": "flex", "priority": "priority", "reserved": "scale"}
_EFFORTS = frozenset(get_args(Effort))

_decode = msgspec.json.Decoder(schema.Request).decode
_KNOWN = frozenset((*schema.Request.__struct_fields__, *_OURS))

Json = dict[str, Any]


def read_request(body: Body) -> Chat:
    """The model and whether to stream are the path's to say. Raises `InvalidRequest`, or `Unsupported` for content that
    is AWS's own."""
    request = read_typed(_decode, body.data)
    receipt = Receipt()
    for name in body.fields:
        if name not in _KNOWN and body.value(name) not in (None, {}, []):
            receipt.lost(name, _NO_OTHER)
    turns = Turns(receipt)
    messages = turns.system(request.system or ()) + turns.read(request.messages)
    check_tool_ids(messages)
    config = request.inferenceConfig or schema.InferenceConfig()
    extra = request.additionalModelRequestFields or {}
    own = _own_fields(extra, receipt)
    metadata = dict(request.requestMetadata or {})
    user = metadata.pop(USER_KEY, None)
    tier = request.serviceTier.type if request.serviceTier is not None else None
    return Chat(
        model="",
        messages=messages,
        tools=read_tools(request.toolConfig, receipt),
        tool_choice=read_choice(request.toolConfig, extra),
        parallel_tool_calls=_parallel(extra),
        max_tokens=config.maxTokens,
        temperature=config.temperature,
        top_p=config.topP,
        stop=config.stopSequences or (),
        answer_format=_answer_format(request),
        metadata=metadata or None,
        user=user,
        service_tier=_TIERS.get(tier or "", tier),
        unplaced=receipt.notes(),
        **own | _stated_effort(request, own),
    )


def relay_request(body: Body) -> Relayed:
    """As it is, but for what another vendor signed in earlier turns: Claude would refuse that."""
    if is_marked(body.data):
        body = Body(without_sealed_ids(body.data))
        messages = body.value("messages")
        if isinstance(messages, list):
            kept = [turn for message in messages if (turn := _without_foreign(message)) is not None]
            if kept != messages:
                body = Body(body.changed({"messages": msgspec.json.encode(kept)}))
    gone: dict[str, bytes | None] = {name: None for name in _OURS if name in body}
    return Relayed(body=body.changed(gone) if gone else body.data)


def _without_foreign(message: Any) -> Any:
    """The message without thinking that is another vendor's; None where nothing is left of it."""
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list):
        return message
    kept = [block for block in content if not _is_foreign(block)]
    if len(kept) == len(content):
        return message
    return message | {"content": kept} if kept else None


def _is_foreign(block: Any) -> bool:
    thought = block.get("reasoningContent") if isinstance(block, dict) else None
    text = thought.get("reasoningText") if isinstance(thought, dict) else None
    signature = text.get("signature") if isinstance(text, dict) else None
    return isinstance(signature, str) and signature.startswith(MARK)


def _answer_format(request: schema.Request) -> AnswerFormat | None:
    stated = request.outputConfig.textFormat if request.outputConfig is not None else None
    if stated is None or stated.structure.jsonSchema is None:
        return None
    wanted = stated.structure.jsonSchema
    at = "outputConfig.textFormat.structure.jsonSchema.schema"
    try:
        # A text that holds JSON: AWS has no other way to say it, and enforces it always.
        value = msgspec.json.decode(wanted.schema, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise InvalidRequest(f"`{at}` must be a JSON object, written as a string.", param=at) from None
    return AnswerFormat(name=wanted.name or "answer", schema=value, strict=True, description=wanted.description)


def _own_fields(extra: Json, receipt: Receipt) -> Json:
    """What the families of models have beyond Converse, where others have it too."""
    found: Json = {}
    for name, value in extra.items():
        if name == "top_k" and _is_count(value):
            found["top_k"] = value
        elif name in ("thinking", "reasoning_config") and isinstance(value, dict):
            found |= _claude_thinking(value)
        elif name == "output_config" and isinstance(value, dict) and value.get("effort") in _EFFORTS:
            found["effort"] = value["effort"]
        elif name == "reasoningConfig" and isinstance(value, dict):
            level = value.get("maxReasoningEffort", "medium")
            found["effort"] = level if value.get("type") == "enabled" and level in _EFFORTS else "none"
        elif name == "reasoning_effort" and value in ("low", "medium", "high"):
            found["effort"] = value
        elif name == "inferenceConfig" and isinstance(value, dict) and _is_count(value.get("topK")):
            found["top_k"] = value["topK"]
        elif name != "tool_choice":
            receipt.lost(f"additionalModelRequestFields.{name}", _NO_OTHER)
    return found


def _claude_thinking(stated: Json) -> Json:
    """Who turns thinking on wants to see it, unless it says that it does not."""
    kind, budget = stated.get("type"), stated.get("budget_tokens")
    if kind == "disabled":
        return {"effort": "none"}
    summary: Literal["none", "auto"] = "none" if stated.get("display") == "omitted" else "auto"
    if kind == "enabled" and _is_count(budget):
        return {"thinking_budget": budget, "summary": summary}
    return {"thinking_budget": AS_IT_SEES_FIT, "summary": summary}


def _stated_effort(request: schema.Request, own: Json) -> Json:
    """An effort says how much to think where a budget does not."""
    stated = request.outputConfig.effort if request.outputConfig is not None else None
    effort = cast(Effort, stated) if stated in _EFFORTS else own.get("effort")
    if effort is not None and own.get("thinking_budget") == AS_IT_SEES_FIT:
        return {"effort": effort, "thinking_budget": None}
    return {} if effort is None or "thinking_budget" in own else {"effort": effort}


def _parallel(extra: Json) -> bool | None:
    choice = extra.get("tool_choice")
    return False if isinstance(choice, dict) and choice.get("disable_parallel_tool_use") is True else None


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
