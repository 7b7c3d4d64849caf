"""A Converse request in the form of Anthropic's Messages, which is what Bedrock hands to Claude: by it Claude's own
rules are checked, and every model's prompt is counted.
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from isthmus.simulator.bedrock import request as shapes
from isthmus.simulator.bedrock.request import ConverseRequest, CountedRequest
from isthmus.simulator.bedrock.rules import output_schema
from isthmus.simulator.models import Model

REASONING_CONFIG = "reasoning_config"  # an older name of `thinking`
_BETAS = "anthropic_beta"


def native_body(request: CountedRequest, model: Model) -> dict[str, Any]:
    """`request` keeps the rules of Converse."""
    body: dict[str, Any] = {"model": model.name, "max_tokens": model.max_output_tokens}
    body["messages"] = [
        {"role": message.role, "content": _marked([_block(block) for block in message.content])}
        for message in request.messages or ()
    ]
    if request.system:
        body["system"] = _marked([_system_block(block) for block in request.system])
    if request.toolConfig is not None:
        body["tools"] = _marked([_tool(tool) for tool in request.toolConfig.tools])
        if (choice := request.toolConfig.toolChoice) is not None:
            body["tool_choice"] = _choice(choice)
    if isinstance(request, ConverseRequest):
        body |= _configuration(request)
    fields = {**(request.additionalModelRequestFields or {})}
    fields.pop(_BETAS, None)
    if REASONING_CONFIG in fields:
        fields["thinking"] = fields.pop(REASONING_CONFIG)
    effort = {**body.get("output_config", {}), **_mapping(fields.pop("output_config", {}))}
    return {**body, **fields, **({"output_config": effort} if effort else {})}


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {"output_config": value}


def _configuration(request: ConverseRequest) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if (config := request.inferenceConfig) is not None:
        given = {
            "max_tokens": config.maxTokens,
            "temperature": config.temperature,
            "top_p": config.topP,
            "stop_sequences": config.stopSequences,
        }
        fields |= {name: value for name, value in given.items() if value is not None}
    output: dict[str, Any] = {}
    if (schema := output_schema(request)) is not None:
        output["format"] = {"type": "json_schema", "schema": schema}
    if request.outputConfig is not None and request.outputConfig.effort is not None:
        output["effort"] = request.outputConfig.effort
    return {**fields, "output_config": output} if output else fields


def _marked(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each cache point as a mark on the block before it."""
    marked: list[dict[str, Any]] = []
    for block in blocks:
        if "cache_control" in block and len(block) == 1:
            marked[-1] = {**marked[-1], **block}
        else:
            marked.append(block)
    return marked


def _cache_point(point: shapes.CachePointBlock) -> dict[str, Any]:
    control = {"type": "ephemeral"} if point.ttl is None else {"type": "ephemeral", "ttl": point.ttl}
    return {"cache_control": control}


def _system_block(block: shapes.SystemContentBlock) -> dict[str, Any]:
    if block.cachePoint is not None:
        return _cache_point(block.cachePoint)
    return _guarded(block.guardContent) if block.guardContent is not None else _text(block.text)


def _block(block: shapes.ContentBlock) -> dict[str, Any]:
    if block.cachePoint is not None:
        return _cache_point(block.cachePoint)
    if block.toolUse is not None:
        call = block.toolUse
        return {"type": "tool_use", "id": call.toolUseId, "name": call.name, "input": call.input}
    if block.toolResult is not None:
        return _result(block.toolResult)
    if block.reasoningContent is not None:
        return _reasoning(block.reasoningContent)
    if block.citationsContent is not None:
        return _text("".join(part.text or "" for part in block.citationsContent.content or ()))
    if block.guardContent is not None:
        return _guarded(block.guardContent)
    return _shown(block)


def _shown(block: shapes.ContentBlock | shapes.ToolResultContentBlock) -> dict[str, Any]:
    """What may stand in a message as well as in a tool's result."""
    if block.image is not None:
        return _image(block.image.format, block.image.source.bytes)
    if block.document is not None:
        return _document(block.document)
    if block.searchResult is not None:
        found = block.searchResult
        parts = [_text(part.text) for part in found.content]
        return {"type": "search_result", "source": found.source, "title": found.title, "content": parts}
    return _text(block.text)


def _text(text: str | None) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _image(format_: str, data: str | None) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": f"image/{format_}", "data": data}}


def _guarded(content: shapes.GuardrailConverseContentBlock) -> dict[str, Any]:
    if content.image is not None:
        return _image(content.image.format, content.image.source.bytes)
    return _text(content.text.text if content.text is not None else "")


def _document(document: shapes.DocumentBlock) -> dict[str, Any]:
    """A document that is neither PDF nor text is read by Bedrock, which hands its text on."""
    source = document.source
    if source.content is not None:
        inner: dict[str, Any] = {"type": "content", "content": [_text(part.text) for part in source.content]}
    elif source.bytes is not None and document.format == "pdf":
        inner = {"type": "base64", "media_type": "application/pdf", "data": source.bytes}
    else:
        text = source.text or base64.b64decode(source.bytes or "").decode("utf-8", "replace")
        inner = {"type": "text", "media_type": "text/plain", "data": text}
    block = {"type": "document", "source": inner, "title": document.name}
    if document.context:
        block["context"] = document.context
    if document.citations is not None:
        block["citations"] = {"enabled": document.citations.enabled}
    return block


def _result(result: shapes.ToolResultBlock) -> dict[str, Any]:
    content = [
        _text(msgspec.json.encode(part.json).decode()) if part.json is not None else _shown(part)
        for part in result.content
    ]
    return {
        "type": "tool_result",
        "tool_use_id": result.toolUseId,
        "content": content,
        "is_error": result.status == "error",
    }


def _reasoning(content: shapes.ReasoningContentBlock) -> dict[str, Any]:
    thought = content.reasoningText
    if thought is None:
        return {"type": "redacted_thinking", "data": content.redactedContent}
    block = {"type": "thinking", "thinking": thought.text}
    return block if thought.signature is None else {**block, "signature": thought.signature}


def _tool(tool: shapes.Tool) -> dict[str, Any]:
    if tool.cachePoint is not None:
        return _cache_point(tool.cachePoint)
    assert tool.toolSpec is not None
    spec = tool.toolSpec
    given: dict[str, Any] = {"name": spec.name, "input_schema": spec.inputSchema.json}
    if spec.description is not None:
        given["description"] = spec.description
    return given if spec.strict is None else {**given, "strict": spec.strict}


def _choice(choice: shapes.ToolChoice) -> dict[str, Any]:
    if choice.tool is not None:
        return {"type": "tool", "name": choice.tool.name}
    return {"type": "any" if choice.any is not None else "auto"}
