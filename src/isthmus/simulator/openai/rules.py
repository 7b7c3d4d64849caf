"""The rules that OpenAI's two dialects share: what each model takes, schemas, pictures, and how a prompt is counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from isthmus.simulator import text as texts
from isthmus.simulator.exchange import Exchange, Rejection
from isthmus.simulator.models import Model
from isthmus.simulator.shape import data_uri, flaw_in_schema, is_web_address, looseness_in_schema

EFFORT_TOKENS = {"none": 0, "minimal": 0, "low": 32, "medium": 64, "high": 128, "xhigh": 256, "max": 512}
_IMAGE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_CACHE_STEP = 128
_PROMPT_TOKENS = 3


def effort_of(model: Model, asked: str | None, param: str) -> str:
    """The reasoning effort in force; `none` for a model that does not reason."""
    if not model.efforts:
        if asked is not None:
            raise _unsupported(f"Unsupported parameter: '{param}' is not supported with this model.", param)
        return "none"
    if asked is not None and asked not in model.efforts:
        known = ", ".join(f"'{effort}'" for effort in model.efforts)
        raise Rejection(
            f"Unsupported value: '{param}' does not support '{asked}' with this model. Supported values are: {known}.",
            param=param,
            code="unsupported_value",
        )
    return asked or model.efforts[0]


def check_sampling(model: Model, effort: str, given: Mapping[str, Any]) -> None:
    """Models that reason take no sampling parameters but their defaults."""
    if model.takes_sampling or effort == "none":
        return
    for name, default in (("temperature", 1), ("top_p", 1), ("presence_penalty", 0), ("frequency_penalty", 0)):
        if given.get(name) not in (None, default):
            raise Rejection(
                f"Unsupported value: '{name}' does not support {given[name]} with this model. Only the default "
                f"({default}) value is supported.",
                param=name,
                code="unsupported_value",
            )
    for name in ("logprobs", "top_logprobs", "logit_bias"):
        if given.get(name):
            raise _unsupported(f"Unsupported parameter: '{name}' is not supported with this model.", name)


def _unsupported(message: str, param: str) -> Rejection:
    return Rejection(message, param=param, code="unsupported_parameter")


def check_room(model: Model, input_tokens: int, most: int | None, names: tuple[str, str]) -> None:
    """`names` are the parameters of the input and of the limit to the output."""
    if most is not None and most > model.max_output_tokens:
        raise Rejection(
            f"{names[1]} is too large: {most}. This model supports at most {model.max_output_tokens} completion "
            f"tokens, whereas you provided {most}.",
            param=names[1],
            code="invalid_value",
        )
    if input_tokens > model.context_tokens:
        raise Rejection(
            f"This model's maximum context length is {model.context_tokens} tokens. However, your messages resulted in "
            f"{input_tokens} tokens. Please reduce the length of the messages.",
            param=names[0],
            code="context_length_exceeded",
        )


def check_function(name: str, parameters: Any, strict: bool, param: str) -> None:
    if not isinstance(parameters, dict):
        return
    flaw = flaw_in_schema(parameters)
    if parameters and parameters.get("type") != "object":
        kind = parameters.get("type", "None")
        flaw = f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."
    if flaw is None and strict:
        flaw = looseness_in_schema(parameters)
    if flaw is not None:
        raise Rejection(
            f"Invalid schema for function '{name}': {flaw}", param=param, code="invalid_function_parameters"
        )


def check_format(name: str, schema: Any, strict: bool, param: str) -> None:
    flaw = flaw_in_schema(schema)
    if flaw is None and schema.get("type") != "object" and strict:
        flaw = f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{schema.get('type', 'None')}\"'."
    if flaw is None and strict:
        flaw = looseness_in_schema(schema)
    if flaw is not None:
        raise Rejection(f"Invalid schema for response_format '{name}': {flaw}", param=param, code="invalid_json_schema")


def check_image(url: str, param: str) -> None:
    data = data_uri(url)
    if data is None and not is_web_address(url):
        message = f"Invalid '{param}'. Expected a valid URL, but got a value with an invalid format."
        raise Rejection(message, param=param, code="invalid_value")
    if data is None:
        return
    media_type, sound = data
    if media_type not in _IMAGE_TYPES:
        message = (
            f"Invalid MIME type: {media_type}. Only image types are supported, of which these: ['png', 'jpeg', 'gif', "
            "'webp']."
        )
        raise Rejection(message, param=param, code="invalid_image_format")
    if not sound:
        raise Rejection("Invalid base64 image_url.", param=param, code="invalid_base64")


def check_json_is_named(texts: Iterable[str], message: str, param: str) -> None:
    """Asked for any JSON object, the model must have been told so."""
    if not any("json" in text.lower() for text in texts):
        raise Rejection(message, param=param)


def prompt_tokens(exchange: Exchange, model: Model, blocks: list[Any]) -> tuple[int, int]:
    """All input tokens, and those of them that were cached: the longest prefix of whole blocks seen before."""
    weights = [texts.MESSAGE_TOKENS + texts.weigh(block) for block in blocks]
    total = sum(weights) + _PROMPT_TOKENS
    if total < model.cache_minimum_tokens:
        return total, 0
    world = exchange.world
    cached = running = 0
    digest = model.name.encode()
    for block, weight in zip(blocks, weights, strict=True):
        running += weight
        digest = world.seed.digest(digest, msgspec.json.encode(block))
        if running < model.cache_minimum_tokens:
            continue
        if world.prefixes.get(digest):
            cached = running // _CACHE_STEP * _CACHE_STEP
        world.prefixes.put(digest, True)
    return total, cached


def tier(asked: str | None) -> str:
    return asked if asked in ("flex", "priority") else "default"
