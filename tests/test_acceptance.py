"""The acceptance checks on calls and models, each under its number (data-plane 17): what is built of them, and where
this project has chosen otherwise, the choice. `test_acceptance_records.py` goes on; the SDKs at a real server are in
tests/sdk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anthropic
import msgspec
import openai
import pytest

from isthmus.cli import main
from isthmus.core.account import AI_GATEWAY_READ, AI_GATEWAY_RUN, AI_GATEWAY_WRITE, WORKERS_AI_READ

CHAT = "v1/chat/completions"
OPENAI = "openai/gpt-4o"
ANTHROPIC = "anthropic/claude-haiku-4.5"
PLATFORM = "@cf/simulated/gpt-4o"
"""A platform model that the simulator serves: nothing here needs the real one's time."""

TURNS = [{"role": "user", "content": "echo: Good morning."}]
PATHS = [CHAT, "v1/responses", "v1/messages", "run"]


def ask(path: str, model: str, text: str = "echo: Good morning.", **more: Any) -> dict[str, Any]:
    """The same question for each of the endpoints."""
    turns = [{"role": "user", "content": text}]
    if path == "v1/responses":
        return {"model": model, "input": text, **more}
    if path == "run":
        return {"model": model, "input": {"messages": turns, "max_tokens": 99, **more}}
    return {"model": model, "messages": turns, "max_tokens": 99, **more}


def problem(answer: Any) -> tuple[int, int]:
    (found,) = answer.json()["errors"]
    return answer.status_code, found["code"]


@pytest.fixture
def platform_config(tmp_path: Path, simulator: Any) -> str:
    config = tmp_path / "platform.toml"
    config.write_text(
        f'[providers.openai]\nbase_url = "{simulator.openai_url}"\nallow_private_address = true\n'
        f'[models."{PLATFORM}"]\nprovider = "openai"\nname = "gpt-4o"\n'
    )
    return str(config)


@pytest.mark.parametrize("callers", [10, 100])
async def test_01_concurrent_first_calls_create_one_default(gateway: Any, callers: int) -> None:
    assert (await gateway.manage("GET", "gateways")).json()["result"] == []
    answers = await asyncio.gather(*(gateway.post(CHAT, ask(CHAT, OPENAI)) for _ in range(callers)))
    assert {answer.status_code for answer in answers} == {200}
    (made,) = (await gateway.manage("GET", "gateways")).json()["result"]
    assert {name: made[name] for name in DEFAULT} == DEFAULT
    assert not made.get("byok_only") and made.get("workers_ai_billing_mode", "postpaid") == "postpaid"
    ids = {answer.headers["cf-aig-log-id"] for answer in answers}
    page_two = (await gateway.manage("GET", "gateways/default/logs?per_page=50&page=2")).json()["result"]
    rows = {row["id"] for row in [*await gateway.rows(), *page_two]}
    assert len(ids) == callers and rows == ids


DEFAULT = {
    "id": "default",
    "is_default": True,
    "authentication": True,
    "collect_logs": True,
    "cache_ttl": 0,
    "cache_invalidate_on_update": False,
    "rate_limiting_interval": 0,
    "rate_limiting_limit": 0,
}


async def test_01_a_stranger_creates_nothing(gateway: Any) -> None:
    assert (await gateway.post(CHAT, ask(CHAT, OPENAI), headers={"authorization": "Bearer no"})).status_code == 401
    assert (await gateway.manage("GET", "gateways")).json()["result"] == []


async def test_02_a_deleted_default_comes_back_as_it_began(gateway: Any) -> None:
    await gateway.post(CHAT, ask(CHAT, OPENAI))
    await gateway.manage("PATCH", "gateways/default", {"collect_logs": False, "authentication": False})
    assert (await gateway.manage("DELETE", "gateways/default")).status_code == 200
    assert (await gateway.manage("GET", "gateways/default")).status_code == 404
    assert (await gateway.post(CHAT, ask(CHAT, OPENAI))).status_code == 200
    made = (await gateway.manage("GET", "gateways/default")).json()["result"]
    assert {name: made[name] for name in DEFAULT} == DEFAULT


async def test_03_a_gateway_that_is_not_there(gateway: Any, simulator: Any) -> None:
    for path in PATHS:
        answer = await gateway.post(path, ask(path, OPENAI), headers={"cf-aig-gateway-id": "nope"})
        assert problem(answer) == (400, 2001)
        assert "Please configure AI Gateway in the Cloudflare dashboard" in answer.json()["errors"][0]["message"]
    assert (await gateway.manage("GET", "gateways")).json()["result"] == [] and not simulator.requests


async def test_03_a_gateway_that_is_there(gateway: Any) -> None:
    settings = {key: value for key, value in DEFAULT.items() if key not in ("id", "is_default")}
    assert (await gateway.manage("POST", "gateways", {**settings, "id": "mine"})).status_code == 200
    answer = await gateway.post(CHAT, ask(CHAT, OPENAI), headers={"cf-aig-gateway-id": "mine"})
    (row,) = await gateway.rows("mine")
    assert row["id"] == answer.headers["cf-aig-log-id"]
    assert [each["id"] for each in (await gateway.manage("GET", "gateways")).json()["result"]] == ["mine"]


async def test_04_no_token(gateway: Any) -> None:
    for path in PATHS:
        answer = await gateway.client.post(f"{gateway.account}/ai/{path}", json=ask(path, OPENAI))
        assert problem(answer) == (401, 10000)
        if path == "run":
            told = [{"code": 10000, "message": "Authentication error"}]
            assert answer.json() == {"result": None, "success": False, "errors": told, "messages": []}


CreateToken = Callable[..., str]


@pytest.fixture
def create_token(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CreateToken:
    """As the operator does, beside the running server."""

    def create(*permissions: str, more: tuple[str, ...] = ()) -> str:
        given = [word for permission in permissions for word in ("--permission", permission)]
        capsys.readouterr()
        assert main(["token", "create", *given, *more, "--data", str(tmp_path / "data0")]) == 0
        return capsys.readouterr().out.split()[-1]

    return create


@pytest.mark.parametrize(
    ("permissions", "status"),
    [
        ((WORKERS_AI_READ,), 200),
        ((AI_GATEWAY_RUN,), 200),
        ((AI_GATEWAY_READ,), 401),
        ((AI_GATEWAY_READ, AI_GATEWAY_WRITE), 401),
    ],
)
async def test_05_either_permission_will_do_and_no_other(
    gateway: Any, create_token: CreateToken, permissions: tuple[str, ...], status: int
) -> None:
    token = await asyncio.to_thread(create_token, *permissions)
    for path in PATHS:
        answer = await gateway.post(path, ask(path, OPENAI), headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == status
        assert status == 200 or problem(answer) == (401, 10000)


async def test_05_a_token_of_one_model_and_one_gateway(gateway: Any, create_token: CreateToken) -> None:
    token = await asyncio.to_thread(create_token, more=("--model", "openai/*", "--gateway", "default"))
    shown = {"authorization": f"Bearer {token}"}
    assert (await gateway.post(CHAT, ask(CHAT, OPENAI), headers=shown)).status_code == 200
    assert (await gateway.post(CHAT, ask(CHAT, ANTHROPIC), headers=shown)).status_code == 403
    elsewhere = {**shown, "cf-aig-gateway-id": "other"}
    assert problem(await gateway.post(CHAT, ask(CHAT, OPENAI), headers=elsewhere)) == (401, 10000)


async def test_06_chat_completions_are_the_providers_own_body(gateway: Any, simulator: Any) -> None:
    answer = await gateway.post(CHAT, ask(CHAT, OPENAI))
    body = answer.json()
    assert body.pop("gatewayMetadata") == {"keySource": "Unified"}
    assert body["object"] == "chat.completion" and not {"result", "success", "errors"} & set(body)
    assert body["choices"][0]["message"]["content"] == "Good morning."
    (request,) = simulator.requests
    assert msgspec.json.decode(request.body) == {**ask(CHAT, OPENAI), "model": "gpt-4o"}


async def test_06_what_is_not_known_here_passes_byte_for_byte(gateway: Any, simulator: Any) -> None:
    body = b'{ "messages":[{"role":"user","content":"echo: \\u00fc"}],\n "model" : "openai/gpt-4o", "top_p": 1e0 }'
    assert (await gateway.post(CHAT, body)).status_code == 200
    assert simulator.requests[0].body == body.replace(b'"openai/gpt-4o"', b'"gpt-4o"')


async def test_07_run_in_each_form(start_gateway: Any, platform_config: str) -> None:
    gateway = await start_gateway()
    chat = (await gateway.post("run", ask("run", OPENAI))).json()
    assert (chat["success"], chat["errors"], chat["messages"]) == (True, [], [])
    assert chat["result"]["object"] == "chat.completion"
    messages = (await gateway.post("run", ask("run", ANTHROPIC))).json()["result"]
    assert messages["type"] == "message" and messages["content"][0]["text"] == "Good morning."
    body = {"model": OPENAI, "input": {"input": "echo: Good morning."}}
    responses = (await gateway.post("run", body)).json()["result"]
    assert responses["object"] == "response" and responses["output"][0]["content"][0]["text"] == "Good morning."
    for result in (chat["result"], messages, responses):
        assert result["gatewayMetadata"] == {"keySource": "Unified"}
    native = await start_gateway(config_file=platform_config)
    result = (await native.post("run", ask("run", PLATFORM))).json()["result"]
    assert result["response"] == "Good morning." and set(result["usage"]) >= {"prompt_tokens", "completion_tokens"}
    assert "gatewayMetadata" not in result


async def test_07_run_streamed_is_not_wrapped(start_gateway: Any, platform_config: str) -> None:
    gateway = await start_gateway()
    chat = (await gateway.post("run", ask("run", OPENAI, stream=True))).text
    assert chat.startswith('data: {"id":"chatcmpl-') and chat.endswith("data: [DONE]\n\n")
    messages = (await gateway.post("run", {**ask("run", ANTHROPIC), "stream": True})).text
    assert messages.startswith("event: message_start\n")
    native = await start_gateway(config_file=platform_config)
    told = (await native.post("run", ask("run", PLATFORM, stream=True))).text
    assert told.startswith('data: {"response":"') and told.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("path", [f"run/{PLATFORM}", f"run/{PLATFORM.replace('/', '%2F')}"])
async def test_08_a_platform_model_bypasses_every_gateway(start_gateway: Any, platform_config: str, path: str) -> None:
    """The documented behaviour, for who wants it: a row only where the header is."""
    gateway = await start_gateway(config_file=platform_config, platform_models_without_gateway="bypass")
    plain = await gateway.post(path, {"messages": TURNS})
    assert plain.json()["result"]["response"] == "Good morning." and "cf-aig-log-id" not in plain.headers
    assert await gateway.rows_or_none() == []
    through = await gateway.post(path, {"messages": TURNS}, headers={"cf-aig-gateway-id": "default"})
    assert (await gateway.row())["id"] == through.headers["cf-aig-log-id"]


async def test_08_by_default_a_row_always(start_gateway: Any, platform_config: str) -> None:
    gateway = await start_gateway(config_file=platform_config)
    answer = await gateway.post(f"run/{PLATFORM}", {"prompt": "echo: Good morning."})
    assert answer.json()["result"]["response"] == "Good morning."
    row = await gateway.row()
    assert (row["id"], row["model"], row["wholesale"]) == (answer.headers["cf-aig-log-id"], PLATFORM, False)


async def test_09_platform_models_speak_every_dialect(start_gateway: Any, platform_config: str) -> None:
    """Overridden: the reference answers `/ai/v1/messages` with 400 here."""
    gateway = await start_gateway(config_file=platform_config)
    for path in PATHS:
        for stream in (False, True):
            answer = await gateway.post(path, ask(path, PLATFORM, stream=stream))
            assert answer.status_code == 200 and "morning" in answer.text
            row = (await gateway.rows())[0]
            assert (row["id"], row["model"]) == (answer.headers["cf-aig-log-id"], PLATFORM)


async def test_10_anthropics_sdk_with_the_documented_base(gateway: Any) -> None:
    base = f"{gateway.running.base_url}{gateway.account}/ai/v1"
    async with anthropic.AsyncAnthropic(base_url=base, api_key=gateway.running.api_token) as client:
        answer = await client.messages.create(model=ANTHROPIC, max_tokens=99, messages=TURNS)  # type: ignore[arg-type]
    assert answer.content[0].text == "Good morning."  # type: ignore[union-attr]
    assert (await gateway.row())["path"].endswith("/ai/v1/v1/messages")


async def test_10_the_key_alone_will_do_where_messages_are_spoken(gateway: Any) -> None:
    key = {"x-api-key": gateway.running.api_token}
    for path, status in (("v1/messages", 200), ("v1/v1/messages", 200), (CHAT, 401), ("run", 401)):
        answer = await gateway.client.post(f"{gateway.account}/ai/{path}", json=ask(path, OPENAI), headers=key)
        assert answer.status_code == status
    both = await gateway.post("v1/messages", ask("v1/messages", OPENAI), headers={"x-api-key": "another's"})
    assert both.status_code == 200  # Authorization wins


async def test_11_openais_sdk(gateway: Any) -> None:
    base = f"{gateway.running.base_url}{gateway.account}/ai/v1"
    async with openai.AsyncOpenAI(base_url=base, api_key=gateway.running.api_token) as client:
        turns: Any = TURNS
        chat = await client.chat.completions.create(model=OPENAI, messages=turns)
        chunks = [
            part async for part in await client.chat.completions.create(model=OPENAI, messages=turns, stream=True)
        ]
        answer = await client.responses.create(model=OPENAI, input="echo: Good morning.")
        async with client.responses.stream(model=OPENAI, input="echo: Good morning.") as stream:
            streamed = await stream.get_final_response()
    assert chat.choices[0].message.content == "Good morning."
    assert "".join(part.choices[0].delta.content or "" for part in chunks) == "Good morning."
    assert answer.output_text == streamed.output_text == "Good morning."
    assert len(await gateway.rows()) == 4


@pytest.mark.parametrize(
    "names",
    [
        ("anthropic/claude-haiku-4.5", "anthropic/claude-haiku-4-5", "Anthropic/Claude-Haiku-4.5"),
        ("openai/gpt-5.5", "openai/gpt-5-5", "OpenAI/GPT-5.5"),
        (PLATFORM, "@CF/Simulated/GPT-4o"),
    ],
)
async def test_12_a_name_in_each_of_its_spellings(
    start_gateway: Any, simulator: Any, platform_config: str, names: tuple[str, ...]
) -> None:
    changes = {"config_file": platform_config} if names[0] == PLATFORM else {}
    gateway = await start_gateway(**changes)
    for name in names:
        assert (await gateway.post("v1/responses", ask("v1/responses", name))).status_code == 200
    assert len({msgspec.json.decode(request.body)["model"] for request in simulator.requests}) == 1
    assert {row["model"] for row in await gateway.rows()} == {names[0]}


async def test_13_14_an_unknown_model(start_gateway: Any, platform_config: str) -> None:
    gateway = await start_gateway(config_file=platform_config)
    for path in PATHS:
        for model in (f"workers-ai/{PLATFORM}", "openai/", "gpt-4o", "nobody/gpt", "@cf/no/such", "@"):
            assert problem(await gateway.post(path, ask(path, model))) == (404, 7003), model


async def test_14_an_unknown_model_in_the_path(gateway: Any) -> None:
    for name in ("@cf/nobody/nothing", "nobody", "a/b/c/d"):
        assert problem(await gateway.post(f"run/{name}", {"prompt": "hello"})) == (404, 7003)
