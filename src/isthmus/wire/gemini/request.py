"""A caller's generateContent request to a `Chat` (data-plane 16.3). Its contents are read in `contents`; writing one is
in `upstream`. The model and whether it streams stand in the path: whoever routes the call fills them in."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.request import (
    AnswerFormat,
    AnyTool,
    Chat,
    Message,
    Opaque,
    Text,
    Tool,
    ToolChoice,
    VendorTool,
    WebSearch,
)
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.body import Body
from isthmus.wire.conversation import check_tool_ids
from isthmus.wire.gemini import proto_json, schema
from isthmus.wire.gemini.contents import Contents, detail_of
from isthmus.wire.gemini.proto_json import json_schema
from isthmus.wire.gemini.signatures import OWN
from isthmus.wire.gemini.thinking import read_thinking

_CONFIG = "generationConfig"
_NO_OTHER = "no other dialect has it"
# Nobody else has Google's filters, so that where a caller turns them off there is nothing to lose.
_OFF = frozenset(("OFF", "BLOCK_NONE", "HARM_BLOCK_THRESHOLD_UNSPECIFIED"))
_FORMATS = {"MIME_TYPE_UNSPECIFIED": "", "APPLICATION_JSON": "application/json", "TEXT_PLAIN": "text/plain"}
_TIERS = {"UNSPECIFIED": None, "STANDARD": "default", "FLEX": "flex", "PRIORITY": "priority"}


def read_request(body: Body) -> Chat:
    """Raises `InvalidRequest`, or `Unsupported` for what only Google's own servers can do."""
    request, unknown = proto_json.read(body)
    receipt = Receipt()
    for name in unknown:
        receipt.lost(name, _NO_OTHER)
    if request.cached_content:
        raise Unsupported("`cachedContent`: only Google has what it keeps.", param="cachedContent")
    if any((setting.threshold or "").upper() not in _OFF for setting in request.safety_settings or ()):
        receipt.lost("safetySettings", _NO_OTHER)
    if request.store:
        receipt.lost("store", _NO_OTHER)
    config = request.generation_config or schema.GenerationConfig()
    _check_kind(config)
    messages = _instructions(request) + _contents(request, receipt)
    check_tool_ids(messages)
    tools, choice = _tools(request, receipt)
    return Chat(
        model=request.model or "",
        messages=messages,
        tools=tools,
        tool_choice=choice,
        answer_format=_answer_format(config),
        metadata=request.labels or None,
        service_tier=_tier(request),
        stream=bool(request.stream),
        **_sampling(config),
        **read_thinking(config.thinking_config),
        unplaced=receipt.notes(),
    )


def _sampling(config: schema.GenerationConfig) -> dict[str, Any]:
    return {
        "max_tokens": config.max_output_tokens,
        "temperature": config.temperature,
        "top_p": config.top_p,
        "top_k": None if config.top_k is None else int(config.top_k),
        "stop": config.stop_sequences or (),
        "seed": config.seed,
        "frequency_penalty": config.frequency_penalty,
        "presence_penalty": config.presence_penalty,
        "choices": config.candidate_count or 1,
        "logprobs": bool(config.response_logprobs),
        "top_logprobs": config.logprobs if config.response_logprobs else None,
    }


def _check_kind(config: schema.GenerationConfig) -> None:
    """Answers of another kind than text."""
    for modality in config.response_modalities or ():
        if modality.upper() not in ("TEXT", "MODALITY_UNSPECIFIED"):
            at = f"{_CONFIG}.responseModalities"
            raise Unsupported(f"`{at}`: this model answers in text only.", param=at)
    asked = config.response_format or schema.ResponseFormat()
    for name, value in (
        ("speechConfig", config.speech_config),
        ("imageConfig", config.image_config),
        ("responseFormat.audio", asked.audio),
        ("responseFormat.image", asked.image),
    ):
        if value:
            raise Unsupported(f"`{_CONFIG}.{name}`: this model answers in text only.", param=f"{_CONFIG}.{name}")


def _instructions(request: schema.Request) -> tuple[Message, ...]:
    given = request.system_instruction
    texts = []
    for index, part in enumerate((given.parts if given is not None else None) or ()):
        if part.text is None:
            at = f"systemInstruction.parts.{index}"
            raise InvalidRequest(f"`{at}`: only text may stand here.", param=at)
        texts += [Text(text=part.text)] if part.text else []
    return (Message(role="system", parts=tuple(texts)),) if texts else ()


def _contents(request: schema.Request, receipt: Receipt) -> tuple[Message, ...]:
    """With one resolution for all images; a document's has no name elsewhere."""
    given = (request.generation_config.media_resolution or "").upper() if request.generation_config else ""
    contents = Contents(receipt, detail_of(given))
    messages = contents.read(request.contents or ())
    if given not in ("", "MEDIA_RESOLUTION_UNSPECIFIED") and not contents.detailed:
        receipt.lost(f"{_CONFIG}.mediaResolution", _NO_OTHER)
    return messages


def _answer_format(config: schema.GenerationConfig) -> AnswerFormat | None:
    """Google enforces a schema always: there is no other way to say it."""
    given, at, kind = config.response_json_schema or config.older_json_schema, _CONFIG, config.response_mime_type
    if given is None and config.response_schema is not None:
        given = json_schema(config.response_schema, f"{_CONFIG}.responseSchema")
    if config.response_format is not None and config.response_format.text is not None:
        text = config.response_format.text
        given, at, kind = (
            text.schema,
            f"{_CONFIG}.responseFormat.text",
            _FORMATS.get(text.mime_type or "", text.mime_type),
        )
    kind = (kind or "").lower()
    field = f"{at}.{'responseMimeType' if at == _CONFIG else 'mimeType'}"
    if kind == "application/json":
        return AnswerFormat(schema=given, strict=None if given is None else True)
    if kind == "text/x.enum":
        raise Unsupported(f"`{field}`: this model cannot be held to bare words of a list.", param=field)
    if kind not in ("", "text/plain"):
        raise InvalidRequest(f"`{field}` must be text/plain or application/json.", param=field)
    if given is not None:
        raise InvalidRequest(f"`{field}` must be application/json where a schema is given.", param=field)
    return None


def _tier(request: schema.Request) -> str | None:
    given = (request.service_tier or "UNSPECIFIED").upper()
    if given not in _TIERS:
        raise InvalidRequest("`serviceTier` must be standard, flex or priority.", param="serviceTier")
    return _TIERS[given]


# --- tools ----------------------------------------------------------------------------------------------------------


def _tools(request: schema.Request, receipt: Receipt) -> tuple[tuple[AnyTool, ...], ToolChoice | None]:
    config = request.tool_config.function_calling_config if request.tool_config is not None else None
    mode = ((config.mode if config is not None else None) or "MODE_UNSPECIFIED").upper()
    # Google then holds a call's arguments to their schema, as `strict` does elsewhere.
    strict = True if mode == "VALIDATED" else None
    tools: list[AnyTool] = []
    for index, tool in enumerate(request.tools or ()):
        tools += _tool(tool, f"tools.{index}", strict, receipt)
    return tuple(tools), None if config is None else _choice(config, mode)


def _tool(tool: schema.Tool, at: str, strict: bool | None, receipt: Receipt) -> list[AnyTool]:
    tools: list[AnyTool] = []
    for index, declared in enumerate(tool.function_declarations or ()):
        here = f"{at}.functionDeclarations.{index}"
        if not declared.name:
            raise InvalidRequest(f"`{here}.name` is required.", param=f"{here}.name")
        parameters = declared.parameters_json_schema
        if parameters is None:
            parameters = json_schema(declared.parameters or {}, f"{here}.parameters")
        tools.append(
            Tool(name=declared.name, description=declared.description or None, parameters=parameters, strict=strict)
        )
    if tool.google_search is not None:
        for name in tool.google_search:
            receipt.lost(f"tools.googleSearch.{name}", _NO_OTHER)
        tools.append(WebSearch())
    for field in msgspec.structs.fields(tool):
        value = getattr(tool, field.name)
        if value is not None and field.encode_name not in ("functionDeclarations", "googleSearch"):
            definition = msgspec.json.encode({field.encode_name: value}).decode()
            tools.append(VendorTool(type=field.encode_name, definition=Opaque(origin=OWN, data=definition)))
    return tools


def _choice(config: schema.FunctionCallingConfig, mode: str) -> ToolChoice | None:
    allowed = config.allowed_function_names or ()
    if mode == "NONE":
        return ToolChoice(mode="none")
    if mode == "ANY":
        named = len(allowed) == 1
        return ToolChoice(mode="named", name=allowed[0]) if named else ToolChoice(mode="required", allowed=allowed)
    if mode in ("AUTO", "VALIDATED"):
        return ToolChoice(mode="auto", allowed=allowed)
    if mode != "MODE_UNSPECIFIED":
        at = "toolConfig.functionCallingConfig.mode"
        raise InvalidRequest(f"`{at}` must be AUTO, ANY, NONE or VALIDATED.", param=at)
    return ToolChoice(mode="auto", allowed=allowed) if allowed else None
