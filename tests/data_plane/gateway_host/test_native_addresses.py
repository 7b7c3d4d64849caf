"""Where each provider's native paths lead (data-plane 8), and which paths lead nowhere."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, unquote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.configuration.declared import Declared, ProviderDeclared
from isthmus.core.custom_provider import CustomProvider
from isthmus.core.native import NativeAsked, NativePlace
from isthmus.core.snapshot import Models
from isthmus.data_plane.gateway_host.address import (
    PATH_MAX_CHARACTERS,
    QUERY_MAX_BYTES,
    check_path,
    check_query,
    check_target_url,
)
from isthmus.errors import InvalidRequest
from isthmus.providers.built_in import BUILT_IN
from isthmus.providers.custom import account_models
from isthmus.providers.models import ModelTable
from isthmus.targets import provider_table

KEYS = {row.credential_variable: "key-of-the-installation" for row in BUILT_IN if row.credential_variable}
AWS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1"}
ENVIRONMENT = {
    **{name: value for name, value in KEYS.items() if name != "AWS_BEARER_TOKEN_BEDROCK"},
    **AWS,
    "GOOGLE_CLOUD_PROJECT": "ours",
    "AZURE_OPENAI_ENDPOINT": "https://ours.openai.azure.com",
    "DATABRICKS_HOST": "https://dbc.cloud.databricks.com",
    "SNOWFLAKE_HOST": "https://org.snowflakecomputing.com",
}
VERTEX = "v1/projects/ours/locations"
ARN = "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fp"

# provider, rest, where it leads
GOLDEN = [
    ("openai", "chat/completions", "https://api.openai.com/v1/chat/completions"),
    ("openai", "v1/chat/completions", "https://api.openai.com/v1/chat/completions"),
    ("openai", "v1/v1/files", "https://api.openai.com/v1/v1/files"),
    ("openai", "files/file-1/content", "https://api.openai.com/v1/files/file-1/content"),
    ("anthropic", "v1/messages", "https://api.anthropic.com/v1/messages"),
    (
        "google-ai-studio",
        "v1beta/models/gemini-2.5-flash:generateContent",
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent",
    ),
    (
        "google-vertex-ai",
        f"{VERTEX}/europe-west4/publishers/google/models/gemini-2.5-pro:generateContent",
        f"https://europe-west4-aiplatform.googleapis.com/{VERTEX}/europe-west4/publishers/google/models/"
        "gemini-2.5-pro:generateContent",
    ),
    (
        "google-vertex-ai",
        f"{VERTEX}/global/publishers/anthropic/models/claude-sonnet-4-5:rawPredict",
        f"https://aiplatform.googleapis.com/{VERTEX}/global/publishers/anthropic/models/claude-sonnet-4-5:rawPredict",
    ),
    (
        "google-vertex-ai",
        f"{VERTEX}/us/endpoints/openapi/chat/completions",
        f"https://aiplatform.us.rep.googleapis.com/{VERTEX}/us/endpoints/openapi/chat/completions",
    ),
    (
        "aws-bedrock",
        f"bedrock-runtime/us-east-1/model/{ARN}/converse",
        f"https://bedrock-runtime.us-east-1.amazonaws.com/model/{ARN}/converse",
    ),
    (
        "aws-bedrock",
        "bedrock-mantle/us-west-2/anthropic/v1/messages",
        "https://bedrock-mantle.us-west-2.api.aws/anthropic/v1/messages",
    ),
    (
        "azure-openai",
        "Theirs/my-deployment/chat/completions",
        "https://theirs.openai.azure.com/openai/deployments/my-deployment/chat/completions",
    ),
    (
        "azure-openai",
        "ours/dep/embeddings",
        "https://ours.openai.azure.com/openai/deployments/dep/embeddings",
    ),
    ("groq", "chat/completions", "https://api.groq.com/openai/v1/chat/completions"),
    ("groq", "v1/chat/completions", "https://api.groq.com/openai/v1/chat/completions"),
    ("grok", "v1/chat/completions", "https://api.x.ai/v1/chat/completions"),
    ("grok", "chat/completions", "https://api.x.ai/v1/chat/completions"),
    ("xai", "v1/responses", "https://api.x.ai/v1/responses"),
    ("deepseek", "chat/completions", "https://api.deepseek.com/chat/completions"),
    ("mistral", "v1/chat/completions", "https://api.mistral.ai/v1/chat/completions"),
    ("cohere", "v1/chat", "https://api.cohere.com/v1/chat"),
    ("cohere", "v2/chat", "https://api.cohere.com/v2/chat"),
    ("perplexity-ai", "chat/completions", "https://api.perplexity.ai/chat/completions"),
    ("cerebras", "chat/completions", "https://api.cerebras.ai/v1/chat/completions"),
    ("cerebras", "v1/chat/completions", "https://api.cerebras.ai/v1/chat/completions"),
    ("openrouter", "v1/chat/completions", "https://openrouter.ai/api/v1/chat/completions"),
    ("openrouter", "chat/completions", "https://openrouter.ai/api/v1/chat/completions"),
    ("openrouter", "generation", "https://openrouter.ai/api/v1/generation"),
    ("fireworks", "chat/completions", "https://api.fireworks.ai/inference/v1/chat/completions"),
    ("baseten", "v1/chat/completions", "https://inference.baseten.co/v1/chat/completions"),
    ("baseten", "model/abcd1234", "https://model-abcd1234.api.baseten.co/production/predict"),
    ("baseten", "model/abcd1234/development/predict", "https://model-abcd1234.api.baseten.co/development/predict"),
    ("parallel", "v1/tasks/runs", "https://api.parallel.ai/v1/tasks/runs"),
    ("huggingface", "bigcode/starcoder", "https://api-inference.huggingface.co/models/bigcode/starcoder"),
    ("huggingface", "v1/chat/completions", "https://router.huggingface.co/v1/chat/completions"),
    ("replicate", "predictions", "https://api.replicate.com/v1/predictions"),
    ("replicate", "v1/predictions/p1", "https://api.replicate.com/v1/predictions/p1"),
    ("fal", "fal-ai/fast-sdxl", "https://fal.run/fal-ai/fast-sdxl"),
    ("ideogram", "v1/ideogram-v3/generate", "https://api.ideogram.ai/v1/ideogram-v3/generate"),
    ("cartesia", "tts/bytes", "https://api.cartesia.ai/tts/bytes"),
    ("deepgram", "v1/listen", "https://api.deepgram.com/v1/listen"),
    ("elevenlabs", "v1/text-to-speech/v1", "https://api.elevenlabs.io/v1/text-to-speech/v1"),
    (
        "alibaba",
        "compatible-mode/v1/chat/completions",
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1/chat/completions",
    ),
    ("minimax", "v1/chat/completions", "https://api.minimax.io/v1/chat/completions"),
    ("moonshotai", "v1/chat/completions", "https://api.moonshot.ai/v1/chat/completions"),
]
# Every provider in the table of data-plane 8 that is not the gateway's own.
NAMED = (
    "openai anthropic google-ai-studio google-vertex-ai aws-bedrock azure-openai groq grok deepseek mistral cohere "
    "perplexity-ai cerebras openrouter fireworks baseten parallel huggingface replicate fal ideogram cartesia deepgram "
    "elevenlabs"
).split()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    environment = {**ENVIRONMENT, "GOOGLE_APPLICATION_CREDENTIALS": str(_service_account(tmp_path_factory))}
    return ModelTable(provider_table(Declared(), environment, None), {})


def _service_account(directories: pytest.TempPathFactory) -> Path:
    """One that is of no use: the provider says so when it is called, not where its paths lead."""
    file = directories.mktemp("vertex") / "account.json"
    file.write_text("{}")
    return file


def place(models: Models, provider: str, rest: str, method: str = "POST", target_url: str | None = None) -> NativePlace:
    return models.native(NativeAsked(provider=provider, method=method, rest=rest, target_url=target_url))


@pytest.mark.parametrize(("provider", "rest", "url"), GOLDEN, ids=[f"{row[0]}/{row[1]}"[:60] for row in GOLDEN])
def test_where_it_leads(models: Models, provider: str, rest: str, url: str) -> None:
    assert place(models, provider, rest).url == url


def test_all_of_the_table_is_here() -> None:
    assert {row[0] for row in GOLDEN} >= set(NAMED)


KNOWN = [
    ("openai", "v1/chat/completions", "openai_chat", None, None),
    ("openai", "responses", "openai_responses", None, None),
    ("openai", "embeddings", "openai_embeddings", None, None),
    ("anthropic", "v1/messages", "anthropic_messages", None, None),
    ("google-ai-studio", "v1beta/models/gemini-2.5-flash:generateContent", "gemini", "gemini-2.5-flash", False),
    ("google-ai-studio", "v1/models/gemini-2.5-flash:streamGenerateContent", "gemini", "gemini-2.5-flash", True),
    ("aws-bedrock", f"bedrock-runtime/us-east-1/model/{ARN}/converse-stream", "bedrock_converse", unquote(ARN), True),
    ("aws-bedrock", "bedrock-mantle/us-east-1/anthropic/v1/messages", "anthropic_messages", None, None),
    ("azure-openai", "ours/dep/chat/completions", "openai_chat", "dep", None),
    (
        "google-vertex-ai",
        f"{VERTEX}/us-east1/publishers/google/models/gemini-2.5-pro:streamGenerateContent",
        "gemini",
        "gemini-2.5-pro",
        True,
    ),
    ("openrouter", "chat/completions", "openai_chat_openrouter", None, None),
    ("cohere", "v2/chat", "cohere_chat", None, None),
]


@pytest.mark.parametrize(("provider", "rest", "dialect", "model", "streams"), KNOWN)
def test_paths_that_are_known(
    models: Models, provider: str, rest: str, dialect: str, model: str | None, streams: bool | None
) -> None:
    known = place(models, provider, rest).known
    assert known is not None
    assert (known.dialect, known.model, known.streams) == (dialect, model, streams)
    assert place(models, provider, rest, "GET").known is None


SHUT = [
    ("openai", "GET", "files"),
    ("openai", "GET", "responses/resp_1"),
    ("openai", "DELETE", "models/ft-1"),
    ("openai", "POST", "fine_tuning/jobs"),
    ("openai", "POST", "batches"),
    ("openai", "GET", "chat/completions"),
    ("openai", "POST", "assistants"),
    ("openai", "GET", "models/a%2F..%2Fb"),
    ("anthropic", "POST", "v1/messages/batches"),
    ("anthropic", "GET", "v1/files"),
    ("google-ai-studio", "GET", "v1beta/files"),
    ("google-ai-studio", "POST", "v1beta/cachedContents"),
    ("replicate", "GET", "predictions"),
    ("elevenlabs", "GET", "v1/history"),
    ("fal", "GET", "fal-ai/x/requests/1"),
    ("deepgram", "GET", "v1/projects"),
]
OPEN = [
    ("openai", "GET", "v1/models"),
    ("openai", "POST", "images/edits"),
    ("openai", "POST", "v1/audio/transcriptions"),
    ("openai", "POST", "moderations"),
    ("google-ai-studio", "GET", "v1beta/models"),
    ("google-ai-studio", "POST", "v1beta/models/text-embedding-004:embedContent"),
    ("anthropic", "POST", "v1/messages/count_tokens"),
    ("groq", "GET", "models"),
    ("elevenlabs", "POST", "v1/text-to-speech/voice/stream"),
    ("aws-bedrock", "POST", f"bedrock-runtime/us-east-1/model/{ARN}/invoke"),
    ("azure-openai", "POST", "ours/dep/audio/speech"),
]


@pytest.mark.parametrize(("provider", "method", "rest"), SHUT)
def test_what_is_kept_is_shut(models: Models, provider: str, method: str, rest: str) -> None:
    assert not place(models, provider, rest, method).open


@pytest.mark.parametrize(("provider", "method", "rest"), OPEN)
def test_what_keeps_nothing_is_open(models: Models, provider: str, method: str, rest: str) -> None:
    assert place(models, provider, rest, method).open


def test_azures_key_is_for_its_own_resource(models: Models) -> None:
    assert place(models, "azure-openai", "ours/dep/chat/completions").closed is None
    assert "another resource" in (place(models, "azure-openai", "theirs/dep/chat/completions").closed or "")


def test_googles_credential_is_for_its_own_project(models: Models) -> None:
    closed = place(models, "google-vertex-ai", "v1/projects/theirs/locations/us/endpoints/openapi/chat/completions")
    assert closed.closed is not None


@pytest.mark.parametrize(
    ("provider", "rest"),
    [
        ("aws-bedrock", "model/x/converse"),
        ("aws-bedrock", "bedrock-runtime/us-east-1.evil.com/model/x/converse"),
        ("aws-bedrock", "bedrock-runtime/us-east-1@evil/model/x/converse"),
        ("aws-bedrock", "bedrock-agent/us-east-1/x"),
        ("aws-bedrock", "bedrock-runtime/us-east-1"),
        ("azure-openai", "evil.com%2f/dep/chat/completions"),
        ("azure-openai", "evil.com/dep/chat/completions"),
        ("azure-openai", "a@b/dep/chat/completions"),
        ("azure-openai", "-a/dep/chat/completions"),
        ("azure-openai", "ours/dep"),
        ("google-vertex-ai", "v1/projects/p/locations/evil.com%2f/endpoints/openapi/chat/completions"),
        ("google-vertex-ai", "v1/projects/p/locations/a.b/endpoints/openapi/chat/completions"),
    ],
)
def test_hosts_that_cannot_be(models: Models, provider: str, rest: str) -> None:
    with pytest.raises(InvalidRequest):
        place(models, provider, rest)


def test_fals_other_hosts(models: Models) -> None:
    found = place(models, "fal", "", target_url="https://queue.fal.run/fal-ai/fast-sdxl?x=1")
    assert found.url == "https://queue.fal.run/fal-ai/fast-sdxl?x=1" and not found.open
    assert place(models, "fal", "", target_url="https://fal.run/fal-ai/fast-sdxl").open
    assert place(models, "fal", "ignored", target_url="https://rest.alpha.fal.ai/tokens/").url.startswith(
        "https://rest"
    )


@pytest.mark.parametrize(
    "url",
    [
        "http://queue.fal.run/x",
        "https://fal.run.evil.com/x",
        "https://evilfal.run/x",
        "https://fal.run:8443/x",
        "https://fal.run@evil.com/x",
        "https://evil.com@fal.run/x",
        "https://fal.run:x/x",
        "//fal.run/x",
        "queue.fal.run/x",
        "https://[fal.run/x",
    ],
)
def test_others_than_fals(models: Models, url: str) -> None:
    with pytest.raises(InvalidRequest):
        check_target_url(url)
        place(models, "fal", "", target_url=url)


def test_an_unknown_provider(models: Models) -> None:
    with pytest.raises(InvalidRequest) as raised:
        place(models, "nobody", "v1/x")
    assert raised.value.code == 2008


def test_a_declared_address_wins() -> None:
    mine = "https://gateway.example/v1"
    slugs = ("openai", "huggingface", "baseten", "fal", "aws-bedrock", "azure-openai")
    declared = Declared(providers={slug: ProviderDeclared(base_url=mine) for slug in slugs})
    models = ModelTable(provider_table(declared, {}, None), {})
    assert place(models, "openai", "v1/files").url == f"{mine}/files"
    assert place(models, "huggingface", "bigcode/starcoder").url == f"{mine}/bigcode/starcoder"
    assert place(models, "baseten", "model/abc/x").url == f"{mine}/model/abc/x"
    assert place(models, "fal", "", target_url="https://queue.fal.run/a/b").url == f"{mine}/a/b"
    assert place(models, "aws-bedrock", "bedrock-runtime/us-east-1/model/m/converse").url == f"{mine}/model/m/converse"
    found = place(models, "azure-openai", "any/dep/chat/completions")
    assert found.url == f"{mine}/openai/deployments/dep/chat/completions" and found.closed is not None


@pytest.mark.parametrize("base_url", ["https://api.example", "https://api.example/v1", "https://api.example/v1/"])
def test_an_accounts_own_provider(models: Models, base_url: str) -> None:
    """Its base URL and the rest, with nothing put between or taken out (data-plane 8.1)."""
    own = CustomProvider(
        id="1", account_id="a", name="n", slug="mine", base_url=base_url, enable=True, created_at=0, modified_at=0
    )
    theirs = account_models([own], models)["a"]
    base = base_url.removesuffix("/")
    for rest in ("chat/completions", "v1/chat/completions", "x/y%2Fz"):
        assert place(theirs, "custom-mine", rest).url == f"{base}/{rest}"
    off = account_models([own, msgspec.structs.replace(own, slug="off", enable=False)], models)["a"]
    for slug in ("custom-off", "mine", "custom-openai"):
        with pytest.raises(InvalidRequest) as raised:
            place(off, slug, "chat/completions")
        assert raised.value.code == 2008


BAD_PATHS = [
    "",
    "/",
    "/etc/passwd",
    "//evil.com/x",
    "https://evil.com/x",
    "..",
    ".",
    "a/../b",
    "a/./b",
    "a//b",
    "../v1/x",
    "a/%2e%2e/b",
    "a/%2E%2E/b",
    "a/.%2e/b",
    "a/%252e%252e/b",
    "a/%25252e%25252e/b",
    "a/..%2fb",
    "a%2f..%2fb",
    "a%2F..%2Fb",
    "a%252f..%252fb",
    "a/..;x=1/b",
    "a/%2e%2e%3bx/b",
    "a\\b",
    "a/%5c../b",
    "a%5cb",
    "a/%255c/b",
    "a%00b",
    "a%0d%0ab",
    "a%0ab",
    "a%7fb",
    "a%250ab",
    "a b",
    "a\tb",
    "a%",
    "a%2",
    "a%zz",
    "a#b",
    "a?b",
    "a\x80b",
    "é",
    "a<b",
    'a"b',
    "a" * (PATH_MAX_CHARACTERS + 1),
    "%" + "25" * 8 + "41",
]


@pytest.mark.parametrize("path", BAD_PATHS, ids=lambda path: ascii(path)[:40])
def test_paths_that_are_not_passed_on(path: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        check_path(path)
    assert raised.value.status in (400, 414)


@pytest.mark.parametrize(
    "path",
    [
        f"model/{ARN}/converse",
        "models/a..b",
        "models/...",
        "files/",
        "v1beta/models/gemini:generateContent",
        "voices/Jo%C3%A3o",
        "a%2Fb",
        "a%252Fb",
        "a+b",
        "x/%E2%82%AC",
        "100%25",
        "a;b=c",
        "@scope/name",
    ],
)
def test_paths_that_are(path: str) -> None:
    check_path(path)


@given(st.text(alphabet=st.sampled_from("a./%25eE;\\fF2cC~"), max_size=24))
def test_nothing_passed_on_climbs(path: str) -> None:
    try:
        check_path(path)
    except InvalidRequest:
        return
    for _ in range(8):
        parts = path.replace("\\", "/").split("/")
        assert not any(part.partition(";")[0] in ("..", ".") for part in parts)
        path = unquote(path)


@given(st.text(min_size=1, max_size=20))
def test_any_name_passes_when_it_is_encoded(name: str) -> None:
    try:
        encoded = quote(name, safe="")
    except UnicodeEncodeError:
        return
    bare = unquote(unquote(name))
    plain = all(ord(character) >= 32 and character not in "\\\x7f" for character in name + bare)
    if plain and "%" not in name and not any(part.partition(";")[0] in (".", "..") for part in name.split("/")):
        check_path(f"models/{encoded}")


def test_queries() -> None:
    check_query(b"")
    check_query(b"a=1&b=%20&a=2&c=/?:@!$'()*+,;")
    for query in (b"a b", b"a=\x00", b"a=\r\n", b"a=\xff", b"a" * (QUERY_MAX_BYTES + 1)):
        with pytest.raises(InvalidRequest):
            check_query(query)
