"""The embedding models that the simulator knows, and their vectors: the same ones for the same text and seed, of length
one. A shorter vector is the beginning of the longer one, brought to length one again.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from isthmus.simulator import text as texts
from isthmus.simulator.exchange import Exchange
from isthmus.simulator.models import Vendor

_DIGITS = 8


class EmbeddingModel(msgspec.Struct, frozen=True, kw_only=True):
    """`size` is how many numbers its vectors have, `sizes` the others that can be asked for (None: any smaller one),
    `input_tokens` the most that a text may have."""

    name: str
    vendor: Vendor
    size: int
    sizes: tuple[int, ...] | None = ()
    input_tokens: int = 8192


_MODELS = (
    EmbeddingModel(name="text-embedding-3-small", vendor="openai", size=1536, sizes=None),
    EmbeddingModel(name="text-embedding-3-large", vendor="openai", size=3072, sizes=None),
    EmbeddingModel(name="text-embedding-ada-002", vendor="openai", size=1536),
    EmbeddingModel(name="gemini-embedding-001", vendor="google", size=3072, sizes=None, input_tokens=2048),
    EmbeddingModel(name="gemini-embedding-2", vendor="google", size=3072, sizes=None),
    EmbeddingModel(name="embed-v4.0", vendor="cohere", size=1536, sizes=(256, 512, 1024, 1536), input_tokens=128_000),
    EmbeddingModel(name="embed-multilingual-v3.0", vendor="cohere", size=1024, input_tokens=512),
    EmbeddingModel(name="amazon.titan-embed-text-v2:0", vendor="bedrock", size=1024, sizes=(256, 512, 1024)),
    EmbeddingModel(name="amazon.titan-embed-text-v1", vendor="bedrock", size=1536),
    EmbeddingModel(name="cohere.embed-multilingual-v3", vendor="bedrock", size=1024, input_tokens=512),
    EmbeddingModel(name="cohere.embed-v4:0", vendor="bedrock", size=1536, sizes=(256, 512, 1024, 1536)),
)
MODELS: Mapping[tuple[Vendor, str], EmbeddingModel] = MappingProxyType(
    {(model.vendor, model.name): model for model in _MODELS}
)


def vector(exchange: Exchange, model: EmbeddingModel, text: str, size: int | None = None) -> list[float]:
    rng = exchange.world.seed.rng("vector", model.name, text)
    numbers = [rng.uniform(-1, 1) for _ in range(model.size)][: size or model.size]
    length = math.sqrt(sum(number * number for number in numbers))
    return [round(number / length, _DIGITS) for number in numbers]


def packed(numbers: list[float]) -> str:
    """Base64 of little-endian float32."""
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def count(text: str) -> int:
    return texts.count(text)
