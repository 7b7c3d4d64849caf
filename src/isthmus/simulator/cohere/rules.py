"""The rules of Chat v2 that no shape can say: tool calls and their results, what goes together, what a model takes.

Cohere lets roles come in any order and any role come last; this simulator does too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from isthmus.simulator.cohere import request as shapes
from isthmus.simulator.cohere.request import ChatRequest
from isthmus.simulator.exchange import Rejection
from isthmus.simulator.models import Model
from isthmus.simulator.shape import data_uri, flaw_in_schema, is_web_address

_LEAST_P = 0.01
_MAX_SEED = 2**64 - 1  # more than msgspec's bounds can say
_IMAGES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
_MOST_IMAGES = 20


def check(request: ChatRequest, model: Model) -> None:
    """Raises `Rejection`."""
    _check_messages(request.messages)
    _check_calls(request.messages)
    _check_images(request.messages, model)
    _check_tools(request, model)
    _check_format(request)
    if request.p is not None and 0 < request.p < _LEAST_P:
        raise _invalid(f"p must be between {_LEAST_P} and 0.99")
    if request.seed is not None and request.seed > _MAX_SEED:
        raise _invalid(f"seed must be at most {_MAX_SEED}")
    if any(not stop for stop in request.stop_sequences or ()):
        raise _invalid("stop_sequences must not have empty strings")
    if request.safety_mode is not None and (request.tools or request.documents):
        raise _invalid("safety_mode is not configurable in combination with tools or documents")
    if request.safety_mode == "OFF" and "tool_choice" in model.thinking:
        raise _invalid(f"safety_mode OFF is not supported with model {model.name}")
    if request.thinking is not None and "enabled" not in model.thinking:
        raise _invalid(f"thinking is not supported with model {model.name}")


def thinks(request: ChatRequest, model: Model) -> bool:
    """A model that reasons does so unless it is told not to."""
    return "enabled" in model.thinking and (request.thinking is None or request.thinking.type == "enabled")


def functions(request: ChatRequest) -> list[shapes.Function]:
    return [tool.function for tool in request.tools or () if tool.function is not None]


def _invalid(message: str) -> Rejection:
    return Rejection(f"invalid request: {message}")


def _check_messages(messages: list[shapes.ChatMessage]) -> None:
    for index, message in enumerate(messages):
        if not message.content and not (isinstance(message, shapes.AssistantMessage) and message.tool_calls):
            raise _invalid(f"messages[{index}]: all elements in messages must have content or tool calls")


def _check_calls(messages: list[shapes.ChatMessage]) -> None:
    """Each call is answered by the tool messages right after it, once; no other tool messages are there."""
    open_calls: list[str] = []
    for index, message in enumerate(messages):
        if isinstance(message, shapes.ToolMessage):
            if message.tool_call_id not in open_calls:
                raise _invalid(f"messages[{index}]: tool_call_id '{message.tool_call_id}' has no tool call before it")
            open_calls.remove(message.tool_call_id)
            continue
        if open_calls:
            raise _invalid(f"messages[{index}]: tool calls have no results: {', '.join(open_calls)}")
        if isinstance(message, shapes.AssistantMessage):
            open_calls = [_check_call(call, index) for call in message.tool_calls or ()]
            if len(set(open_calls)) < len(open_calls):
                raise _invalid(f"messages[{index}]: tool calls must have different ids")
    if open_calls:
        raise _invalid(f"tool calls have no results: {', '.join(open_calls)}")


def _check_call(call: shapes.ToolCall, index: int) -> str:
    where = f"messages[{index}].tool_calls"
    if call.function is None or not call.function.name:
        raise _invalid(f"{where}: each tool call must have a function with a name")
    try:
        arguments = msgspec.json.decode(call.function.arguments or "")
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise _invalid(f"{where}: the arguments of '{call.id}' are no JSON: {error}") from error
    if not isinstance(arguments, dict):
        raise _invalid(f"{where}: the arguments of '{call.id}' must be a JSON object")
    return call.id


def _check_images(messages: list[shapes.ChatMessage], model: Model) -> None:
    lists = [message.content for message in messages if isinstance(message.content, list)]
    parts: list[Any] = [part for content in lists for part in content]
    images = [part.image_url for part in parts if isinstance(part, shapes.ImageContent)]
    if images and not model.takes_images:
        raise _invalid(f"image content is not supported with model {model.name}")
    if len(images) > _MOST_IMAGES:
        raise _invalid(f"no more than {_MOST_IMAGES} images are allowed")
    for image in images:
        inline = data_uri(image.url)
        if inline is None and not is_web_address(image.url):
            raise _invalid("image_url.url must be a base64 data URI or a web URL")
        if inline is not None and (inline[0] not in _IMAGES or not inline[1]):
            raise _invalid("image_url.url must be a base64 data URI of a PNG, JPEG, WEBP or GIF image")


def _check_tools(request: ChatRequest, model: Model) -> None:
    named = functions(request)
    if len(named) < len(request.tools or ()):
        raise _invalid("each tool must have a function")
    names = [function.name for function in named]
    if "" in names or len(set(names)) < len(names):
        raise _invalid("tools must have different names")
    for function in named:
        if flaw := flaw_in_schema(function.parameters):
            raise _invalid(f"parameters of tool '{function.name}' are not a JSON schema: {flaw}")
        if function.parameters and function.parameters.get("type") != "object":
            raise _invalid(f"parameters of tool '{function.name}' must be of type object")
        if request.strict_tools and not function.parameters.get("required"):
            raise _invalid(f"with strict_tools tool '{function.name}' must have at least one required parameter")
    if request.tool_choice is None:
        return
    if not named:
        raise _invalid("tool_choice cannot be specified without tools")
    if "tool_choice" not in model.thinking:
        raise _invalid(f"tool_choice is not supported with model {model.name}")


def _check_format(request: ChatRequest) -> None:
    wanted = request.response_format
    if not isinstance(wanted, shapes.JsonFormat):
        return
    if request.tools or request.documents:
        raise _invalid("response_format of type json_object is not supported in combination with tools or documents")
    schema = wanted.json_schema
    if schema is None:
        return
    if flaw := flaw_in_schema(schema):
        raise _invalid(f"response_format.json_schema is not a JSON schema: {flaw}")
    if schema.get("type") != "object":
        raise _invalid("response_format.json_schema must be of type object at the top level")
    for part in _objects(schema):
        if not part.get("required"):
            raise _invalid("each object in response_format.json_schema must have at least one required field")


def _objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        inner = schema.get("properties", {})
        for part in (*inner.values(), schema.get("items"), *schema.get("anyOf", ())):
            yield from _objects(part)
