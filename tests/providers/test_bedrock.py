"""Bedrock's two ways of signing. SigV4 is recomputed here from its description, which AWS's own vector checks."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.configuration.declared import NOTHING, Declared, ProviderDeclared
from isthmus.core.attempt import Headers, Located
from isthmus.errors import InvalidRequest
from isthmus.local.supervisor import LocalModels
from isthmus.providers.cloud import sigv4
from isthmus.providers.cloud.sigv4 import AwsKeys, signer
from isthmus.settings import OperatorError
from isthmus.targets import model_table

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}
NAME = "aws-bedrock/anthropic.claude-haiku-4-5-20251001-v1:0"
JSON = (b"content-type", b"application/json")


def signature(canonical: str, stamp: str, region: str, service: str, secret: str = SECRET) -> str:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html, steps 2 to 4."""
    day = stamp[:8]
    scope = f"{day}/{region}/{service}/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


def test_the_recomputation_agrees_with_awss_own_vector() -> None:
    """`get-vanilla` of AWS's test suite for Signature Version 4."""
    empty = hashlib.sha256(b"").hexdigest()
    canonical = "GET\n/\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date\n" + empty
    found = signature(canonical, "20150830T123600Z", "us-east-1", "service")
    assert found == "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"


def expected(url: str, headers: Headers, body: bytes, region: str) -> str:
    """The whole `authorization` header for what is about to be sent."""
    parts = urlsplit(url)
    sent = {name.decode(): value.decode() for name, value in headers} | {"host": parts.netloc}
    told = sent["authorization"]
    names = told.split("SignedHeaders=")[1].split(",")[0].split(";")
    assert names == sorted(names) and {"host", "x-amz-date"} <= set(names)
    path = quote(parts.path, safe="/~")  # once more: all services but S3 encode the encoded path
    lines = "".join(f"{name}:{sent[name]}\n" for name in names)
    digest = hashlib.sha256(body).hexdigest()
    canonical = f"POST\n{path}\n{parts.query}\n{lines}\n{';'.join(names)}\n{digest}"
    stamp = sent["x-amz-date"]
    return (
        f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{stamp[:8]}/{region}/bedrock/aws4_request, "
        f"SignedHeaders={';'.join(names)}, Signature={signature(canonical, stamp, region, 'bedrock')}"
    )


def resolve(environment: dict[str, str], declared: Declared = NOTHING, stream: bool = False) -> Located:
    located = model_table(declared, environment, LocalModels({})).resolve(NAME, "openai_chat").place(stream)
    assert located is not None
    return located


async def signed(located: Located, body: bytes) -> Headers:
    assert located.sign is not None
    return await located.sign("POST", located.url, located.headers, body)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("session", [{}, {"AWS_SESSION_TOKEN": "session//token=="}])
async def test_keys_sign_the_body(session: dict[str, str], stream: bool) -> None:
    located = resolve(KEYS | session, stream=stream)
    body = '{"messages":[{"role":"user","content":[{"text":"hé"}]}]}'.encode()
    headers = await signed(located, body)
    assert dict(headers)[b"authorization"].decode() == expected(located.url, headers, body, "us-east-1")
    assert headers[0] == JSON and b"x-api-key" not in dict(headers)
    assert dict(headers).get(b"x-amz-security-token") == (b"session//token==" if session else None)
    assert b"x-amz-security-token" not in dict(headers) or b"x-amz-security-token" in dict(headers)[b"authorization"]
    assert SECRET.encode() not in b"".join(value for _, value in headers)


@given(model=st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), body=st.binary(max_size=40))
async def test_any_model_and_body(model: str, body: bytes) -> None:
    url = f"https://bedrock-runtime.eu-west-1.amazonaws.com/model/{quote(model, safe='@')}/converse"
    if not model.strip("."):
        return  # refused before (test_rows): it would climb
    sign = signer(AwsKeys("AKIDEXAMPLE", SECRET), "bedrock", "eu-west-1")
    headers = await sign("POST", url, (JSON,), body)
    assert dict(headers)[b"authorization"].decode() == expected(url, headers, body, "eu-west-1")


async def test_the_address_of_the_region() -> None:
    located = resolve(KEYS | {"AWS_REGION": "", "AWS_DEFAULT_REGION": "ap-southeast-2"})
    assert located.url.startswith("https://bedrock-runtime.ap-southeast-2.amazonaws.com/model/anthropic.claude-haiku")
    assert b"/ap-southeast-2/bedrock/" in dict(await signed(located, b"{}"))[b"authorization"]


async def test_a_key_of_bedrocks_own_comes_first() -> None:
    located = resolve(KEYS | {"AWS_BEARER_TOKEN_BEDROCK": "bedrock-key"})
    assert located.sign is None and located.headers[-1] == (b"authorization", b"Bearer bedrock-key")


async def test_declared_keys_with_their_own_region(tmp_path: Path) -> None:
    held = {"accessKeyId": "AKIDEXAMPLE", "secretAccessKey": SECRET, "region": "eu-central-1", "sessionToken": "s"}
    (tmp_path / "keys").write_bytes(msgspec.json.encode(held))
    entry = ProviderDeclared(credential=f"file:{tmp_path / 'keys'}", region="us-west-2")
    located = resolve({"AWS_BEARER_TOKEN_BEDROCK": "not-this"}, Declared(providers={"aws-bedrock": entry}))
    assert located.url.startswith("https://bedrock-runtime.eu-central-1.amazonaws.com/")
    headers = await signed(located, b"{}")
    assert dict(headers)[b"authorization"].decode() == expected(located.url, headers, b"{}", "eu-central-1")


def declared(**fields: Any) -> Declared:
    return Declared(providers={"aws-bedrock": ProviderDeclared(**fields)})


@pytest.mark.parametrize(
    ("fields", "environment", "message"),
    [
        ({}, {key: value for key, value in KEYS.items() if key != "AWS_REGION"}, "region is not known"),
        ({"credential": "env:K"}, {"K": "a-key"}, "region is not known"),
        ({"region": "Mars/../x"}, KEYS, "no region of AWS"),
        ({"credential": "env:K"}, {"K": '{"accessKeyId":1}', "AWS_REGION": "us-east-1"}, "must be a key, or JSON"),
        ({"credential": "env:K"}, {"K": "{" * 100_000, "AWS_REGION": "us-east-1"}, "must be a key, or JSON"),
        ({"credential": "env:K"}, {"K": "clé", "AWS_REGION": "us-east-1"}, "no header may hold"),
        ({"credential": "env:K"}, {"K": "a\nb", "AWS_REGION": "us-east-1"}, "no header may hold"),
    ],
)
def test_what_cannot_be_is_told_at_the_start(fields: dict[str, Any], environment: dict[str, str], message: str) -> None:
    with pytest.raises(OperatorError, match=message) as caught:
        model_table(declared(**fields), environment, LocalModels({}))
    assert str(caught.value).startswith("[providers.aws-bedrock]: ")
    assert SECRET not in str(caught.value)


def test_what_lies_in_the_environment_for_others_stops_nobody() -> None:
    table = model_table(NOTHING, {key: value for key, value in KEYS.items() if key != "AWS_REGION"}, LocalModels({}))
    with pytest.raises(InvalidRequest, match="region is not known") as caught:
        table.resolve(NAME, "openai_chat")
    assert caught.value.status == 400
    assert "aws-bedrock" not in table.reachable()


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands for an installation without botocore."""

    def absent(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(sigv4, "import_module", absent)
    with pytest.raises(OperatorError, match=r"isthmus\[bedrock\]"):
        model_table(declared(region="us-east-1"), KEYS, LocalModels({}))
    with pytest.raises(InvalidRequest, match=r"isthmus\[bedrock\]"):
        resolve(KEYS)
    resolve(KEYS | {"AWS_BEARER_TOKEN_BEDROCK": "k"})


async def test_an_address_of_the_operators_own() -> None:
    entry = ProviderDeclared(base_url="https://vpce.example/bedrock/")
    located = resolve(KEYS, Declared(providers={"aws-bedrock": entry}))
    assert located.url.startswith("https://vpce.example/bedrock/model/")
    headers = await signed(located, b"{}")
    assert dict(headers)[b"authorization"].decode() == expected(located.url, headers, b"{}", "us-east-1")
