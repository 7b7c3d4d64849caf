"""OpenAI's `/v1/embeddings`, by its published schema and what its own page says of the bounds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from isthmus.simulator.embeddings.vectors import MODELS, EmbeddingModel, count, packed, vector
from isthmus.simulator.exchange import Answer, Exchange, Rejection, whole
from isthmus.simulator.openai.vendor import OPENAI
from isthmus.simulator.shape import ShapeError, Strict, read_shape

_MOST_INPUTS = 2048
_MOST_TOKENS = 300_000
_INPUT = "input"


class EmbeddingsRequest(Strict, frozen=True, kw_only=True):
    input: str | list[Any]
    model: str
    encoding_format: Literal["float", "base64"] | UnsetType = UNSET
    dimensions: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    user: str | UnsetType = UNSET


def respond(exchange: Exchange) -> Answer:
    request: EmbeddingsRequest = read_shape(exchange.raw, EmbeddingsRequest)
    inputs = _inputs(request.input)
    model = MODELS.get(("openai", request.model))
    if model is None:
        raise Rejection(
            f"The model `{request.model}` does not exist or you do not have access to it.",
            status=404,
            code="model_not_found",
        )
    size = _size(request, model)
    inputs[-1:] = [exchange.settle(inputs[-1]) if isinstance(inputs[-1], str) else inputs[-1]]
    if not isinstance(inputs[-1], str):
        exchange.settle()
    tokens = _tokens(inputs, model)
    data = []
    for index, given in enumerate(inputs):
        numbers = vector(exchange, model, str(given), size)
        shown: Any = packed(numbers) if request.encoding_format == "base64" else numbers
        data.append({"object": "embedding", "index": index, "embedding": shown})
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return whole(OPENAI, exchange, {"object": "list", "data": data, "model": model.name, "usage": usage})


def _inputs(given: str | list[Any]) -> list[Any]:
    """Texts, or lists of token numbers."""
    if given == "":
        raise Rejection("Invalid 'input': input cannot be an empty string.", param=_INPUT)
    if isinstance(given, str):
        return [given]
    if not given or len(given) > _MOST_INPUTS:
        comparison = f">= {1}" if not given else f"<= {_MOST_INPUTS}"
        raise ShapeError("length", (_INPUT,), f"array {comparison}", given)
    if all(_is_token(item) for item in given):
        return [given]
    for index, item in enumerate(given):
        if isinstance(item, str) is not isinstance(given[0], str) or not isinstance(item, str | list):
            raise ShapeError("type", (_INPUT, index), "str", item)
        if not item or (isinstance(item, list) and not all(_is_token(number) for number in item)):
            raise Rejection(f"Invalid 'input[{index}]': input cannot be an empty string.", param=_INPUT)
    return list(given)


def _is_token(item: Any) -> bool:
    return isinstance(item, int) and not isinstance(item, bool) and item >= 0


def _size(request: EmbeddingsRequest, model: EmbeddingModel) -> int:
    if isinstance(request.dimensions, UnsetType):
        return model.size
    if model.sizes is not None:
        raise Rejection("This model does not support specifying dimensions.", param="dimensions")
    if request.dimensions > model.size:
        raise Rejection(
            f"Invalid value for 'dimensions' = {request.dimensions}. Must be less than or equal to {model.size}.",
            param="dimensions",
        )
    return request.dimensions


def _tokens(inputs: list[Any], model: EmbeddingModel) -> int:
    counts = [count(given) if isinstance(given, str) else len(given) for given in inputs]
    if max(counts) > model.input_tokens:
        raise Rejection(
            f"This model's maximum context length is {model.input_tokens} tokens, however you requested {max(counts)} "
            f"tokens ({max(counts)} in your prompt; 0 for the completion). Please reduce your prompt.",
            param=_INPUT,
        )
    if sum(counts) > _MOST_TOKENS:
        raise Rejection(
            f"Invalid 'input': maximum request size is {_MOST_TOKENS} tokens per request.",
            param=_INPUT,
            code="max_tokens_per_request",
        )
    return sum(counts)
