"""`…/compat/chat/completions`: any provider's model by OpenAI's SDK, with our token or the caller's own key (data-plane
7.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from conftest import CHAT, LOCAL, Gateway, StartGateway
from isthmus.simulator import Fault, Simulator

OPEN = {
    "id": "open",
    "cache_invalidate_on_update": False,
    "cache_ttl": 0,
    "collect_logs": True,
    "rate_limiting_interval": 0,
    "rate_limiting_limit": 0,
    "authentication": False,
}
INSTALLATION = "Bearer sk-openai-test"
OWN = "sk-of-the-caller-12345"


def base(gateway: Gateway, gateway_id: str = "default") -> str:
    return f"/v1/{gateway.running.account_id}/{gateway_id}"


async def compat(
    gateway: Gateway, body: Any = CHAT, headers: dict[str, str] | None = None, gateway_id: str = "default"
) -> httpx.Response:
    given = gateway.headers if headers is None else headers
    return await gateway.client.post(f"{base(gateway, gateway_id)}/compat/chat/completions", json=body, headers=given)


def named(model: str, **more: Any) -> dict[str, Any]:
    return {**CHAT, "model": model, **more}


def problem(response: httpx.Response) -> tuple[int, int]:
    """Status and code, of an error in OpenAI's shape that v4 readers can read too (data-plane 5.1)."""
    body = response.json()
    assert body["success"] is False
    (listed,) = body["errors"]
    error = body["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == str(listed["code"]) and error["message"] == listed["message"]
    return response.status_code, listed["code"]


async def open_gateway(gateway: Gateway) -> None:
    assert (await gateway.manage("POST", "gateways", OPEN)).status_code == 200


@pytest.mark.parametrize(
    ("model", "wire"),
    [
        ("openai/gpt-4o", "gpt-4o"),
        ("OpenAI/gpt-4o", "gpt-4o"),
        ("anthropic/claude-haiku-4.5", "claude-haiku-4-5"),
        ("anthropic/claude-haiku-4-5", "claude-haiku-4-5"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_models_by_their_provider(
    gateway: Gateway, simulator: Simulator, model: str, wire: str, stream: bool
) -> None:
    answer = await compat(gateway, named(model, stream=stream))
    assert answer.status_code == 200, answer.text
    assert simulator.requests[-1].json()["model"].startswith(wire)
    if stream:
        assert answer.text.rstrip().endswith("data: [DONE]") and "chat.completion.chunk" in answer.text
    else:
        assert answer.json()["object"] == "chat.completion"
        assert answer.json()["gatewayMetadata"] == {"keySource": "Unified"}
    row = await gateway.row()
    assert row["id"] == answer.headers["cf-aig-log-id"]
    assert row["provider"] == model.partition("/")[0].lower() and row["tokens_out"] > 0
    assert row["path"].endswith("/default/compat/chat/completions")


async def test_openais_sdk(gateway: Gateway) -> None:
    url = f"{gateway.running.base_url}{base(gateway)}/compat"
    async with openai.AsyncOpenAI(base_url=url, api_key=gateway.running.api_token, max_retries=0) as client:
        for model in ("openai/gpt-4o", "anthropic/claude-haiku-4.5"):
            whole = await client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": "echo: yes"}]
            )
            assert whole.choices[0].message.content == "yes"
            said = ""
            async for chunk in await client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": "echo: yes and no"}], stream=True
            ):
                said += (chunk.choices[0].delta.content or "") if chunk.choices else ""
            assert said == "yes and no"
        with pytest.raises(openai.BadRequestError) as refused:
            await client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hello"}])
        assert refused.value.code == "2019"
        with pytest.raises(openai.BadRequestError) as refused:
            await client.models.list()
        assert refused.value.code == "2008"


@pytest.mark.parametrize("model", ["gpt-4o", "openai/", "/gpt-4o", "workers-ai/gpt", "/"])
async def test_a_name_without_provider(gateway: Gateway, model: str) -> None:
    assert problem(await compat(gateway, named(model))) == (400, 2019)


@pytest.mark.parametrize("model", ["nobody/gpt-4o", "custom-nobody/gpt-4o", "dynamic/support", "..//../x"])
async def test_a_provider_that_there_is_not(gateway: Gateway, simulator: Simulator, model: str) -> None:
    assert problem(await compat(gateway, named(model))) == (400, 2008)
    assert not simulator.requests
    row = await gateway.row()
    assert (row["status_code"], row["success"]) == (400, False)


async def test_dynamic_routes_say_that_they_are_not_there(gateway: Gateway) -> None:
    answer = await compat(gateway, named("dynamic/support"))
    assert "dynamic routes" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "rest", ["models", "chat", "chat/completions/", "embeddings", "responses", "v1/chat/completions"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_there_is_nothing_else(gateway: Gateway, rest: str, method: str) -> None:
    answer = await gateway.client.request(method, f"{base(gateway)}/compat/{rest}", json=CHAT, headers=gateway.headers)
    assert problem(answer) == (400, 2008)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_other_methods(gateway: Gateway, method: str) -> None:
    answer = await gateway.client.request(method, f"{base(gateway)}/compat/chat/completions", headers=gateway.headers)
    assert problem(answer) == (405, 7001) and answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "header", ["cf-aig-authorization", "authorization", "x-api-key", "api-key"], ids=lambda name: name
)
async def test_our_token_wherever_it_stands(gateway: Gateway, simulator: Simulator, header: str) -> None:
    token = gateway.running.api_token
    bearer = f"Bearer {token}" if header.endswith("authorization") else str(token)
    assert (await compat(gateway, headers={header: bearer})).status_code == 200
    seen = simulator.requests[-1]
    assert seen.header("authorization") == INSTALLATION
    assert not any(str(token).encode() in value for _, value in seen.headers)
    assert not [name for name, _ in seen.headers if name.startswith(b"cf-aig")]


@pytest.mark.parametrize("secret", [None, "Bearer nonsense", "Bearer", ""])
async def test_no_token(gateway: Gateway, simulator: Simulator, secret: str | None) -> None:
    await compat(gateway)  # `default` is there then
    simulator.requests.clear()
    answer = await compat(gateway, headers={} if secret is None else {"cf-aig-authorization": secret})
    assert problem(answer) == (401, 2009) and not simulator.requests


async def test_a_gateway_that_there_is_not(gateway: Gateway) -> None:
    assert problem(await compat(gateway, gateway_id="nobody")) == (400, 2001)


@pytest.mark.parametrize("model", ["openai/gpt-4o", "anthropic/claude-haiku-4.5"])
async def test_the_callers_own_key_beside_our_token(gateway: Gateway, simulator: Simulator, model: str) -> None:
    headers = {"cf-aig-authorization": gateway.headers["authorization"], "authorization": f"Bearer {OWN}"}
    answer = await compat(gateway, named(model), headers)
    assert answer.status_code == 200 and "gatewayMetadata" not in answer.json()
    seen = simulator.requests[-1]
    assert OWN in (seen.header("authorization") or seen.header("x-api-key") or "")
    row = await gateway.row()
    assert OWN not in str(row) and row["wholesale"] is False


async def test_a_stranger_with_a_key_of_its_own(gateway: Gateway, simulator: Simulator) -> None:
    await open_gateway(gateway)
    answer = await compat(gateway, headers={"authorization": f"Bearer {OWN}"}, gateway_id="open")
    assert answer.status_code == 200
    assert simulator.requests[-1].header("authorization") == f"Bearer {OWN}"


async def test_a_stranger_without_one(gateway: Gateway, simulator: Simulator) -> None:
    await open_gateway(gateway)
    answer = await compat(gateway, headers={}, gateway_id="open")
    assert problem(answer)[0] == 400 and not simulator.requests


@pytest.mark.parametrize("headers", [{}, {"authorization": f"Bearer {OWN}"}, {"authorization": "Bearer x"}])
async def test_the_installations_own_models_are_for_its_tokens(gateway: Gateway, headers: dict[str, str]) -> None:
    await open_gateway(gateway)
    for name in (f"workers-ai/{LOCAL}", LOCAL):
        answer = await compat(gateway, named(name), headers, gateway_id="open")
        assert problem(answer)[0] == 400 and "token" in answer.json()["error"]["message"]


async def test_a_platform_model(gateway: Gateway) -> None:
    """Weights may not be here: what counts is that the name is found, with its prefix and without."""
    for name in (f"workers-ai/{LOCAL}", LOCAL):
        status = (await compat(gateway, named(name, max_tokens=5))).status_code
        assert status in (200, 503)


async def test_a_provider_of_the_accounts_own(gateway: Gateway, simulator: Simulator) -> None:
    """One at a private address is refused; that it is found is told by the words."""
    made = await gateway.manage(
        "POST",
        "custom-providers",
        {"name": "Mine", "slug": "mine", "base_url": "https://models.invalid/v1", "enable": True},
    )
    assert made.status_code == 200, made.text
    answer = await compat(gateway, named("custom-mine/some-model"))
    assert answer.status_code == 502 and answer.json()["errors"][0]["code"] == 2005


@pytest.mark.parametrize("status", [400, 404, 429, 500])
async def test_a_providers_own_error(gateway: Gateway, simulator: Simulator, status: int) -> None:
    simulator.next(Fault(status=status, retry_after=3 if status == 429 else None))
    answer = await compat(gateway)
    assert answer.status_code == status and "success" not in answer.json()  # as it came
    assert answer.headers.get("retry-after") == ("3" if status == 429 else None)
    simulator.next(Fault(status=status))
    answer = await compat(gateway, named("anthropic/claude-haiku-4.5"))
    assert answer.status_code == status and set(answer.json()["error"]) >= {"message", "type", "code"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"{}",
        b'{"model":5,"messages":[]}',
        b'{"model":"openai/gpt-4o","messages":[]}',
        b'{"model":"openai/gpt-4o","model":"x/y","messages":[]}',
        b"[" * 5000,
        b"\xff{}",
    ],
)
async def test_bad_bodies(gateway: Gateway, simulator: Simulator, body: bytes) -> None:
    answer = await gateway.client.post(
        f"{base(gateway)}/compat/chat/completions", content=body, headers=gateway.headers
    )
    assert problem(answer)[0] == 400 and not simulator.requests


async def test_what_the_operator_declared_is_not_for_strangers(
    start_gateway: StartGateway, tmp_path: Path, simulator: Simulator
) -> None:
    """A server that asks for no key, and headers that may hold secrets."""
    config = tmp_path / "operators.toml"
    config.write_text(
        f'[providers.openai]\nbase_url = "{simulator.openai_url}"\nallow_private_address = true\n'
        'credential = "file:key"\nheaders = { x-secret = "of-the-operator" }\n'
        f'[providers.mine]\nbase_url = "{simulator.openai_url}"\nallow_private_address = true\n'
        'dialect = "openai_chat"\n'
    )
    (tmp_path / "key").write_text("sk-openai-test")
    gateway = await start_gateway(config_file=str(config))
    await open_gateway(gateway)
    own = {"authorization": f"Bearer {OWN}"}
    answer = await compat(gateway, named("mine/gpt-4o"), own, "open")
    assert problem(answer)[0] == 400 and not simulator.requests
    assert (await compat(gateway, named("mine/gpt-4o"), gateway_id="open")).status_code in (200, 401, 503)
    simulator.requests.clear()
    assert (await compat(gateway, headers=own, gateway_id="open")).status_code == 200
    assert simulator.requests[-1].header("x-secret") is None
    assert (await compat(gateway, gateway_id="open")).status_code == 200
    assert simulator.requests[-1].header("x-secret") == "of-the-operator"
