"""Azure: keys and Entra's tokens, the v1 API and the dated ones."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest

from isthmus.configuration.declared import NOTHING, Declared, ProviderDeclared
from isthmus.core.attempt import Located
from isthmus.errors import InvalidRequest
from isthmus.local.supervisor import LocalModels
from isthmus.settings import OperatorError
from isthmus.targets import model_table
from providers.token_endpoint import TokenEndpoint

KEY = {"AZURE_OPENAI_API_KEY": "azure-key", "AZURE_OPENAI_ENDPOINT": "https://mine.openai.azure.com"}
ENTRA = {"AZURE_TENANT_ID": "tenant-1", "AZURE_CLIENT_ID": "client-1", "AZURE_CLIENT_SECRET": "very secret&="}


def resolve(
    environment: dict[str, str],
    dialect: str = "openai_chat",
    name: str = "gpt-5.5",
    endpoint: TokenEndpoint | None = None,
    **fields: Any,
) -> Located:
    declared = Declared(providers={"azure-openai": ProviderDeclared(**fields)}) if fields else NOTHING
    target = model_table(declared, environment, LocalModels({}), endpoint).resolve(f"azure/{name}", dialect)
    assert target.dialect == dialect and target.model == name
    located = target.place(False)
    assert located is not None and target.place(True) == located
    return located


@pytest.mark.parametrize(
    "address",
    [
        "https://mine.openai.azure.com",
        "https://mine.openai.azure.com/",
        "https://mine.openai.azure.com/openai/v1",
        "https://mine.openai.azure.com/openai/v1/",
        "https://mine.openai.azure.com/openai/",
        "mine.openai.azure.com",
    ],
)
def test_the_v1_api_however_the_endpoint_is_given(address: str) -> None:
    located = resolve(KEY | {"AZURE_OPENAI_ENDPOINT": address})
    assert located.url == "https://mine.openai.azure.com/openai/v1/chat/completions"
    assert located.headers[-1] == (b"api-key", b"azure-key") and located.sign is None
    located = resolve(KEY | {"AZURE_OPENAI_ENDPOINT": address}, "openai_responses")
    assert located.url == "https://mine.openai.azure.com/openai/v1/responses"


def test_a_dated_api_has_the_deployment_in_its_path() -> None:
    chat = "https://mine.openai.azure.com/openai/deployments/my%20deployment/chat/completions?api-version=2024-10-21"
    assert resolve(KEY, name="my deployment", api_version="2024-10-21").url == chat
    assert resolve(KEY | {"AZURE_OPENAI_API_VERSION": "2024-10-21"}, name="my deployment").url == chat
    responses = resolve(KEY, "openai_responses", api_version="2025-04-01-preview").url
    assert responses == "https://mine.openai.azure.com/openai/responses?api-version=2025-04-01-preview"
    assert resolve(KEY, api_version="v1").url.endswith("/openai/v1/chat/completions")


async def test_an_application_of_entras() -> None:
    endpoint = TokenEndpoint()
    located = resolve(ENTRA | {"AZURE_OPENAI_ENDPOINT": "https://mine.openai.azure.com"}, endpoint=endpoint)
    assert located.sign is not None and not {b"api-key", b"authorization"} & dict(located.headers).keys()
    headers = await located.sign("POST", located.url, located.headers, b"{}")
    assert headers == (*located.headers, (b"authorization", b"Bearer token-1"))
    (sent,) = endpoint.requests
    assert sent.url == "https://login.microsoftonline.com/tenant-1/oauth2/v2.0/token"
    assert parse_qs(sent.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["client-1"],
        "client_secret": ["very secret&="],
        "scope": ["https://cognitiveservices.azure.com/.default"],
    }


async def test_a_declared_application_and_no_other() -> None:
    held = {"tenantId": "t", "clientId": "c", "clientSecret": "s"}
    environment = KEY | ENTRA | {"APP": msgspec.json.encode(held).decode()}
    endpoint = TokenEndpoint()
    located = resolve(environment, endpoint=endpoint, credential="env:APP")
    assert located.sign is not None
    await located.sign("POST", located.url, located.headers, b"{}")
    assert "/t/oauth2/" in endpoint.requests[0].url
    with pytest.raises(InvalidRequest, match="no credential"):
        resolve({**environment, "APP": ""}, credential="env:APP")


def test_a_key_comes_before_an_application() -> None:
    assert resolve(KEY | ENTRA, endpoint=TokenEndpoint()).headers[-1] == (b"api-key", b"azure-key")


@pytest.mark.parametrize(
    ("fields", "environment", "message"),
    [
        ({"api_version": "2024&x=y"}, KEY, "is no api_version"),
        ({"credential": "env:APP"}, KEY | {"APP": '{"tenantId":"t"}'}, "must be a key, or JSON"),
        (
            {"credential": "env:APP"},
            KEY | {"APP": '{"tenantId":"../x","clientId":"c","clientSecret":"s"}'},
            "tenant is no name",
        ),
    ],
)
def test_what_cannot_be_is_told_at_the_start(fields: dict[str, str], environment: dict[str, str], message: str) -> None:
    with pytest.raises(OperatorError, match=message):
        resolve(environment, endpoint=TokenEndpoint(), **fields)
