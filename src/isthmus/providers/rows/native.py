"""What of each provider native paths reach beside its dialects, and which of it the installation's key opens to every
caller. Left out is whatever is kept for an account (files, batches, fine-tuned models, stored answers, tasks that are
asked for again): under one key it would be everybody's. Checked against the providers' own references.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from isthmus.providers.native import hosts
from isthmus.providers.provider import Native, Place, Provider

_GEMINI_VERSIONS = ("v1", "v1alpha")


def _gemini(version: str) -> tuple[str, Place]:
    model = f"{version}/models/{{model}}"
    place = Place(
        f"{model}:generateContent", stream=f"{model}:streamGenerateContent?alt=sse", count=f"{model}:countTokens"
    )
    return "gemini", place


_NATIVE: Mapping[str, Native] = {
    # https://platform.openai.com/docs/api-reference
    "openai": Native(
        open=(
            "GET models",
            "GET models/{}",
            "POST images/generations",
            "POST images/edits",
            "POST images/variations",
            "POST audio/speech",
            "POST audio/transcriptions",
            "POST audio/translations",
            "POST moderations",
        )
    ),
    # https://platform.claude.com/docs/en/api/overview
    "anthropic": Native(open=("GET v1/models", "GET v1/models/{}", "POST v1/complete")),
    # https://ai.google.dev/api
    "google-ai-studio": Native(
        places=(
            *(_gemini(version) for version in _GEMINI_VERSIONS),
            ("openai_chat", Place("v1beta/openai/chat/completions")),
        ),
        open=tuple(
            f"{call.replace('V/', version + '/')}"
            for version in ("v1beta", *_GEMINI_VERSIONS)
            for call in (
                "GET V/models",
                "GET V/models/{}",
                "POST V/models/{}:embedContent",
                "POST V/models/{}:batchEmbedContents",
                "POST V/models/{}:predict",
                "POST V/openai/embeddings",
                "POST V/openai/images/generations",
                "GET V/openai/models",
            )
        ),
    ),
    # https://docs.cohere.com/reference/about
    "cohere": Native(
        places=(("openai_chat", Place("compatibility/v1/chat/completions")),),
        open=(
            "GET v1/models",
            "GET v1/models/{}",
            "POST v1/chat",
            "POST v1/generate",
            "POST v1/embed",
            "POST v1/rerank",
            "POST v2/rerank",
            "POST v1/classify",
            "POST v1/tokenize",
            "POST v1/detokenize",
        ),
    ),
    # https://docs.mistral.ai/api
    "mistral": Native(
        open=("POST v1/fim/completions", "POST v1/moderations", "POST v1/ocr", "POST v1/audio/transcriptions")
    ),
    # https://console.groq.com/docs/api-reference
    "groq": Native(open=("POST audio/transcriptions", "POST audio/translations", "POST audio/speech")),
    # https://docs.x.ai/docs/api-reference
    "grok": Native(open=("GET v1/language-models", "POST v1/images/generations", "POST v1/tokenize-text")),
    "openrouter": Native(where=hosts.openrouter, open=("GET v1/models",)),
    # https://huggingface.co/docs/inference-providers/tasks/index: all that a model's own address does is answer
    "huggingface": Native(where=hosts.huggingface, open=("POST {}/{}", "POST {}/{}/v1/chat/completions")),
    # https://docs.baseten.co/reference/inference-api/overview
    "baseten": Native(
        where=hosts.baseten,
        open=(
            "POST model/{}/production/predict",
            "POST model/{}/development/predict",
            "POST model/{}/environments/{}/predict",
            "POST model/{}/deployment/{}/predict",
        ),
    ),
    # https://docs.together.ai/reference
    "together": Native(open=("POST rerank", "POST images/generations", "POST audio/speech")),
    # https://docs.parallel.ai/api-reference
    "parallel": Native(open=("POST v1beta/search", "POST v1beta/extract")),
    # https://replicate.com/docs/reference/http: an answer comes at once with `prefer: wait`
    "replicate": Native(
        open=(
            "GET models/{}/{}",
            "GET models/{}/{}/versions",
            "POST models/{}/{}/predictions",
            "POST predictions",
        )
    ),
    # https://docs.fal.ai/model-apis/model-endpoints
    "fal": Native(where=hosts.fal, open=("POST {}/{}", "POST {}/{}/{}", "POST {}/{}/{}/{}", "POST {}/{}/{}/{}/{}")),
    # https://developer.ideogram.ai/api-reference
    "ideogram": Native(
        open=(
            "POST generate",
            "POST edit",
            "POST remix",
            "POST upscale",
            "POST describe",
            "POST reframe",
            "POST v1/{}/generate",
            "POST v1/{}/edit",
            "POST v1/{}/remix",
            "POST v1/{}/reframe",
            "POST v1/{}/replace-background",
            "POST v1/{}/generate-transparent",
        )
    ),
    # https://docs.cartesia.ai/api-reference
    "cartesia": Native(
        open=("POST tts/bytes", "POST tts/sse", "POST stt", "POST voice-changer/bytes", "POST voice-changer/sse")
    ),
    # https://developers.deepgram.com/reference
    "deepgram": Native(open=("GET v1/models", "GET v1/models/{}", "POST v1/listen", "POST v1/speak", "POST v1/read")),
    # https://elevenlabs.io/docs/api-reference
    "elevenlabs": Native(
        open=(
            "GET v1/models",
            "POST v1/text-to-speech/{}",
            "POST v1/text-to-speech/{}/stream",
            "POST v1/text-to-speech/{}/with-timestamps",
            "POST v1/text-to-speech/{}/stream/with-timestamps",
            "POST v1/speech-to-text",
            "POST v1/speech-to-speech/{}",
            "POST v1/speech-to-speech/{}/stream",
            "POST v1/sound-generation",
            "POST v1/audio-isolation",
            "POST v1/audio-isolation/stream",
        )
    ),
}


def with_native(row: Provider) -> Provider:
    """A row of the clouds has its own."""
    native = _NATIVE.get(row.slug, row.native)
    collapses = row.base_url.endswith("/v1/")
    return msgspec.structs.replace(row, native=msgspec.structs.replace(native, collapses=collapses))
