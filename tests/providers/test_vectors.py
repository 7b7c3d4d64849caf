"""Every provider that gives embeddings: the exact address, and the dialect that it is written to in."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.configuration.declared import Declared, ModelDeclared, ProviderDeclared
from isthmus.core.attempt import Target
from isthmus.core.custom_provider import CustomProvider
from isthmus.errors import InvalidRequest, NotFound
from isthmus.local.supervisor import LocalModels
from isthmus.providers.built_in import BUILT_IN
from isthmus.providers.custom import provider_of
from isthmus.providers.models import name_alone
from isthmus.targets import model_table
from isthmus.wire.embeddings.registry import CALLERS, PROVIDERS

OPENAI, NATIVE = "openai_embeddings", "workers_ai_embeddings"
COMPATIBLE, FULL_SIZE = "openai_embeddings_compatible", "openai_embeddings_full_size"
KEY = "the-key"
ENVIRONMENT = {row.credential_variable: KEY for row in BUILT_IN if row.credential_variable} | {
    "AWS_REGION": "eu-west-1",
    "AZURE_OPENAI_ENDPOINT": "https://mine.openai.azure.com",
    "DATABRICKS_HOST": "adb-1.azuredatabricks.net",
    "SNOWFLAKE_HOST": "https://acc.snowflakecomputing.com/",
}
del ENVIRONMENT["GOOGLE_APPLICATION_CREDENTIALS"]
LAB = "https://lab.example/v1/"
DECLARED = Declared(
    providers={name: ProviderDeclared(allow_private_address=True) for name in ("ollama", "vllm", "llama-cpp")}
    | {"lm-studio": ProviderDeclared(allow_private_address=True)}
    | {
        "lab": ProviderDeclared(dialect="openai_chat", base_url=LAB),
        "lab-gemini": ProviderDeclared(dialect="gemini", base_url=LAB),
        "lab-messages": ProviderDeclared(dialect="anthropic_messages", base_url=LAB),
    },
    models={"@cf/acme/e": ModelDeclared(provider="lab", name="bge-m3")},
)

GOLDEN: dict[str, tuple[str, str]] = {
    "openai/text-embedding-3-small": (OPENAI, "https://api.openai.com/v1/embeddings"),
    "azure-openai/my-deployment": (OPENAI, "https://mine.openai.azure.com/openai/v1/embeddings"),
    "google/gemini-embedding-001": (
        "gemini_embeddings",
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-embedding-001:batchEmbedContents",
    ),
    "cohere/embed-v4.0": ("cohere_embeddings", "https://api.cohere.com/v2/embed"),
    "aws-bedrock/amazon.titan-embed-text-v2:0": (
        "titan_embeddings",
        "https://bedrock-runtime.eu-west-1.amazonaws.com/model/amazon.titan-embed-text-v2%3A0/invoke",
    ),
    "aws-bedrock/eu.cohere.embed-v4:0": (
        "bedrock_cohere_embeddings",
        "https://bedrock-runtime.eu-west-1.amazonaws.com/model/eu.cohere.embed-v4%3A0/invoke",
    ),
    "mistral/mistral-embed": ("openai_embeddings_mistral", "https://api.mistral.ai/v1/embeddings"),
    "openrouter/qwen/qwen3-embedding-8b": (COMPATIBLE, "https://openrouter.ai/api/v1/embeddings"),
    "fireworks/nomic-ai/nomic-embed-text-v1.5": (
        "openai_embeddings_fireworks",
        "https://api.fireworks.ai/inference/v1/embeddings",
    ),
    "together/BAAI/bge-large-en-v1.5": ("openai_embeddings_plain", "https://api.together.ai/v1/embeddings"),
    "nvidia-nim/nvidia/nv-embedqa-e5-v5": ("openai_embeddings_texts", "https://integrate.api.nvidia.com/v1/embeddings"),
    "sambanova/E5-Mistral-7B-Instruct": ("openai_embeddings_plain", "https://api.sambanova.ai/v1/embeddings"),
    "alibaba/text-embedding-v4": (
        "openai_embeddings_alibaba",
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1/embeddings",
    ),
    "github-models/openai/text-embedding-3-small": (
        "openai_embeddings_github",
        "https://models.github.ai/inference/embeddings",
    ),
    "databricks/databricks-gte-large-en": (
        "openai_embeddings_texts",
        "https://adb-1.azuredatabricks.net/serving-endpoints/embeddings",
    ),
    "ollama/nomic-embed-text": (COMPATIBLE, "http://127.0.0.1:11434/v1/embeddings"),
    "vllm/intfloat/e5-mistral-7b-instruct": (COMPATIBLE, "http://127.0.0.1:8000/v1/embeddings"),
    "llama-cpp/bge": (FULL_SIZE, "http://127.0.0.1:8080/v1/embeddings"),
    "lm-studio/nomic": (FULL_SIZE, "http://127.0.0.1:1234/v1/embeddings"),
    "lab/any": (COMPATIBLE, f"{LAB}embeddings"),
    "lab-gemini/any": ("gemini_embeddings", f"{LAB}v1beta/models/any:batchEmbedContents"),
    "@cf/acme/e": (COMPATIBLE, f"{LAB}embeddings"),
}
WITHOUT = ["anthropic/claude-haiku-4.5", "groq/x", "aws-bedrock/amazon.nova-lite-v1:0", "lab-messages/x", "replicate/x"]


@pytest.fixture(scope="module")
def models() -> Any:
    return model_table(DECLARED, ENVIRONMENT, LocalModels({}))


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("name", GOLDEN)
def test_addresses(models: Any, name: str, caller: str) -> None:
    target: Target = models.resolve(name, caller)
    assert target.located is not None and target.dialect in PROVIDERS
    assert (target.dialect, target.located.url) == GOLDEN[name]


def test_every_row_is_looked_at() -> None:
    embedding = {row.slug for row in BUILT_IN if row.embeddings or row.embeddings_of}
    seen = {name.partition("/")[0] for name in GOLDEN} - {"lab", "lab-gemini", "@cf"} - {"google"} | {
        "google-ai-studio"
    }
    assert embedding == seen


@pytest.mark.parametrize("name", WITHOUT)
def test_providers_without(models: Any, name: str) -> None:
    with pytest.raises(InvalidRequest, match="gives no embeddings") as caught:
        models.resolve(name, OPENAI)
    assert caught.value.param == "model"


def test_a_dated_api_of_azures() -> None:
    table = model_table(DECLARED, {**ENVIRONMENT, "AZURE_OPENAI_API_VERSION": "2024-10-21"}, LocalModels({}))
    located = table.resolve("azure-openai/mine", OPENAI).located
    assert located is not None
    assert located.url == ("https://mine.openai.azure.com/openai/deployments/mine/embeddings?api-version=2024-10-21")


@pytest.mark.parametrize(
    ("base_url", "url"),
    [("https://lab.example", "https://lab.example/v1/embeddings"), (LAB[:-1], f"{LAB}embeddings")],
)
def test_custom_providers(base_url: str, url: str) -> None:
    declared = CustomProvider(
        id="i", account_id="a", name="Lab", slug="lab", base_url=base_url, enable=True, created_at=1, modified_at=1
    )
    located = provider_of(declared).target("m", "custom-lab/m", OPENAI, name_alone).located
    assert located is not None and located.url == url


def test_models_of_the_other_kind(models: Any) -> None:
    local = "@cf/intfloat/multilingual-e5-small"
    target = models.resolve(local, OPENAI)
    assert (target.dialect, target.platform, target.relay) == ("openai_embeddings_local", True, False)
    with pytest.raises(InvalidRequest, match="gives embeddings alone"):
        models.resolve(local, "openai_chat")
    with pytest.raises(InvalidRequest, match="gives no embeddings"):
        models.resolve("@cf/huggingface/smollm2-135m-instruct", NATIVE)
    with pytest.raises(NotFound):
        models.resolve("@cf/baai/bge-m3", NATIVE)
