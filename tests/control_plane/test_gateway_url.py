"""`GET …/gateways/{id}/url/{provider}`: where a provider is reached through a gateway."""

from __future__ import annotations

import cloudflare
import httpx
import pytest

from conftest import CHAT, Gateway, StartGateway


async def asked(gateway: Gateway, provider: str, gateway_id: str = "default", **headers: str) -> httpx.Response:
    path = f"{gateway.account}/ai-gateway/gateways/{gateway_id}/url/{provider}"
    return await gateway.client.get(path, headers={**gateway.headers, **headers})


@pytest.fixture
async def gateway(gateway: Gateway) -> Gateway:
    """Whose `default` is there."""
    assert (await gateway.post("v1/chat/completions", CHAT)).status_code == 200
    return gateway


@pytest.mark.parametrize(
    "provider", ["openai", "anthropic", "workers-ai", "compat", "google-ai-studio", "fal", "OpenAI"]
)
async def test_a_provider(gateway: Gateway, provider: str) -> None:
    answer = await asked(gateway, provider)
    base = f"{gateway.running.base_url}/v1/{gateway.running.account_id}/default/{provider.lower()}"
    assert answer.json() == {"success": True, "errors": [], "messages": [], "result": base}


async def test_it_leads_there(gateway: Gateway) -> None:
    base = (await asked(gateway, "openai")).json()["result"]
    answer = await gateway.client.post(
        f"{base}/chat/completions", json={**CHAT, "model": "gpt-4o"}, headers=gateway.headers
    )
    assert answer.status_code == 200, answer.text


async def test_cloudflares_sdk(gateway: Gateway) -> None:
    url = f"{gateway.running.base_url}/client/v4"
    async with cloudflare.AsyncCloudflare(base_url=url, api_token=gateway.running.api_token, max_retries=0) as client:
        account_id = gateway.running.account_id
        found = await client.ai_gateway.urls.get("openai", account_id=account_id, gateway_id="default")
        assert found == f"{gateway.running.base_url}/v1/{account_id}/default/openai"
        with pytest.raises(cloudflare.NotFoundError):
            await client.ai_gateway.urls.get("openai", account_id=account_id, gateway_id="nobody")


async def test_a_provider_of_the_accounts_own(gateway: Gateway) -> None:
    assert (await asked(gateway, "custom-mine")).status_code == 400
    body = {"name": "Mine", "slug": "mine", "base_url": "https://models.example/v1", "enable": True}
    assert (await gateway.manage("POST", "custom-providers", body)).status_code == 200
    assert (await asked(gateway, "custom-mine")).json()["result"].endswith("/default/custom-mine")


@pytest.mark.parametrize("provider", ["nobody", "openai%2Fx", "%00"])
async def test_none_of_that_name(gateway: Gateway, provider: str) -> None:
    answer = await asked(gateway, provider)
    assert answer.status_code in (400, 404) and answer.json()["success"] is False


async def test_no_such_gateway(gateway: Gateway) -> None:
    answer = await asked(gateway, "openai", "nobody")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, 7002)


async def test_no_token(gateway: Gateway) -> None:
    assert (await asked(gateway, "openai", authorization="Bearer nonsense")).status_code == 401


@pytest.mark.parametrize("host", ["gateway.example", "gateway.example:8443", "[::1]:8787"])
async def test_the_host_that_was_asked(gateway: Gateway, host: str) -> None:
    answer = await asked(gateway, "openai", host=host)
    assert answer.json()["result"].startswith(f"http://{host}/v1/")


@pytest.mark.parametrize("host", ["evil example", 'a"b', "a/b", ""])
async def test_a_host_that_is_none(gateway: Gateway, host: str) -> None:
    answer = await asked(gateway, "openai", host=host)
    assert answer.status_code == 400 or answer.json()["result"].startswith(gateway.running.base_url)


async def test_the_address_that_is_set(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(public_url="https://ai.example/gateway/")
    assert (await gateway.post("v1/chat/completions", CHAT)).status_code == 200
    answer = await asked(gateway, "openai", host="inside:1")
    assert answer.json()["result"] == f"https://ai.example/gateway/v1/{gateway.running.account_id}/default/openai"
