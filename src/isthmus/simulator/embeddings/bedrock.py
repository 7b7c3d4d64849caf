"""Bedrock's InvokeModel for models that give vectors: Amazon's Titan, and Cohere's."""

from __future__ import annotations

from typing import Any, Literal

from isthmus.simulator.bedrock.vendor import BEDROCK, bare_name, refused
from isthmus.simulator.embeddings.cohere import EmbeddingType, InputType, Texts, Truncate, by_type, checked
from isthmus.simulator.embeddings.vectors import MODELS, EmbeddingModel, count, vector
from isthmus.simulator.exchange import Answer, Exchange, Rejection, whole
from isthmus.simulator.shape import Strict, read_shape

_COUNT = "x-amzn-bedrock-input-token-count"


class TitanRequest(Strict, frozen=True, kw_only=True):
    inputText: str
    dimensions: int | None = None
    normalize: bool | None = None
    embeddingTypes: list[Literal["float", "binary"]] | None = None


class CohereRequest(Strict, frozen=True, kw_only=True):
    input_type: InputType
    texts: Texts
    truncate: Truncate | None = None
    embedding_types: list[EmbeddingType] | None = None
    output_dimension: int | None = None


def invoke(exchange: Exchange) -> Answer:
    model = MODELS.get(("bedrock", bare_name(exchange.path_values["model"])))
    if model is None:
        raise Rejection("No other model is invoked here.", status=404)
    body, tokens = (_titan if model.name.startswith("amazon.") else _cohere)(exchange, model)
    answer = whole(BEDROCK, exchange, body)
    return Answer(headers=(*answer.headers, (_COUNT, str(tokens))), body=answer.body)


def _titan(exchange: Exchange, model: EmbeddingModel) -> tuple[dict[str, Any], int]:
    request: TitanRequest = read_shape(exchange.raw, TitanRequest)
    asked = request.dimensions, request.normalize, request.embeddingTypes
    if not model.sizes and asked != (None, None, None):
        raise refused("Malformed input request: extraneous key is not permitted, please reformat your input.")
    if request.dimensions is not None and request.dimensions not in (model.sizes or ()):
        raise refused(f"Malformed input request: #/dimensions: {request.dimensions} is not a valid enum value")
    if not request.inputText:
        raise refused("Malformed input request: expected minLength: 1, actual: 0, please reformat your input.")
    text = exchange.settle(request.inputText)
    numbers = vector(exchange, model, text, request.dimensions)
    body: dict[str, Any] = {"embedding": numbers, "inputTextTokenCount": count(text)}
    if model.sizes:
        body["embeddingsByType"] = {"float": numbers}
    return body, count(text)


def _cohere(exchange: Exchange, model: EmbeddingModel) -> tuple[dict[str, Any], int]:
    request: CohereRequest = read_shape(exchange.raw, CohereRequest)
    texts = checked(exchange, request.texts, model, request.output_dimension, request.truncate or "NONE")
    vectors = [vector(exchange, model, text + request.input_type, request.output_dimension) for text in texts]
    kinds = request.embedding_types
    body = {
        "id": "embed",
        "texts": texts,
        "embeddings": vectors if kinds is None else by_type(vectors, kinds),
        "response_type": "embeddings_floats" if kinds is None else "embeddings_by_type",
    }
    return body, sum(map(count, texts))
