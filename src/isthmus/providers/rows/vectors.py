"""Which providers give embeddings, where, and in which way. What is listed here has been checked against the provider's
own documents (address above the row); what is not listed has no embeddings, or none in a form that is known here.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from isthmus.providers.provider import Place, Provider

OPENAI, COMPATIBLE = "openai_embeddings", "openai_embeddings_compatible"
FULL_SIZE = "openai_embeddings_full_size"
TITAN, COHERE_AT_BEDROCK = "titan_embeddings", "bedrock_cohere_embeddings"

_INVOKE = Place("model/{model}/invoke")

# slug → the dialect, or the variant of OpenAI's, and the path below the base URL.
_EMBEDDINGS: Mapping[str, tuple[str, str]] = {
    # https://platform.openai.com/docs/api-reference/embeddings/create
    "openai": (OPENAI, "embeddings"),
    # https://learn.microsoft.com/azure/ai-foundry/openai/latest
    "azure-openai": (OPENAI, "openai/v1/embeddings"),
    # https://ai.google.dev/api/embeddings
    "google-ai-studio": ("gemini_embeddings", "v1beta/models/{model}:batchEmbedContents"),
    # https://docs.cohere.com/reference/embed
    "cohere": ("cohere_embeddings", "v2/embed"),
    # https://docs.mistral.ai/api/endpoint/embeddings
    "mistral": ("openai_embeddings_mistral", "v1/embeddings"),
    # https://openrouter.ai/docs/api/reference/embeddings
    "openrouter": (COMPATIBLE, "v1/embeddings"),
    # https://docs.fireworks.ai/api-reference/creates-an-embedding-vector-representing-the-input-text
    "fireworks": ("openai_embeddings_fireworks", "embeddings"),
    # https://docs.together.ai/reference/embeddings
    "together": ("openai_embeddings_plain", "embeddings"),
    # https://docs.nvidia.com/nim/nemo-retriever/text-embedding/latest/reference.html
    "nvidia-nim": ("openai_embeddings_texts", "embeddings"),
    # https://docs.sambanova.ai/docs/api-reference/embeddings/create-embeddings
    "sambanova": ("openai_embeddings_plain", "embeddings"),
    # https://www.alibabacloud.com/help/en/model-studio/embedding-interfaces-compatible-with-openai
    "alibaba": ("openai_embeddings_alibaba", "compatible-mode/v1/embeddings"),
    # https://docs.github.com/en/rest/models/embeddings
    "github-models": ("openai_embeddings_github", "inference/embeddings"),
    # https://docs.databricks.com/aws/en/machine-learning/model-serving/query-embedding-models
    "databricks": ("openai_embeddings_texts", "serving-endpoints/embeddings"),
    # https://docs.ollama.com/api/openai-compatibility
    "ollama": (COMPATIBLE, "embeddings"),
    # https://docs.vllm.ai/en/stable/serving/online_serving
    "vllm": (COMPATIBLE, "embeddings"),
    # https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
    "llama-cpp": (FULL_SIZE, "embeddings"),
    # https://lmstudio.ai/docs/developer/openai-compat
    "lm-studio": (FULL_SIZE, "embeddings"),
}


def with_embeddings(row: Provider) -> Provider:
    if row.slug == "aws-bedrock":
        return msgspec.structs.replace(row, embeddings={TITAN: _INVOKE}, embeddings_of=_at_bedrock)
    found = _EMBEDDINGS.get(row.slug)
    if found is None:
        return row
    dialect, path = found
    spoken = OPENAI if dialect.startswith(OPENAI) else dialect
    variants = row.variants if dialect == spoken else {**row.variants, spoken: dialect}
    return msgspec.structs.replace(row, embeddings={spoken: Place(path)}, variants=variants)


def _at_bedrock(model: str) -> Mapping[str, Place]:
    """By whose model it is: Bedrock hands each its own vendor's body. An inference profile has a region in front.
    https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html"""
    if "amazon.titan-embed-text" in model:
        return {TITAN: _INVOKE}
    return {COHERE_AT_BEDROCK: _INVOKE} if "cohere.embed" in model else {}
