"""Every built-in provider: the exact address and signature of what it is sent, in each dialect that it speaks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.configuration.declared import NOTHING, Declared, ProviderDeclared
from isthmus.core.attempt import Target
from isthmus.core.chat.model import Model
from isthmus.errors import GatewayError, InvalidRequest, NotFound
from isthmus.local.supervisor import LocalModels
from isthmus.providers.built_in import BUILT_IN
from isthmus.providers.models import ModelTable
from isthmus.targets import model_table
from isthmus.wire.registry import DIALECTS

CHAT, RESPONSES, MESSAGES = "openai_chat", "openai_responses", "anthropic_messages"
COMPLETIONS = "openai_completions"
ALWAYS = ((b"content-type", b"application/json"), (b"user-agent", b"isthmus/0.1"))
KEY = "the-key"
ENVIRONMENT = {row.credential_variable: KEY for row in BUILT_IN if row.credential_variable} | {
    "AWS_REGION": "eu-west-1",
    "AZURE_OPENAI_ENDPOINT": "https://mine.openai.azure.com",
    "DATABRICKS_HOST": "adb-1.azuredatabricks.net",
    "SNOWFLAKE_HOST": "https://acc.snowflakecomputing.com/",
}
BEARER = ("authorization", f"Bearer {KEY}")
X_API_KEY = ("x-api-key", KEY)
# Servers of the operator's, and a cloud whose usual variable holds the name of a file.
DECLARED = Declared(
    providers={name: ProviderDeclared(allow_private_address=True) for name in ("ollama", "vllm", "llama-cpp")}
    | {"lm-studio": ProviderDeclared(allow_private_address=True)}
    | {"google-vertex-ai": ProviderDeclared(credential="env:VERTEX_TOKEN", project="my-project", region="us-east5")}
)
ENVIRONMENT = {**ENVIRONMENT, "VERTEX_TOKEN": KEY}
del ENVIRONMENT["GOOGLE_APPLICATION_CREDENTIALS"]

# model → its header, and for each dialect its address (where streamed calls go elsewhere: both).
GOLDEN: dict[str, tuple[tuple[str, str], dict[str, str | tuple[str, str]]]] = {
    "openai/gpt-5.5": (
        BEARER,
        {CHAT: "https://api.openai.com/v1/chat/completions", RESPONSES: "https://api.openai.com/v1/responses"},
    ),
    "openai/gpt-3.5-turbo-instruct": (BEARER, {COMPLETIONS: "https://api.openai.com/v1/completions"}),
    "anthropic/claude-haiku-4.5": (X_API_KEY, {MESSAGES: "https://api.anthropic.com/v1/messages"}),
    "google-ai-studio/gemini-2.5-flash": (
        ("x-goog-api-key", KEY),
        {
            "gemini": (
                "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent",
                "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
            )
        },
    ),
    "google-vertex-ai/google/gemini-2.5-pro": (
        BEARER,
        {
            "gemini": (
                "https://us-east5-aiplatform.googleapis.com/v1/projects/my-project/locations/us-east5/"
                "publishers/google/models/gemini-2.5-pro:generateContent",
                "https://us-east5-aiplatform.googleapis.com/v1/projects/my-project/locations/us-east5/"
                "publishers/google/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
            )
        },
    ),
    "google-vertex-ai/anthropic/claude-haiku-4.5@20251001": (
        BEARER,
        {
            MESSAGES: (
                "https://us-east5-aiplatform.googleapis.com/v1/projects/my-project/locations/us-east5/"
                "publishers/anthropic/models/claude-haiku-4-5@20251001:rawPredict",
                "https://us-east5-aiplatform.googleapis.com/v1/projects/my-project/locations/us-east5/"
                "publishers/anthropic/models/claude-haiku-4-5@20251001:streamRawPredict",
            )
        },
    ),
    "google-vertex-ai/meta/llama-4-maverick-17b-128e-instruct-maas": (
        BEARER,
        {
            CHAT: "https://us-east5-aiplatform.googleapis.com/v1/projects/my-project/locations/us-east5/"
            "endpoints/openapi/chat/completions"
        },
    ),
    "aws-bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0": (
        BEARER,
        {
            "bedrock_converse": (
                "https://bedrock-runtime.eu-west-1.amazonaws.com/model/"
                "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse",
                "https://bedrock-runtime.eu-west-1.amazonaws.com/model/"
                "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream",
            )
        },
    ),
    "azure-openai/my-deployment": (
        ("api-key", KEY),
        {
            CHAT: "https://mine.openai.azure.com/openai/v1/chat/completions",
            RESPONSES: "https://mine.openai.azure.com/openai/v1/responses",
        },
    ),
    "cohere/command-a-03-2025": (BEARER, {"cohere_chat": "https://api.cohere.com/v2/chat"}),
    "groq/openai/gpt-oss-20b": (
        BEARER,
        {
            CHAT: "https://api.groq.com/openai/v1/chat/completions",
            RESPONSES: "https://api.groq.com/openai/v1/responses",
        },
    ),
    "grok/grok-4": (
        BEARER,
        {CHAT: "https://api.x.ai/v1/chat/completions", RESPONSES: "https://api.x.ai/v1/responses"},
    ),
    "deepseek/deepseek-v4-pro": (
        BEARER,
        {
            CHAT: "https://api.deepseek.com/chat/completions",
            MESSAGES: "https://api.deepseek.com/anthropic/v1/messages",
            COMPLETIONS: "https://api.deepseek.com/beta/completions",
        },
    ),
    "mistral/mistral-large-latest": (
        BEARER,
        {CHAT: "https://api.mistral.ai/v1/chat/completions", RESPONSES: "https://api.mistral.ai/v1/responses"},
    ),
    "perplexity-ai/sonar-pro": (BEARER, {CHAT: "https://api.perplexity.ai/chat/completions"}),
    "cerebras/gpt-oss-120b": (
        BEARER,
        {
            CHAT: "https://api.cerebras.ai/v1/chat/completions",
            COMPLETIONS: "https://api.cerebras.ai/v1/completions",
        },
    ),
    "openrouter/anthropic/claude-sonnet-4": (
        BEARER,
        {
            CHAT: "https://openrouter.ai/api/v1/chat/completions",
            RESPONSES: "https://openrouter.ai/api/v1/responses",
            MESSAGES: "https://openrouter.ai/api/v1/messages",
        },
    ),
    "fireworks/accounts/fireworks/models/kimi-k2p5": (
        BEARER,
        {
            CHAT: "https://api.fireworks.ai/inference/v1/chat/completions",
            RESPONSES: "https://api.fireworks.ai/inference/v1/responses",
            MESSAGES: "https://api.fireworks.ai/inference/v1/messages",
            COMPLETIONS: "https://api.fireworks.ai/inference/v1/completions",
        },
    ),
    "baseten/deepseek-ai/DeepSeek-V4-Pro": (
        BEARER,
        {
            CHAT: "https://inference.baseten.co/v1/chat/completions",
            MESSAGES: "https://inference.baseten.co/v1/messages",
        },
    ),
    "parallel/speed": (X_API_KEY, {CHAT: "https://api.parallel.ai/v1beta/chat/completions"}),
    "huggingface/openai/gpt-oss-120b": (
        BEARER,
        {
            CHAT: "https://router.huggingface.co/v1/chat/completions",
            RESPONSES: "https://router.huggingface.co/v1/responses",
        },
    ),
    "together/openai/gpt-oss-20b": (
        BEARER,
        {
            CHAT: "https://api.together.ai/v1/chat/completions",
            COMPLETIONS: "https://api.together.ai/v1/completions",
        },
    ),
    "nvidia-nim/meta/llama-3.3-70b-instruct": (
        BEARER,
        {CHAT: "https://integrate.api.nvidia.com/v1/chat/completions"},
    ),
    "sambanova/gpt-oss-120b": (
        BEARER,
        {
            CHAT: "https://api.sambanova.ai/v1/chat/completions",
            RESPONSES: "https://api.sambanova.ai/v1/responses",
            MESSAGES: "https://api.sambanova.ai/v1/messages",
        },
    ),
    "moonshotai/kimi-k2.6": (
        BEARER,
        {
            CHAT: "https://api.moonshot.ai/v1/chat/completions",
            RESPONSES: "https://api.moonshot.ai/v1/responses",
            MESSAGES: "https://api.moonshot.ai/anthropic/v1/messages",
        },
    ),
    "alibaba/qwen3.8-27b": (
        BEARER,
        {
            CHAT: "https://dashscope-intl.aliyuncs.com/compatible-mode/v1/chat/completions",
            RESPONSES: "https://dashscope-intl.aliyuncs.com/compatible-mode/v1/responses",
            MESSAGES: "https://dashscope-intl.aliyuncs.com/apps/anthropic/v1/messages",
        },
    ),
    "minimax/MiniMax-M3": (
        BEARER,
        {
            CHAT: "https://api.minimax.io/v1/chat/completions",
            RESPONSES: "https://api.minimax.io/v1/responses",
            MESSAGES: "https://api.minimax.io/anthropic/v1/messages",
        },
    ),
    "z-ai/glm-5": (
        BEARER,
        {
            CHAT: "https://api.z.ai/api/paas/v4/chat/completions",
            MESSAGES: "https://api.z.ai/api/anthropic/v1/messages",
        },
    ),
    "github-models/openai/gpt-4.1": (BEARER, {CHAT: "https://models.github.ai/inference/chat/completions"}),
    "databricks/databricks-meta-llama-3-3-70b-instruct": (
        BEARER,
        {CHAT: "https://adb-1.azuredatabricks.net/serving-endpoints/chat/completions"},
    ),
    "databricks/databricks-claude-sonnet-4-5": (
        BEARER,
        {
            CHAT: "https://adb-1.azuredatabricks.net/serving-endpoints/chat/completions",
            MESSAGES: "https://adb-1.azuredatabricks.net/serving-endpoints/anthropic/v1/messages",
        },
    ),
    "snowflake/llama4-maverick": (
        BEARER,
        {CHAT: "https://acc.snowflakecomputing.com/api/v2/cortex/v1/chat/completions"},
    ),
    "snowflake/claude-sonnet-4-5": (
        BEARER,
        {
            CHAT: "https://acc.snowflakecomputing.com/api/v2/cortex/v1/chat/completions",
            MESSAGES: "https://acc.snowflakecomputing.com/api/v2/cortex/v1/messages",
        },
    ),
    **{
        f"{slug}/some-model": (
            BEARER,
            {
                CHAT: f"http://127.0.0.1:{port}/v1/chat/completions",
                RESPONSES: f"http://127.0.0.1:{port}/v1/responses",
                MESSAGES: f"http://127.0.0.1:{port}/v1/messages",
                COMPLETIONS: f"http://127.0.0.1:{port}/v1/completions",
            },
        )
        for slug, port in (("ollama", 11434), ("vllm", 8000), ("llama-cpp", 8080), ("lm-studio", 1234))
    },
}
MEDIA = {
    "replicate": ("https://api.replicate.com/v1/", "authorization", "Bearer "),
    "fal": ("https://fal.run/", "authorization", "Key "),
    "ideogram": ("https://api.ideogram.ai/", "api-key", ""),
    "cartesia": ("https://api.cartesia.ai/", "authorization", "Bearer "),
    "deepgram": ("https://api.deepgram.com/", "authorization", "Token "),
    "elevenlabs": ("https://api.elevenlabs.io/", "xi-api-key", ""),
}


@pytest.fixture(scope="module")
def models() -> ModelTable:
    return model_table(DECLARED, ENVIRONMENT, LocalModels({}))


def cases() -> Iterator[Any]:
    for name, (header, dialects) in GOLDEN.items():
        for dialect, addresses in dialects.items():
            yield pytest.param(name, dialect, header, addresses, id=f"{name}-{dialect}")


@pytest.mark.parametrize(("name", "dialect", "header", "addresses"), list(cases()))
def test_where_it_goes_and_how_it_is_signed(
    models: ModelTable, name: str, dialect: str, header: tuple[str, str], addresses: str | tuple[str, str]
) -> None:
    target = models.resolve(name, dialect)
    whole, streamed = (addresses, addresses) if isinstance(addresses, str) else addresses
    for stream, url in ((False, whole), (True, streamed)):
        located = target.place(stream)
        assert located is not None and located.url == url
        signed = (header[0].encode(), header[1].encode())
        own = ((b"x-github-api-version", b"2022-11-28"),) if name.startswith("github-models") else ()
        assert located.headers == (*ALWAYS, *own, signed) and located.sign is None
    assert DIALECTS[target.dialect].name == dialect
    version = (b"anthropic-version", b"2023-06-01")
    assert (version in target.forward) is (dialect == MESSAGES)


COUNTS = {
    ("anthropic/claude-haiku-4.5", MESSAGES): "https://api.anthropic.com/v1/messages/count_tokens",
    ("openai/gpt-5.5", RESPONSES): "https://api.openai.com/v1/responses/input_tokens",
    ("google-ai-studio/gemini-2.5-flash", "gemini"): (
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:countTokens"
    ),
    ("google-vertex-ai/anthropic/claude-haiku-4.5@20251001", MESSAGES): (
        "https://us-east5-aiplatform.googleapis.com/v1/projects/my-project/locations/us-east5/"
        "publishers/anthropic/models/count-tokens:rawPredict"
    ),
    ("aws-bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock_converse"): (
        "https://bedrock-runtime.eu-west-1.amazonaws.com/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens"
    ),
    ("sambanova/gpt-oss-120b", MESSAGES): "https://api.sambanova.ai/v1/messages/count_tokens",
}


def test_where_tokens_are_counted(models: ModelTable) -> None:
    found = {
        (name, dialect): target.count.url
        for name, (_, dialects) in GOLDEN.items()
        for dialect in dialects
        if (target := models.resolve(name, dialect)).count is not None
    }
    assert found == COUNTS


def test_every_provider_is_in_the_table(models: ModelTable) -> None:
    told = {name.partition("/")[0] for name in GOLDEN}
    assert {row.slug for row in BUILT_IN} == told | MEDIA.keys()
    assert set(models.reachable()) == told
    assert len({row.slug for row in BUILT_IN}) == len(BUILT_IN)
    for row in BUILT_IN:
        assert row.base_url == "" or row.base_url.endswith("/")
        if row.slug not in ("google-vertex-ai", "databricks", "snowflake"):
            assert list(row.paths) == [
                dialect for n, (_, d) in GOLDEN.items() if n.startswith(row.slug + "/") for dialect in d
            ]


@pytest.mark.parametrize("name", list(GOLDEN))
def test_another_dialect_is_translated_to_the_first_that_it_speaks(models: ModelTable, name: str) -> None:
    target = models.resolve(name, "workers_ai")
    assert DIALECTS[target.dialect].name == next(iter(GOLDEN[name][1]))


@pytest.mark.parametrize("dialect", ["openai_chat", COMPLETIONS, "gemini"])
@pytest.mark.parametrize(
    ("model", "completes"),
    [
        ("GPT-3.5-Turbo-Instruct-0914", True),
        ("gpt-3-5-turbo-instruct", True),
        ("babbage-002", True),
        ("ft:davinci-002:Org::A", True),
        ("gpt-3.5-turbo", False),
        ("ft:gpt-3.5-turbo:o::x", False),
        ("davinci-0021x", False),
        ("gpt-5.5", False),
    ],
)
def test_which_of_openais_models_complete(models: ModelTable, model: str, completes: bool, dialect: str) -> None:
    target = models.resolve(f"openai/{model}", dialect)
    assert (target.dialect == COMPLETIONS) is completes


@pytest.mark.parametrize("slug", list(MEDIA))
def test_media_providers_answer_no_chat(models: ModelTable, slug: str) -> None:
    (row,) = (row for row in BUILT_IN if row.slug == slug)
    assert (row.base_url, row.auth.header, row.auth.scheme) == MEDIA[slug]
    with pytest.raises(InvalidRequest, match="no chat models") as caught:
        models.resolve(f"{slug}/anything", CHAT)
    assert caught.value.status == 400


@pytest.mark.parametrize("row", [row for row in BUILT_IN if row.paths], ids=lambda row: row.slug)
def test_without_anything_each_says_what_it_needs(row: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        model_table(NOTHING, {}, LocalModels({})).resolve(f"{row.slug}/some-model", CHAT)
    needed = "allow_private_address" if not row.needs_credential else row.credential_variable
    assert needed in caught.value.message and f"[providers.{row.slug}]" in caught.value.message
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("slug", "variable"),
    [
        ("azure-openai", "AZURE_OPENAI_ENDPOINT"),
        ("databricks", "DATABRICKS_HOST"),
        ("snowflake", "SNOWFLAKE_HOST"),
    ],
)
def test_one_that_has_an_address_of_the_operators_own(slug: str, variable: str) -> None:
    environment = {name: value for name, value in ENVIRONMENT.items() if name != variable}
    with pytest.raises(InvalidRequest) as caught:
        model_table(NOTHING, environment, LocalModels({})).resolve(f"{slug}/m", CHAT)
    assert variable in caught.value.message and "base_url" in caught.value.message
    assert KEY not in caught.value.message


SPELLINGS = {
    "google/gemini-2.5-flash": ("google-ai-studio/gemini-2.5-flash", "gemini-2.5-flash"),
    "Google/Gemini-2-5-Flash": ("google-ai-studio/gemini-2.5-flash", "gemini-2.5-flash"),
    "google/gemini-3-pro-preview": ("google-ai-studio/gemini-3-pro-preview", "gemini-3-pro-preview"),
    "google/gemini-2.0-flash-001": ("google-ai-studio/gemini-2.0-flash-001", "gemini-2.0-flash-001"),
    "google/models/gemini-2.5-pro": ("google-ai-studio/gemini-2.5-pro", "gemini-2.5-pro"),
    "xai/grok-4": ("grok/grok-4", "grok-4"),
    "X.AI/grok-4": ("grok/grok-4", "grok-4"),
    "GROK/grok-4": ("grok/grok-4", "grok-4"),
    "perplexity/sonar": ("perplexity-ai/sonar", "sonar"),
    "z.ai/glm-5": ("z-ai/glm-5", "glm-5"),
    "zai/glm-5": ("z-ai/glm-5", "glm-5"),
    "lm_studio/Some-Model": ("lm-studio/Some-Model", "Some-Model"),
    "llama.cpp/m": ("llama-cpp/m", "m"),
    "bedrock/amazon.nova-lite-v1:0": ("aws-bedrock/amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0"),
    "vertex/gemini-2.5-pro": ("google-vertex-ai/google/gemini-2.5-pro", "gemini-2.5-pro"),
    "google-vertex-ai/Anthropic/Claude-Opus-4-6": ("google-vertex-ai/anthropic/claude-opus-4.6", "claude-opus-4-6"),
    "google-vertex-ai/claude-opus-4.6": ("google-vertex-ai/anthropic/claude-opus-4.6", "claude-opus-4-6"),
    "google-vertex-ai/google/Gemma-3": ("google-vertex-ai/google/gemma-3", "google/gemma-3"),
}


@pytest.mark.parametrize("name", list(SPELLINGS))
def test_authors_and_spellings(models: ModelTable, name: str) -> None:
    target = models.resolve(name, CHAT)
    assert (target.name, target.model) == SPELLINGS[name]
    assert target.provider == target.name.partition("/")[0]


@pytest.mark.parametrize(
    "name", ["workers-ai/@cf/meta/llama", "workers-ai/x", "custom-openai/gpt-5.5", "local/x", "goo/g"]
)
def test_names_that_lead_nowhere(models: ModelTable, name: str) -> None:
    with pytest.raises(NotFound) as caught:
        models.resolve(name, CHAT)
    assert (caught.value.status, caught.value.code) == (404, 7003)


@pytest.mark.parametrize("model", [".", "..", "...", "\ud800", "a\udfff"])
@pytest.mark.parametrize("slug", ["google-ai-studio", "aws-bedrock"])
def test_names_that_no_path_may_hold(models: ModelTable, slug: str, model: str) -> None:
    with pytest.raises(NotFound):
        models.resolve(f"{slug}/{model}", CHAT)


@given(st.text(max_size=40), st.sampled_from([row.slug for row in BUILT_IN]))
def test_any_name_gives_an_address_below_the_base_or_a_clear_error(model: str, slug: str) -> None:
    table = model_table(DECLARED, ENVIRONMENT, LocalModels({}))
    try:
        target: Target = table.resolve(f"{slug}/{model}", CHAT)
    except GatewayError as error:
        assert error.status in (400, 404)
        return
    for stream in (False, True):
        located = target.place(stream)
        assert located is not None
        assert located.url.isascii() and located.url.isprintable() and " " not in located.url
        path = located.url.partition("?")[0].split("/")[3:]
        assert "." not in path and ".." not in path


def test_what_is_known_of_a_model_comes_along() -> None:
    asked: list[tuple[str, str]] = []

    def traits(slug: str, wire_model: str) -> Model:
        asked.append((slug, wire_model))
        return Model(name=wire_model, max_output_tokens=5)

    table = model_table(DECLARED, ENVIRONMENT, LocalModels({}), None, traits)
    target = table.resolve("anthropic/claude-haiku-4.5", CHAT)
    assert target.traits == Model(name="claude-haiku-4-5", max_output_tokens=5)
    assert asked == [("anthropic", "claude-haiku-4-5")]
    plain = model_table(DECLARED, ENVIRONMENT, LocalModels({})).resolve("xai/grok-4", CHAT)
    assert plain.traits == Model(name="grok-4")
