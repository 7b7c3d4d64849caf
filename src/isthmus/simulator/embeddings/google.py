"""Gemini's `embedContent` and `batchEmbedContents`, in AI Studio."""

from __future__ import annotations

from typing import Any

from isthmus.simulator.embeddings.vectors import MODELS, EmbeddingModel, count, vector
from isthmus.simulator.exchange import Answer, Exchange
from isthmus.simulator.google.errors import GoogleRejection
from isthmus.simulator.google.proto import read
from isthmus.simulator.google.vendor import STUDIO

_MOST_REQUESTS = 100


def embed(exchange: Exchange) -> Answer:
    model = _known_model(exchange)
    request = read(STUDIO.package, "EmbedContentRequest", exchange.raw)
    text, numbers = _embedded(exchange, model, request, "", last=True)
    return STUDIO.whole(exchange, {"embedding": {"values": numbers}, "usageMetadata": _usage(count(text))})


def embed_batch(exchange: Exchange) -> Answer:
    model = _known_model(exchange)
    requests = read(STUDIO.package, "BatchEmbedContentsRequest", exchange.raw).get("requests", [])
    if len(requests) > _MOST_REQUESTS:
        raise GoogleRejection(
            f"* BatchEmbedContentsRequest.requests: at most {_MOST_REQUESTS} requests can be in one batch\n"
        )
    if not requests:
        raise GoogleRejection("* BatchEmbedContentsRequest.requests: value must not be empty\n")
    vectors, tokens = [], 0
    for index, request in enumerate(requests):
        where = f"requests[{index}]."
        if request.get("model") != f"models/{model.name}":
            raise GoogleRejection(f"* BatchEmbedContentsRequest.{where}model: unexpected model name format\n")
        text, numbers = _embedded(exchange, model, request, where, last=index == len(requests) - 1)
        vectors.append({"values": numbers})
        tokens += count(text)
    return STUDIO.whole(exchange, {"embeddings": vectors, "usageMetadata": _usage(tokens)})


def _known_model(exchange: Exchange) -> EmbeddingModel:
    name = exchange.path_values["model"]
    model = MODELS.get(("google", name))
    if model is None:
        raise GoogleRejection(
            f"models/{name} is not found for API version v1beta, or is not supported for embedContent. Call ListModels "
            "to see the list of available models and their supported methods.",
            status=404,
        )
    return model


def _embedded(
    exchange: Exchange, model: EmbeddingModel, request: dict[str, Any], where: str, *, last: bool
) -> tuple[str, list[float]]:
    parts = request.get("content", {}).get("parts", [])
    text = "".join(part.get("text", "") for part in parts)
    if not text or any(set(part) != {"text"} for part in parts):
        raise GoogleRejection(f"* EmbedContentRequest.{where}content: contents is not specified\n")
    config = request.get("embedContentConfig", {})
    size = request.get("outputDimensionality", config.get("outputDimensionality"))
    if size is not None and not 1 <= size <= model.size:
        raise GoogleRejection(
            f"* EmbedContentRequest.{where}output_dimensionality: must be between 1 and {model.size}\n"
        )
    if last:
        text = exchange.settle(text, streamed=False)
    words = " ".join(text.split()[: model.input_tokens])  # what is too long is cut in silence
    return text, vector(exchange, model, words + str(request.get("taskType", "")), size)


def _usage(tokens: int) -> dict[str, Any]:
    return {"promptTokenCount": tokens, "promptTokenDetails": [{"modality": "TEXT", "tokenCount": tokens}]}
