"""`/openai/v1/`, `/anthropic/` and `/google/`: the vendors' SDKs with a base URL and our token, and nothing else.
Account and gateway are the token's; a bare name of a model is that vendor's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anthropic
import openai
import pytest
from google import genai
from google.genai import types

from conftest import CHAT, Gateway, StartGateway
from isthmus.commands.store import opened_configs
from isthmus.core.account import PERMISSIONS, Account, Token, digest
from isthmus.core.gateway import DEFAULT_SETTINGS
from isthmus.core.gateway import Gateway as GatewayRow
from isthmus.settings import Settings
from isthmus.simulator import Simulator

OTHER = "0123456789abcdef0123456789abcdef"
SECRETS = {
    "other": "secret-of-the-second-account",
    "bound": "secret-bound-to-one-gateway",
    "two": "secret-bound-to-two",
}
USER = [{"role": "user", "content": "echo: yes"}]


@pytest.fixture
async def gateway(start_gateway: StartGateway, tmp_path: Path, simulator: Simulator) -> Gateway:
    """With Google's models too, a second account, and tokens that are bound to gateways."""
    with (tmp_path / "isthmus.toml").open("a") as config:
        config.write(
            f'[providers.google-ai-studio]\nbase_url = "{simulator.base_url}/"\nallow_private_address = true\n'
            'credential = "file:google-key"\n'
        )
    (tmp_path / "google-key").write_text("google-test-key")
    started = await start_gateway()
    settings = Settings(data_directory=str(tmp_path / "data0"))
    mine = started.running.account_id
    async with opened_configs(settings) as configs:
        await configs.add_account(Account(id=OTHER, name="Other", created_at=1.0))
        for gateway_id in ("team", "side"):
            await configs.add_gateway(
                GatewayRow(id=gateway_id, account_id=mine, settings=DEFAULT_SETTINGS, created_at=1.0, modified_at=1.0)
            )
        for name, account_id, gateways in (
            ("other", OTHER, None),
            ("bound", mine, ("team",)),
            ("two", mine, ("team", "side")),
        ):
            await configs.add_token(
                Token(
                    id=name,
                    account_id=account_id,
                    name=name,
                    digest=digest(SECRETS[name]),
                    permissions=PERMISSIONS,
                    gateways=gateways,
                    created_at=1.0,
                )
            )
    return started


@pytest.fixture
async def by_openai(gateway: Gateway) -> AsyncIterator[openai.AsyncOpenAI]:
    url = f"{gateway.running.base_url}/openai/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key=gateway.running.api_token, max_retries=0) as client:
        yield client


@pytest.fixture
async def by_anthropic(gateway: Gateway) -> AsyncIterator[anthropic.AsyncAnthropic]:
    url = f"{gateway.running.base_url}/anthropic"
    async with anthropic.AsyncAnthropic(base_url=url, api_key=gateway.running.api_token, max_retries=0) as client:
        yield client


@pytest.fixture
def by_google(gateway: Gateway) -> genai.Client:
    options = types.HttpOptions(base_url=f"{gateway.running.base_url}/google")
    return genai.Client(api_key=gateway.running.api_token, http_options=options)


MODELS = ("gpt-4o", "openai/gpt-4o", "anthropic/claude-haiku-4.5", "google/gemini-2.5-flash")


@pytest.mark.parametrize("model", MODELS)
async def test_openais_sdk(by_openai: openai.AsyncOpenAI, model: str) -> None:
    chat = await by_openai.chat.completions.create(model=model, messages=[{"role": "user", "content": "echo: yes"}])
    assert chat.choices[0].message.content == "yes"
    answer = await by_openai.responses.create(model=model, input="echo: yes", store=False)
    assert answer.output_text == "yes"
    said = ""
    stream = await by_openai.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "echo: yes and no"}], stream=True
    )
    async for chunk in stream:
        said += (chunk.choices[0].delta.content or "") if chunk.choices else ""
    assert said == "yes and no"


@pytest.mark.parametrize("model", ("claude-haiku-4-5", *MODELS[1:]))
async def test_anthropics_sdk(by_anthropic: anthropic.AsyncAnthropic, model: str) -> None:
    message = await by_anthropic.messages.create(
        model=model, max_tokens=50, messages=[{"role": "user", "content": "echo: yes"}]
    )
    assert [block.text for block in message.content if block.type == "text"] == ["yes"]
    async with by_anthropic.messages.stream(
        model=model, max_tokens=50, messages=[{"role": "user", "content": "echo: yes and no"}]
    ) as stream:
        assert await stream.get_final_text() == "yes and no"
    counted = await by_anthropic.messages.count_tokens(model=model, messages=[{"role": "user", "content": "hello"}])
    assert counted.input_tokens > 0


@pytest.mark.parametrize("model", ("gemini-2.5-flash", *MODELS[1:]))
async def test_googles_sdk(by_google: genai.Client, model: str) -> None:
    async with by_google.aio as client:
        answer = await client.models.generate_content(model=model, contents="echo: yes")
        assert answer.text == "yes"
        said = [
            part.text or ""
            async for part in await client.models.generate_content_stream(model=model, contents="echo: yes and no")
        ]
        assert "".join(said) == "yes and no"
        counted = await client.models.count_tokens(model=model, contents="hello")
        assert (counted.total_tokens or 0) > 0


async def test_lists_of_models(by_openai: openai.AsyncOpenAI, by_anthropic: anthropic.AsyncAnthropic) -> None:
    names = {model.id async for model in by_openai.models.list()}
    assert "openai/gpt-4o" in names
    assert (await by_openai.models.retrieve("openai/gpt-4o")).id == "openai/gpt-4o"
    listed = [model.id async for model in by_anthropic.models.list(limit=1000)]
    assert any("claude" in each for each in listed)


@pytest.mark.parametrize("path", ["/openai/v1/chat/completions", "/openai/chat/completions"])
async def test_a_v1_more_or_less(gateway: Gateway, path: str) -> None:
    answer = await gateway.client.post(path, json={**CHAT, "model": "gpt-4o"}, headers=gateway.headers)
    assert answer.status_code == 200


async def test_a_token_of_a_second_account(gateway: Gateway) -> None:
    headers = {"authorization": f"Bearer {SECRETS['other']}"}
    answer = await gateway.client.post("/openai/v1/chat/completions", json=CHAT, headers=headers)
    assert answer.status_code == 200
    assert not await gateway.rows_or_none()
    theirs = f"/client/v4/accounts/{OTHER}/ai-gateway/gateways/default/logs"
    (row,) = (await gateway.client.get(theirs, headers=headers)).json()["result"]
    assert row["id"] == answer.headers["cf-aig-log-id"]
    for path in ("/openai/v1/models", "/anthropic/v1/models", "/openai/v1/models/openai/gpt-4o"):
        assert (await gateway.client.get(path, headers=headers)).status_code == 200
    anthropics = {"x-api-key": SECRETS["other"], "anthropic-version": "2023-06-01"}
    assert (await gateway.client.get("/anthropic/v1/models", headers=anthropics)).json()["data"]


async def test_a_bound_token_chooses_its_gateway(gateway: Gateway) -> None:
    headers = {"authorization": f"Bearer {SECRETS['bound']}"}
    assert (await gateway.client.post("/openai/v1/chat/completions", json=CHAT, headers=headers)).status_code == 200
    assert len(await gateway.rows("team")) == 1
    other = await gateway.client.post(
        "/openai/v1/chat/completions", json=CHAT, headers={**headers, "cf-aig-gateway-id": "side"}
    )
    assert other.status_code == 401


async def test_the_header_wins(gateway: Gateway) -> None:
    for secret in (SECRETS["two"], str(gateway.running.api_token)):
        headers = {"authorization": f"Bearer {secret}", "cf-aig-gateway-id": "side"}
        assert (await gateway.client.post("/openai/v1/chat/completions", json=CHAT, headers=headers)).status_code == 200
    assert len(await gateway.rows("side")) == 2 and not await gateway.rows("team")


async def test_a_token_bound_to_several_has_to_say_which(gateway: Gateway) -> None:
    headers = {"authorization": f"Bearer {SECRETS['two']}"}
    assert (await gateway.client.post("/openai/v1/chat/completions", json=CHAT, headers=headers)).status_code == 401


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/openai/v1/chat/completions", CHAT),
        ("/openai/v1/responses", {"model": "gpt-4o", "input": "hello"}),
        ("/anthropic/v1/messages", {"model": "claude-haiku-4-5", "max_tokens": 5, "messages": USER}),
        ("/google/v1beta/models/gemini-2.5-flash:generateContent", {"contents": [{"parts": [{"text": "hello"}]}]}),
    ],
)
@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer nonsense"}, {"x-api-key": "nonsense"}])
async def test_no_token(
    gateway: Gateway, simulator: Simulator, path: str, body: object, headers: dict[str, str]
) -> None:
    answer = await gateway.client.post(path, json=body, headers=headers)
    assert answer.status_code == 401 and not simulator.requests
    assert not await gateway.rows_or_none()


async def test_a_bare_name_of_nobodys(gateway: Gateway) -> None:
    answer = await gateway.client.post(
        "/openai/v1/chat/completions", json={**CHAT, "model": "nobody/x"}, headers=gateway.headers
    )
    assert answer.status_code == 404 and answer.json()["error"]["code"] == "7003"
