"""Whose credential a native call goes with (data-plane 7.1), for callers with and without a token, with and without a
key of their own; and what the installation's key opens."""

from __future__ import annotations

import itertools
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest

from conftest import CHAT, Gateway, StartGateway
from data_plane.gateway_host.conftest import OPEN
from data_plane.gateway_host.upstream import Upstream, answered, configured, installations
from isthmus.clock import SystemClock
from isthmus.commands.store import opened_configs
from isthmus.core.account import AI_GATEWAY_RUN, Token, digest
from isthmus.settings import Settings

OWN = "sk-of-the-caller-12345"
BODY = {"model": "gpt-4o", "messages": CHAT["messages"]}


def at(gateway: Gateway, path: str, gateway_id: str = "default") -> str:
    return f"/v1/{gateway.running.account_id}/{gateway_id}/{path}"


async def ask(
    gateway: Gateway, headers: dict[str, str], gateway_id: str = "default", path: str = "openai/chat/completions"
) -> httpx.Response:
    return await gateway.client.post(at(gateway, path, gateway_id), json=BODY, headers=headers)


def code(answer: httpx.Response) -> tuple[int, int]:
    """Of an error in the shape E2."""
    body = answer.json()
    assert body["success"] is False and body["result"] == [] and body["name"] == "AiGatewayError"
    assert body["httpCode"] == answer.status_code and body["internalCode"] == body["error"][0]["code"]
    return answer.status_code, body["internalCode"]


@pytest.mark.parametrize("gateway_id", ["default", "open"])
@pytest.mark.parametrize(
    ("token", "own"),
    [*itertools.product(("ours", "wrong", "none"), (False, True)), ("as key", False)],  # there is one such header
)
async def test_who_may_call_with_what(
    native: Gateway, upstream: Upstream, gateway_id: str, token: str, own: bool
) -> None:
    """Authentication on or off; our token, another, none, ours where the SDK puts its key; a key of the caller's."""
    secret = native.running.api_token
    headers: dict[str, str] = {}
    if token in ("ours", "wrong"):
        headers["cf-aig-authorization"] = f"Bearer {secret if token == 'ours' else 'nobody-knows-it'}"
    if token == "as key":
        headers["authorization"] = f"Bearer {secret}"
    elif own:
        headers["authorization"] = f"Bearer {OWN}"
    answer = await ask(native, headers, gateway_id)
    known = token in ("ours", "as key")
    if gateway_id == "default" and not known:
        assert code(answer) == (401, 2009) and not upstream.requests
        return
    if not known and not own:
        assert answer.status_code == 400 and not upstream.requests
        assert "cf-aig-authorization" in answer.json()["message"]
        return
    assert answer.status_code == 200, answer.text
    assert upstream.last.all("authorization") == [f"Bearer {OWN if own else installations('openai')}"]
    row = (await native.rows(gateway_id))[0]
    assert row["authentication"] is known and row["wholesale"] is not own
    assert not any(secret in value for _, value in upstream.last.lines)


@pytest.mark.parametrize(
    ("provider", "path", "header", "scheme"),
    [
        ("anthropic", "v1/messages", "x-api-key", ""),
        ("google-ai-studio", "v1beta/models/m:generateContent", "x-goog-api-key", ""),
        ("elevenlabs", "v1/text-to-speech/v", "xi-api-key", ""),
        ("deepgram", "v1/listen", "authorization", "Token "),
        ("azure-openai", "r/d/chat/completions", "api-key", ""),
        ("cartesia", "tts/bytes", "authorization", "Bearer "),
    ],
)
async def test_each_providers_own_header(
    native: Gateway, upstream: Upstream, provider: str, path: str, header: str, scheme: str
) -> None:
    ours = {"cf-aig-authorization": native.headers["authorization"]}
    answer = await ask(native, ours, path=f"{provider}/{path}")
    assert answer.status_code == 200, answer.text
    assert upstream.last.all(header) == [scheme + installations(provider)]
    for headers in (ours, {}):  # the caller's own: with our token, and as a stranger
        answer = await ask(native, {**headers, header: scheme + OWN}, "open", path=f"{provider}/{path}")
        assert answer.status_code == 200, answer.text
        assert upstream.last.all(header) == [scheme + OWN]
        assert installations(provider) not in str(upstream.last.lines)


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "x-goog-api-key", "api-key", "xi-api-key", "x-any"])
async def test_no_provider_sees_our_token(native: Gateway, upstream: Upstream, header: str) -> None:
    secret = str(native.running.api_token)
    ours = {"cf-aig-authorization": f"Bearer {secret}"}
    for value in (secret, f"Bearer {secret}", f"Token {secret}"):
        answer = await ask(native, {**ours, header: value})
        assert answer.status_code == 200, answer.text
        assert secret not in str(upstream.last.lines)
        assert upstream.last.all("authorization") == [f"Bearer {installations('openai')}"]


async def test_googles_key_in_the_query(native: Gateway, upstream: Upstream, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.ERROR)  # the caller's own
    logging.getLogger("httpcore").setLevel(logging.ERROR)
    path = "google-ai-studio/v1beta/models/gemini-2.5-flash:generateContent"
    secret = native.running.api_token
    answer = await ask(native, {}, path=f"{path}?a=1&key={secret}&b=2")
    assert answer.status_code == 200, answer.text
    assert upstream.last.target.endswith("generateContent?a=1&b=2")
    assert upstream.last.header("x-goog-api-key") == installations("google-ai-studio")
    answer = await ask(native, {}, "open", path=f"{path}?key={OWN}")
    assert answer.status_code == 200, answer.text
    assert upstream.last.target.endswith(f"generateContent?key={OWN}")
    assert upstream.last.header("x-goog-api-key") is None
    upstream.answer = answered(b'{"error":{"code":401,"message":"no"}}', "401 Unauthorized")
    answer = await ask(native, {}, "open", path=f"{path}?key={OWN}")
    assert answer.status_code == 401 and answer.json() == {"error": {"code": 401, "message": "no"}}
    for row in (*await native.rows(), *await native.rows("open")):
        alone = await native.manage(
            "GET", f"gateways/{'open' if row['wholesale'] is False else 'default'}/logs/{row['id']}"
        )
        assert OWN not in str(row) + alone.text and str(secret) not in str(row) + alone.text
    assert OWN not in caplog.text and str(secret) not in caplog.text


async def test_a_refused_key(native: Gateway, upstream: Upstream) -> None:
    """The caller's own: the provider says so. The installation's: we do, and show nothing of what it said."""
    said = b'{"error":{"message":"Incorrect API key provided: key-of-the-ins*****"}}'
    upstream.answer = answered(said, "401 Unauthorized")
    ours = {"cf-aig-authorization": native.headers["authorization"]}
    answer = await ask(native, {**ours, "authorization": f"Bearer {OWN}"})
    assert answer.status_code == 401 and answer.content == said
    for path in ("openai/chat/completions", "openai/images/generations"):
        answer = await ask(native, ours, path=path)
        assert answer.status_code == 503 and b"key-of" not in answer.content
        assert "openai" in answer.json()["message"]
    row = (await native.rows())[0]
    assert (row["status_code"], row["success"]) == (503, False)


async def test_googles_words_for_a_refused_key(native: Gateway, upstream: Upstream) -> None:
    said = (
        b'{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"@type":'
        b'"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}'
    )
    upstream.answer = answered(said, "400 Bad Request")
    for path in ("google-ai-studio/v1beta/models/m:generateContent", "google-ai-studio/v1beta/models/m:embedContent"):
        answer = await ask(native, {"cf-aig-authorization": native.headers["authorization"]}, path=path)
        assert answer.status_code == 503 and b"not valid" not in answer.content
        answer = await ask(native, {"x-goog-api-key": OWN}, "open", path=path)
        assert answer.status_code == 400 and answer.content == said


async def test_bedrocks_mantle_takes_a_bearer_as_anthropic_does(native: Gateway, upstream: Upstream) -> None:
    path = "aws-bedrock/bedrock-mantle/us-east-1/anthropic/v1/messages"
    ours = {"cf-aig-authorization": native.headers["authorization"]}
    answer = await ask(native, ours, path=path)
    assert answer.status_code == 200, answer.text
    assert upstream.last.target == "/base/v1/anthropic/v1/messages"
    assert upstream.last.all("x-api-key") == [installations("aws-bedrock")]
    for header, value in (("authorization", f"Bearer {OWN}"), ("x-api-key", OWN)):
        answer = await ask(native, {header: value}, "open", path=path)
        assert upstream.last.all("x-api-key") == [OWN] and upstream.last.header("authorization") is None
    answer = await ask(native, ours, path="aws-bedrock/bedrock-runtime/us-east-1/model/m/invoke")
    assert upstream.last.all("authorization") == [f"Bearer {installations('aws-bedrock')}"]


async def test_fals_target(native: Gateway, upstream: Upstream) -> None:
    """The whole of another address of fal's. Its queue keeps what was asked: not for the installation's key."""
    ours = {"cf-aig-authorization": native.headers["authorization"]}
    target = {"x-fal-target-url": "https://queue.fal.run/fal-ai/fast-sdxl?logs=1"}
    own = {"authorization": f"Key {OWN}"}
    for path in ("fal", "fal/"):
        answer = await ask(native, {**ours, **target, **own}, path=f"{path}?a=b")
        assert answer.status_code == 200, answer.text
        assert upstream.last.target == "/base/v1/fal-ai/fast-sdxl?logs=1&a=b"
        assert upstream.last.header("authorization") == f"Key {OWN}"
        assert upstream.last.header("x-fal-target-url") is None
    sent = len(upstream.requests)
    assert (await ask(native, {**ours, **target}, path="fal")).status_code == 403
    for url in ("https://evil.com/x", "http://fal.run/x", "https://fal.run/a/../b", "https://fal.run", "x"):
        answer = await ask(native, {**ours, **own, "x-fal-target-url": url}, path="fal")
        assert answer.status_code == 400, answer.text
    assert len(upstream.requests) == sent
    answer = await ask(native, ours, path="fal/fal-ai/fast-sdxl")
    assert upstream.last.header("authorization") == f"Key {installations('fal')}"


KEPT = [
    ("GET", "files"),
    ("POST", "files"),
    ("POST", "fine_tuning/jobs"),
    ("GET", "responses/r"),
    ("DELETE", "models/m"),
]


@pytest.mark.parametrize(("method", "path"), KEPT)
async def test_what_a_provider_keeps(native: Gateway, upstream: Upstream, method: str, path: str) -> None:
    ours = {"cf-aig-authorization": native.headers["authorization"]}
    answer = await native.client.request(method, at(native, f"openai/{path}"), headers=ours)
    assert answer.status_code == 403 and "platform_keys_native" in answer.json()["message"]
    assert not upstream.requests
    answer = await native.client.request(
        method, at(native, f"openai/{path}"), headers={**ours, "authorization": f"Bearer {OWN}"}
    )
    assert answer.status_code == 200 and upstream.last.method == method


async def test_all_paths_for_one_team(start_gateway: StartGateway, upstream: Upstream, tmp_path: Path) -> None:
    gateway = await start_gateway(config_file=configured(tmp_path, upstream.url, "openai"), platform_keys_native="all")
    ours = {"cf-aig-authorization": gateway.headers["authorization"]}
    for method, path in KEPT:
        answer = await gateway.client.request(method, at(gateway, f"openai/{path}"), headers=ours)
        assert answer.status_code == 200, answer.text
        assert upstream.last.header("authorization") == f"Bearer {installations('openai')}"


async def test_a_provider_without_a_credential(native: Gateway, upstream: Upstream) -> None:
    ours = {"cf-aig-authorization": native.headers["authorization"]}
    answer = await ask(native, ours, path="mistral/v1/chat/completions")
    assert code(answer)[0] == 400 and "MISTRAL_API_KEY" in answer.json()["message"]
    assert code(await ask(native, ours, path="nobody/x")) == (400, 2008)
    assert code(await ask(native, ours, path="custom-nobody/x")) == (400, 2008)


async def test_an_operators_own_server(start_gateway: StartGateway, upstream: Upstream, tmp_path: Path) -> None:
    """It asks for no key, so that any would do: strangers do not reach it, and headers the operator declared are for
    the installation's tokens."""
    more = (
        f'[providers.lab]\nbase_url = "{upstream.url}/v1"\nallow_private_address = true\n'
        f'dialect = "openai_chat"\nheaders = {{ "x-internal" = "secret-of-the-operator" }}\n'
    )
    gateway = await start_gateway(config_file=configured(tmp_path, upstream.url, "openai", more=more))
    assert (await gateway.manage("POST", "gateways", OPEN)).status_code == 200
    ours = {"cf-aig-authorization": gateway.headers["authorization"]}
    answer = await ask(gateway, ours, path="lab/chat/completions")
    assert answer.status_code == 200, answer.text
    assert upstream.last.header("x-internal") == "secret-of-the-operator"
    answer = await ask(gateway, {"authorization": f"Bearer {OWN}"}, "open", path="lab/chat/completions")
    assert answer.status_code == 400 and len(upstream.requests) == 1
    assert (await ask(gateway, ours, path="lab/admin/delete")).status_code == 403


async def test_a_custom_provider_at_a_private_address(native: Gateway, upstream: Upstream) -> None:
    """The API takes none, and so there is none to call."""
    headers = {"cf-aig-authorization": native.headers["authorization"], "authorization": f"Bearer {OWN}"}
    for base_url in ("https://localhost:9", "https://127.0.0.1", upstream.url):
        made = await native.manage(
            "POST", "custom-providers", {"name": "Mine", "slug": "mine", "base_url": base_url, "enable": True}
        )
        assert made.status_code == 400
        assert code(await ask(native, headers, path="custom-mine/v1/chat/completions")) == (400, 2008)
    assert not upstream.requests


async def test_a_custom_provider_that_is_switched_off(native: Gateway) -> None:
    headers = {"cf-aig-authorization": native.headers["authorization"]}
    body = {"name": "Mine", "slug": "mine", "base_url": "https://nowhere.invalid/api", "enable": True}
    made = await native.manage("POST", "custom-providers", body)
    assert made.status_code == 200, made.text
    answer = await ask(native, headers, path="custom-mine/anything/at/all")
    assert answer.status_code == 502 and answer.json()["internalCode"] == 2005
    assert (await native.rows())[0]["provider"] == "custom-mine"
    off = await native.manage("PATCH", f"custom-providers/{made.json()['result']['id']}", {"enable": False})
    assert off.status_code == 200
    assert code(await ask(native, headers, path="custom-mine/anything/at/all")) == (400, 2008)


async def token_for(gateway: Gateway, directory: Path, **bounds: Any) -> str:
    secret = f"token-bound-{len(str(bounds))}-{digest(str(bounds))[:16]}"
    token = Token(
        id=digest(secret)[:32],
        account_id=gateway.running.account_id,
        name="bound",
        digest=digest(secret),
        permissions=(AI_GATEWAY_RUN,),
        created_at=SystemClock.now(),
        **bounds,
    )
    async with opened_configs(Settings(data_directory=str(directory))) as configs:
        assert await configs.add_token(token)
    return secret


async def test_tokens_bound_to_models(native: Gateway, upstream: Upstream, tmp_path: Path) -> None:
    secret = await token_for(native, tmp_path / "data0", models=("openai/gpt-4o*", "google/gemini-2.5-flash"))
    ours = {"cf-aig-authorization": f"Bearer {secret}"}
    assert (await ask(native, ours)).status_code == 200
    google = "google-ai-studio/v1beta/models"
    assert (await ask(native, ours, path=f"{google}/gemini-2.5-flash:generateContent")).status_code == 200
    sent = len(upstream.requests)
    refused = [
        ("openai/chat/completions", {**BODY, "model": "gpt-5.5"}),
        ("openai/chat/completions", {"messages": []}),
        ("openai/images/generations", {"model": "gpt-4o"}),
        (f"{google}/gemini-2.5-pro:generateContent", BODY),
        (f"{google}/gemini-2.5-flash:embedContent", BODY),
    ]
    for path, body in refused:
        for own in ({}, {"authorization": f"Bearer {OWN}"}):
            answer = await native.client.post(at(native, path), json=body, headers={**ours, **own})
            assert code(answer)[0] == 403, (path, answer.text)
    plain = {**ours, "content-type": "application/json"}
    for content, headers in (
        (b"{", plain),
        (b'{"model":"gpt-4o"}', {**ours, "content-type": "text/x"}),
    ):
        answer = await native.client.post(at(native, "openai/chat/completions"), content=content, headers=headers)
        assert answer.status_code == 403, answer.text
    assert len(upstream.requests) == sent


async def test_tokens_bound_to_gateways(native: Gateway, upstream: Upstream, tmp_path: Path) -> None:
    secret = await token_for(native, tmp_path / "data0", gateways=("open",))
    ours = {"cf-aig-authorization": f"Bearer {secret}"}
    assert (await ask(native, ours, "open")).status_code == 200
    assert code(await ask(native, ours)) == (401, 2009)


async def test_what_goes_with_a_key_of_ones_own_alone(native: Gateway, upstream: Upstream) -> None:
    """Whose account it is for, and whether a GET is a DELETE, is not every caller's to say."""
    steering = {"openai-organization": "org", "openai-project": "p", "x-http-method-override": "DELETE"}
    ours = {"cf-aig-authorization": native.headers["authorization"]}
    answer = await ask(native, {**ours, **steering})
    assert answer.status_code == 200 and not {name.lower() for name, _ in upstream.last.lines} & steering.keys()
    answer = await ask(native, {**ours, **steering, "authorization": f"Bearer {OWN}"})
    assert steering.keys() <= {name.lower() for name, _ in upstream.last.lines}
