"""Vertex: addresses of regions, the assertion that a token is given for, and Anthropic's body as Vertex wants it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

from isthmus.configuration.declared import NOTHING, Declared, ProviderDeclared
from isthmus.core.attempt import Target
from isthmus.errors import InvalidRequest, Unavailable
from isthmus.local.supervisor import LocalModels
from isthmus.providers.cloud import google_vertex_ai
from isthmus.providers.cloud.google_vertex_ai import adapt_count, adapt_messages
from isthmus.settings import OperatorError
from isthmus.targets import model_table
from providers.token_endpoint import TokenEndpoint

EMAIL = "gateway@my-project.iam.gserviceaccount.com"
GEMINI = "google-vertex-ai/google/gemini-2.5-pro"


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def account(key: rsa.RSAPrivateKey) -> dict[str, str]:
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return {
        "type": "service_account",
        "project_id": "my-project",
        "private_key_id": "key-1",
        "private_key": pem,
        "client_email": EMAIL,
        "token_uri": "https://attacker.example/token",
    }


def declare(path: Path, account: dict[str, Any], **fields: Any) -> Declared:
    (path / "account.json").write_bytes(msgspec.json.encode(account))
    entry = ProviderDeclared(credential=f"file:{path / 'account.json'}", **fields)
    return Declared(providers={"google-vertex-ai": entry})


def resolve(declared: Declared, endpoint: TokenEndpoint, environment: dict[str, str] | None = None) -> Target:
    return model_table(declared, environment or {}, LocalModels({}), endpoint).resolve(GEMINI, "gemini")


async def test_a_service_account_is_exchanged_for_a_token(
    tmp_path: Path, account: dict[str, str], key: rsa.RSAPrivateKey
) -> None:
    endpoint = TokenEndpoint()
    target = resolve(declare(tmp_path, account), endpoint)
    located = target.place(False)
    assert located is not None and located.sign is not None
    assert located.url == (
        "https://aiplatform.googleapis.com/v1/projects/my-project/locations/global/"
        "publishers/google/models/gemini-2.5-pro:generateContent"
    )
    assert b"authorization" not in dict(located.headers)
    for _ in range(2):
        headers = await located.sign("POST", located.url, located.headers, b"{}")
        assert headers == (*located.headers, (b"authorization", b"Bearer token-1"))
    (sent,) = endpoint.requests
    assert sent.url == "https://oauth2.googleapis.com/token", "never where the file says: it is sent a signature"
    form = parse_qs(sent.body.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    claims = jwt.decode(form["assertion"][0], certs=public, audience="https://oauth2.googleapis.com/token")
    assert (claims["iss"], claims["scope"]) == (EMAIL, "https://www.googleapis.com/auth/cloud-platform")
    assert claims["exp"] - claims["iat"] == 3600 and abs(claims["iat"] - time.time()) < 60
    assert jwt.decode_header(form["assertion"][0]) == {"alg": "RS256", "typ": "JWT", "kid": "key-1"}


async def test_models_and_streams_share_one_token(tmp_path: Path, account: dict[str, str]) -> None:
    endpoint = TokenEndpoint()
    table = model_table(declare(tmp_path, account), {}, LocalModels({}), endpoint)
    for name in (GEMINI, "vertex/claude-opus-4.6", "vertex/meta/llama"):
        for stream in (False, True):
            located = table.resolve(name, "gemini").place(stream)
            assert located is not None and located.sign is not None
            await located.sign("POST", located.url, located.headers, b"")
    assert len(endpoint.requests) == 1


HOSTS = {
    "global": "aiplatform.googleapis.com",
    "us-central1": "us-central1-aiplatform.googleapis.com",
    "eu": "aiplatform.eu.rep.googleapis.com",
    "us": "aiplatform.us.rep.googleapis.com",
}


@pytest.mark.parametrize("region", list(HOSTS))
def test_where_the_region_comes_from(tmp_path: Path, account: dict[str, str], region: str) -> None:
    start = f"https://{HOSTS[region]}/v1/projects/my-project/locations/{region}/publishers/"
    endpoint = TokenEndpoint()
    for target in (
        resolve(declare(tmp_path, account, region=region), endpoint, {"GOOGLE_CLOUD_LOCATION": "asia-east1"}),
        resolve(declare(tmp_path, account | {"region": region}, region="asia-east1"), endpoint),
        resolve(declare(tmp_path, account), endpoint, {"GOOGLE_CLOUD_LOCATION": region}),
        resolve(declare(tmp_path, account), endpoint, {"CLOUD_ML_REGION": region}),
    ):
        located = target.place(True)
        assert located is not None and located.url.startswith(start)


async def test_the_usual_variable_names_a_file(tmp_path: Path, account: dict[str, str]) -> None:
    declare(tmp_path, account)
    environment = {
        "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "account.json"),
        "GOOGLE_CLOUD_PROJECT": "other-project",
    }
    located = resolve(NOTHING, TokenEndpoint(), environment).place(False)
    assert located is not None and located.sign is not None and "/projects/other-project/" in located.url


def test_an_access_token_is_sent_as_it_is(tmp_path: Path) -> None:
    entry = ProviderDeclared(credential="env:TOKEN", project="p1", base_url="https://proxy.example/")
    located = resolve(Declared(providers={"google-vertex-ai": entry}), TokenEndpoint(), {"TOKEN": "ya29.x"}).place(
        False
    )
    assert located is not None and located.sign is None
    assert located.headers[-1] == (b"authorization", b"Bearer ya29.x")
    assert located.url.startswith("https://proxy.example/v1/projects/p1/locations/global/publishers/google/")


@pytest.mark.parametrize(
    ("change", "fields", "message"),
    [
        ({"private_key": "not a key"}, {}, "is not a key"),
        ({"private_key": 7}, {}, "JSON of a service account"),
        ({"client_email": None}, {}, "JSON of a service account"),
        ({"project_id": None}, {}, "project is not known"),
        ({"project_id": "../x"}, {}, "project is not one of Google's"),
        ({"region": "a/b"}, {}, "region is not one of Google's"),
        ({"region": 7}, {}, "region is not one of Google's"),
        ({}, {"region": "evil.example/"}, "region is not one of Google's"),
        ({}, {"project": "p?x"}, "project is not one of Google's"),
    ],
)
def test_what_cannot_be_is_told_at_the_start(
    tmp_path: Path, account: dict[str, Any], change: dict[str, Any], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(OperatorError, match=message) as caught:
        resolve(declare(tmp_path, account | change, **fields), TokenEndpoint())
    assert "PRIVATE KEY" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b"{" * 50_000])
def test_a_file_that_is_no_account(tmp_path: Path, content: bytes) -> None:
    place = tmp_path / "account.json"
    place.write_bytes(content)
    with pytest.raises(InvalidRequest, match="google-vertex-ai"):
        resolve(NOTHING, TokenEndpoint(), {"GOOGLE_APPLICATION_CREDENTIALS": str(place)})


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read"):
        resolve(NOTHING, TokenEndpoint(), {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "absent")})


def test_without_the_extra(tmp_path: Path, account: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands for an installation without google-auth."""

    def absent(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(google_vertex_ai, "import_module", absent)
    with pytest.raises(OperatorError, match=r"isthmus\[vertex\]"):
        resolve(declare(tmp_path, account), TokenEndpoint())


async def test_a_refused_account(tmp_path: Path, account: dict[str, str]) -> None:
    endpoint = TokenEndpoint(b'{"error":"invalid_grant"}')
    endpoint.status = 400
    located = resolve(declare(tmp_path, account), endpoint).place(False)
    assert located is not None and located.sign is not None
    with pytest.raises(Unavailable, match="google-vertex-ai") as caught:
        await located.sign("POST", located.url, located.headers, b"")
    assert caught.value.status == 503


BODIES = {
    b'{"model":"claude-opus-4-6","max_tokens":5}': b'{"max_tokens":5,"anthropic_version":"vertex-2023-10-16"}',
    b'{"max_tokens": 5.0, "model": "m", "x": [1,  2]}': (
        b'{"max_tokens": 5.0, "x": [1,  2],"anthropic_version":"vertex-2023-10-16"}'
    ),
    b'{"anthropic_version":"bedrock-2023-05-31","model":"m"}': b'{"anthropic_version":"vertex-2023-10-16"}',
    b'{"model":"m"}': b'{"anthropic_version":"vertex-2023-10-16"}',
}


@pytest.mark.parametrize("body", list(BODIES))
def test_messages_as_vertex_takes_them(body: bytes) -> None:
    assert adapt_messages(body) == BODIES[body]


def test_a_count_names_its_model_in_the_body() -> None:
    assert adapt_count(b'{"model":"m"}') == b'{"model":"m","anthropic_version":"vertex-2023-10-16"}'


def test_only_messages_are_adapted(tmp_path: Path, account: dict[str, str]) -> None:
    table = model_table(declare(tmp_path, account), {}, LocalModels({}), TokenEndpoint())
    for name, adapted in ((GEMINI, False), ("vertex/claude-opus-4.6", True), ("vertex/meta/llama", False)):
        for stream in (False, True):
            located = table.resolve(name, "openai_chat").place(stream)
            assert located is not None and (located.adapt is adapt_messages) is adapted
