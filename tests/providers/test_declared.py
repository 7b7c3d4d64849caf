"""Providers that isthmus.toml declares: any dialect, headers of their own, names with `custom-`; what may not be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from isthmus.configuration.declared import Declared
from isthmus.configuration.read import check_file, load_declared
from isthmus.configuration.sense import Known
from isthmus.core.attempt import Target
from isthmus.errors import InvalidRequest, NotFound
from isthmus.local.supervisor import LocalModels
from isthmus.providers.built_in import BUILT_IN
from isthmus.providers.models import ModelTable
from isthmus.settings import OperatorError
from isthmus.targets import PROVIDER_PATHS, model_table

KNOWN = Known(providers=frozenset(row.slug for row in BUILT_IN), dialects=frozenset(PROVIDER_PATHS))
ENVIRONMENT = {"NEAR_KEY": "sk-near", "TENANT": "acme"}


def read(tmp_path: Path, text: str) -> Declared:
    (tmp_path / "isthmus.toml").write_text(text)
    return load_declared(str(tmp_path / "isthmus.toml"), KNOWN)


def table(tmp_path: Path, text: str) -> ModelTable:
    return model_table(read(tmp_path, text), ENVIRONMENT, LocalModels({}))


def urls(target: Target) -> tuple[str, str]:
    whole, streamed = target.place(False), target.place(True)
    assert whole is not None and streamed is not None
    return whole.url, streamed.url


DIALECTS: dict[str, tuple[str, str, tuple[bytes, bytes]]] = {
    "openai_chat": ("chat/completions", "chat/completions", (b"authorization", b"Bearer sk-near")),
    "openai_responses": ("responses", "responses", (b"authorization", b"Bearer sk-near")),
    "anthropic_messages": ("v1/messages", "v1/messages", (b"x-api-key", b"sk-near")),
    "gemini": (
        "v1beta/models/My%2FModel.1:generateContent",
        "v1beta/models/My%2FModel.1:streamGenerateContent?alt=sse",
        (b"x-goog-api-key", b"sk-near"),
    ),
    "bedrock_converse": (
        "model/My%2FModel.1/converse",
        "model/My%2FModel.1/converse-stream",
        (b"authorization", b"Bearer sk-near"),
    ),
    "cohere_chat": ("v2/chat", "v2/chat", (b"authorization", b"Bearer sk-near")),
    "openai_completions": ("completions", "completions", (b"authorization", b"Bearer sk-near")),
}


def test_every_dialect_can_be_declared() -> None:
    assert set(DIALECTS) == set(PROVIDER_PATHS)


@pytest.mark.parametrize("dialect", list(DIALECTS))
def test_one_of_each_dialect(tmp_path: Path, dialect: str) -> None:
    models = table(
        tmp_path,
        f'[providers.near]\ndialect = "{dialect}"\nbase_url = "https://near.example/api"\n'
        'credential = "env:NEAR_KEY"\n',
    )
    whole, streamed, header = DIALECTS[dialect]
    for name in ("near/My/Model.1", "NEAR/My/Model.1", "custom-near/My/Model.1", "Custom-Near/My/Model.1"):
        target = models.resolve(name, "openai_chat")
        assert (target.provider, target.model, target.name) == ("near", "My/Model.1", "near/My/Model.1")
        assert target.dialect.removesuffix("_compatible") == dialect
        assert urls(target) == (f"https://near.example/api/{whole}", f"https://near.example/api/{streamed}")
        located = target.place(False)
        assert located is not None and located.headers[-1] == header


def test_headers_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from-a-file\n")
    models = table(
        tmp_path,
        '[providers.near]\ndialect = "openai_chat"\nbase_url = "https://near.example/"\n'
        'headers = { X-Plain = "a b", X-Tenant = "env:TENANT", X-Key = "file:secret", X-Absent = "env:ABSENT" }\n',
    )
    located = models.resolve("near/m", "openai_chat").place(False)
    assert located is not None
    assert located.headers[2:] == ((b"x-plain", b"a b"), (b"x-tenant", b"acme"), (b"x-key", b"from-a-file"))


def test_headers_for_a_built_in_one(tmp_path: Path) -> None:
    models = table(
        tmp_path, '[providers.openai]\ncredential = "env:NEAR_KEY"\nheaders = { OpenAI-Organization = "org-1" }\n'
    )
    located = models.resolve("openai/gpt-5.5", "openai_chat").place(False)
    assert located is not None
    assert located.headers[2:] == ((b"openai-organization", b"org-1"), (b"authorization", b"Bearer sk-near"))


def test_a_secret_that_no_header_may_hold(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a\nb")
    with pytest.raises(OperatorError, match="X-Key") as caught:
        table(
            tmp_path,
            '[providers.near]\ndialect = "openai_chat"\nbase_url = "https://near.example/"\n'
            'headers = { X-Key = "file:secret" }\n',
        )
    assert "a\nb" not in str(caught.value)


def test_the_contracts_own_example(tmp_path: Path) -> None:
    """A name that is built in, declared anew: with `dialect` and `base_url` it is what they say."""
    models = table(
        tmp_path,
        '[providers.vllm]\ndialect = "openai_chat"\nbase_url = "http://127.0.0.1:8000/v1/"\n'
        "allow_private_address = true\n",
    )
    target = models.resolve("vllm/llama", "anthropic_messages")
    assert target.dialect == "openai_chat_compatible" and target.allow_private_address
    assert urls(target)[0] == "http://127.0.0.1:8000/v1/chat/completions"


def test_a_built_in_server_needs_one_line(tmp_path: Path) -> None:
    models = table(tmp_path, "[providers.ollama]\nallow_private_address = true\n")
    target = models.resolve("ollama/llama3.2:3b", "anthropic_messages")
    assert urls(target)[0] == "http://127.0.0.1:11434/v1/messages" and target.model == "llama3.2:3b"
    with pytest.raises(InvalidRequest, match="allow_private_address"):
        models.resolve("vllm/m", "openai_chat")
    elsewhere = table(
        tmp_path, '[providers.ollama]\nbase_url = "https://ollama.com/v1/"\ncredential = "env:NEAR_KEY"\n'
    )
    assert urls(elsewhere.resolve("ollama/m", "openai_responses"))[0] == "https://ollama.com/v1/responses"


def test_what_the_operator_calls_so_comes_before_our_spellings(tmp_path: Path) -> None:
    models = table(tmp_path, '[providers.google]\ndialect = "openai_chat"\nbase_url = "https://mine.example/"\n')
    assert models.resolve("Google/x", "openai_chat").provider == "google"
    with pytest.raises(NotFound):
        models.resolve("custom-openai/gpt-5.5", "openai_chat")


def test_a_name_with_capitals(tmp_path: Path) -> None:
    models = table(
        tmp_path,
        '[providers.Near]\ndialect = "openai_chat"\nbase_url = "https://near.example/"\n'
        '[models."@cf/meta/Llama-4"]\nprovider = "Near"\nname = "llama4"\n',
    )
    assert models.resolve("near/m", "openai_chat").name == "Near/m"
    assert models.resolve("@cf/meta/llama-4", "openai_chat").model == "llama4"


WRONG = {
    "[providers.openai]\nregion = 'eu-west-1'": (
        "2: [providers.openai] region: is for aws-bedrock and google-vertex-ai alone"
    ),
    "[providers.aws-bedrock]\nproject = 'p'": "2: [providers.aws-bedrock] project: is for google-vertex-ai alone",
    "[providers.openai]\napi_version = '1'": "2: [providers.openai] api_version: is for azure-openai alone",
    "[providers.openai]\ndialect = 'gemini'": (
        "2: [providers.openai] dialect: 'openai' is built in, and so is what it speaks: leave it out"
    ),
    "[providers.openai]\nheaders = { Host = 'x' }": (
        "2: [providers.openai] headers.Host: is set by the gateway itself"
    ),
    "[providers.openai]\nheaders = { 'a b' = 'x' }": '2: [providers.openai] headers."a b": is no name of a header',
    "[providers.openai]\nheaders = { a = 'é' }": (
        "2: [providers.openai] headers.a: must be visible ASCII, or env:NAME or file:PATH"
    ),
    "[providers.openai]\nheaders = { a = 'file:absent' }": "2: [providers.openai] headers.a: there is no file ",
    "[providers.openai]\nheaders = { a = 7 }": "2: [providers.openai] headers.a: Expected string, received number",
    "[providers.openai]\nheaders = 'a: b'": "2: [providers.openai] headers: Expected object, received string",
    "[providers.custom-x]\ndialect = 'openai_chat'\nbase_url = 'https://x.example/'": (
        "1: [providers.custom-x]: a provider's name has no slash in it, and does not begin with custom-"
    ),
    "[providers.'a/b']\ndialect = 'openai_chat'\nbase_url = 'https://x.example/'": (
        '1: [providers."a/b"]: a provider\'s name has no slash in it, and does not begin with custom-'
    ),
}


@pytest.mark.parametrize("text", list(WRONG))
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str) -> None:
    (tmp_path / "isthmus.toml").write_text(text)
    _, findings = check_file(str(tmp_path / "isthmus.toml"), KNOWN)
    told = [str(finding).removeprefix(f"{tmp_path}/isthmus.toml:") for finding in findings]
    assert len(told) == 1 and told[0].startswith(WRONG[text])


def test_a_header_whose_variable_is_not_set_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "isthmus.toml").write_text("[providers.openai]\nheaders = { a = 'env:NOT_SET_ANYWHERE' }")
    _, findings = check_file(str(tmp_path / "isthmus.toml"), KNOWN)
    (finding,) = findings
    assert finding.warning and "NOT_SET_ANYWHERE" in finding.message


@pytest.mark.parametrize("environment", [{}, {"OPENAI_API_KEY": "sk-usual"}])
def test_a_named_credential_that_is_missing_is_not_made_up_for(tmp_path: Path, environment: dict[str, Any]) -> None:
    """The usual key must not go to an address that another key was named for."""
    text = '[providers.openai]\nbase_url = "https://proxy.example/"\ncredential = "env:PROXY_KEY"\n'
    models = model_table(read(tmp_path, text), environment, LocalModels({}))
    with pytest.raises(InvalidRequest, match="no credential"):
        models.resolve("openai/gpt-5.5", "openai_chat")
