"""The universal endpoint: who may call it with whose key, and what it does not take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from conftest import Gateway, StartGateway
from data_plane.gateway_host.stepwise import ANTHROPIC, COMPAT, OPEN, OPENAI, OWN, problem, step_of, universal
from isthmus.commands.store import opened_configs
from isthmus.core.account import PERMISSIONS, Token, digest
from isthmus.settings import Settings
from isthmus.simulator import Fault, Simulator


@pytest.mark.parametrize("provider", ["nobody", "custom-nobody", "..", "", "openai/x", "google"])
async def test_an_unknown_provider_is_told_before_anything_is_sent(
    gateway: Gateway, simulator: Simulator, provider: str
) -> None:
    answer = await universal(gateway, [OPENAI, {**OPENAI, "provider": provider}])
    if provider == "google":  # another spelling of google-ai-studio
        assert answer.status_code == 200
    else:
        status, code = problem(answer)
        assert status == 400 and code == (2008 if provider else 7001)
        assert "tep 1" in answer.json()["message"] and not simulator.requests
        assert (await gateway.row())["status_code"] == 400


@pytest.mark.parametrize("endpoint", ["models", "embeddings", "v1/chat/completions"])
async def test_compat_has_nothing_else(gateway: Gateway, simulator: Simulator, endpoint: str) -> None:
    answer = await universal(gateway, [OPENAI, {**COMPAT, "endpoint": endpoint}])
    assert problem(answer) == (400, 2008) and not simulator.requests


ADDRESSES = ("//evil.example/v1", "https://evil.example/v1", "a\r\nb", "a b", "a" * 5000, "\u00e9")
LONG_HEADERS = ({"a": "b\r\nc: d"}, {"a": "\u0000"}, {"A": "1", "a": "2"}, dict.fromkeys(map(str, range(101)), "x"))
WRONG_FIELDS: dict[str, tuple[Any, ...]] = {
    "provider": (None, 5, ["openai"], {}, "", "openai\n", "a" * 100),
    "endpoint": (None, 5, [], "", "/", "a/../../b", "a/%2e%2e/b", "a/%252E%252e/b", "a\\..\\b", *ADDRESSES),
    "query": (None, 5, "{}", [], [{}], True),
    "headers": (5, "a: b", [], [["a", "b"]], {"a b": "c"}, {"": "c"}, {"a": [1]}, *LONG_HEADERS),
    "config": (5, "x", [], True),
}
WRONG: dict[str, Any] = {
    "nothing": b"",
    "no JSON": b"{",
    "a text": b'"openai"',
    "a number": b"5",
    "null": b"null",
    "no steps": [],
    "too many steps": [OPENAI] * 21,
    "a step that is none": [5],
    "a step that is an array": [[OPENAI]],
    "an empty step": [{}],
    "deep": b"[" * 100_000,
    "a deep step": b'[{"a":' * 50_000,
    "not UTF-8": b'[{"provider":"\xff"}]',
    "a name twice": b'[{"provider":"openai","provider":"anthropic","endpoint":"x","query":{}}]',
    "data after the end": msgspec.json.encode([OPENAI]) + b"[]",
    **{f"{name} {value!r}": [{**OPENAI, name: value}] for name, values in WRONG_FIELDS.items() for value in values},
}


async def test_bad_input(gateway: Gateway, simulator: Simulator) -> None:
    told = []
    for name, body in WRONG.items():
        answer = await universal(gateway, body)
        if answer.status_code not in (400, 414) or problem(answer)[1] not in (7000, 7001, 2008):
            told.append((name[:80], answer.status_code, answer.text[:200]))
    assert not told and not simulator.requests


async def test_odd_but_sound(gateway: Gateway) -> None:
    """What says nothing is nothing; what is not ours to know is left alone."""
    odd: list[dict[str, Any]] = [
        {"headers": None},
        {"config": None},
        {"config": {}},
        {"headers": {"x-empty": ""}},
        {"id": "a"},
    ]
    for more in odd:
        assert (await universal(gateway, [{**OPENAI, **more}])).status_code == 200, more
    assert (await universal(gateway, [{**OPENAI, "config": {"cacheTtl": 60, "skipCache": True}}])).status_code == 200
    step = {**OPENAI, "provider": "OpenAI", "endpoint": "v1/chat/completions?x=1"}
    assert (await universal(gateway, step)).status_code == 200


async def test_the_steps_own_headers(gateway: Gateway, simulator: Simulator) -> None:
    step = {**OPENAI, "headers": {"Authorization": f"Bearer {OWN}", "X-Mine": 5, "OpenAI-Beta": "x=v1", "Host": "evil"}}
    assert (await universal(gateway, [step])).status_code == 200
    seen = simulator.requests[-1]
    assert seen.header("authorization") == f"Bearer {OWN}"
    assert (seen.header("x-mine"), seen.header("openai-beta")) == ("5", "x=v1")
    assert seen.header("host") != "evil" and seen.header("content-type") == "application/json"
    row = await gateway.row()
    request = await gateway.manage("GET", f"gateways/default/logs/{row['id']}/request")
    assert OWN not in str(row) and OWN not in request.text and "echo: yes" in request.text


async def test_no_key_of_one_step_reaches_another(gateway: Gateway, simulator: Simulator) -> None:
    simulator.next(Fault(status=500))
    steps = [{**OPENAI, "headers": {"authorization": f"Bearer {OWN}", "x-mine": "5"}}, ANTHROPIC]
    answer = await universal(gateway, steps, {**gateway.headers, "x-outer": "1"})
    assert answer.status_code == 200
    second = simulator.requests[-1]
    assert second.header("x-api-key") == "sk-ant-test"
    assert second.header("authorization") is None and second.header("x-mine") is None
    token = str(gateway.running.api_token).encode()
    for request in simulator.requests:
        assert request.header("x-outer") is None
        assert not any(token in value for _, value in request.headers)


@pytest.mark.parametrize("headers", [{}, {"cf-aig-authorization": "Bearer nonsense"}])
async def test_no_token(gateway: Gateway, simulator: Simulator, headers: dict[str, str]) -> None:
    assert (await universal(gateway, [OPENAI])).status_code == 200
    simulator.requests.clear()
    assert problem(await universal(gateway, [OPENAI], headers)) == (401, 2009)
    assert not simulator.requests and len(await gateway.rows()) == 1


async def test_a_gateway_that_there_is_not(gateway: Gateway) -> None:
    assert problem(await universal(gateway, [OPENAI], gateway_id="nobody")) == (400, 2001)


async def test_a_stranger_needs_a_key_for_each_step(gateway: Gateway, simulator: Simulator) -> None:
    assert (await gateway.manage("POST", "gateways", OPEN)).status_code == 200
    keyed = {**OPENAI, "headers": {"authorization": f"Bearer {OWN}"}}
    assert (await universal(gateway, [keyed], {}, "open")).status_code == 200
    simulator.requests.clear()
    assert problem(await universal(gateway, [OPENAI], {}, "open"))[0] == 400
    assert problem(await universal(gateway, [COMPAT], {}, "open"))[0] == 400
    # a key beside the steps is nobody's
    assert problem(await universal(gateway, [OPENAI], {"authorization": f"Bearer {OWN}"}, "open"))[0] == 400
    assert not simulator.requests
    simulator.next(Fault(status=500))
    answer = await universal(gateway, [keyed, ANTHROPIC], {}, "open")
    assert problem(answer)[0] == 400 and step_of(answer) == "1" and len(simulator.requests) == 1


async def test_our_token_within_a_step(gateway: Gateway, simulator: Simulator) -> None:
    """As callers of platform models write it: their token is that provider's key."""
    assert (await gateway.manage("POST", "gateways", OPEN)).status_code == 200
    ours = {**OPENAI, "headers": {"authorization": gateway.headers["authorization"]}}
    assert (await universal(gateway, [ours], {}, "open")).status_code == 200
    assert simulator.requests[-1].header("authorization") == "Bearer sk-openai-test"
    simulator.next(Fault(status=500))
    answer = await universal(gateway, [ours, ANTHROPIC], {}, "open")  # it speaks for its own step alone
    assert problem(answer)[0] == 400


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_other_methods(gateway: Gateway, method: str) -> None:
    path = f"/v1/{gateway.running.account_id}/default"
    answer = await gateway.client.request(method, path, headers=gateway.headers)
    assert problem(answer)[0] == 405 and answer.headers["allow"] == "POST"


async def test_a_body_over_the_limit(start_gateway: StartGateway, simulator: Simulator) -> None:
    gateway = await start_gateway(body_max_bytes=4096)
    assert (await universal(gateway, [OPENAI])).status_code == 200
    long = {**OPENAI, "query": {**OPENAI["query"], "user": "x" * 4096}}
    assert problem(await universal(gateway, [long])) == (413, 3006) and len(simulator.requests) == 1


async def test_what_is_wrong_with_it_is_told_and_no_key_is_kept(gateway: Gateway) -> None:
    steps = [{**OPENAI, "headers": {"authorization": f"Bearer {OWN}"}}, {**OPENAI, "provider": "nobody"}]
    assert (await universal(gateway, steps)).status_code == 400
    row = await gateway.row()
    request = await gateway.manage("GET", f"gateways/default/logs/{row['id']}/request")
    assert OWN not in str(row) and OWN not in request.text and "nobody" in row["error_message"]


@pytest.mark.parametrize("models", [["openai/gpt-4o"], ["openai/*"], ["anthropic/claude-haiku-4.5"]])
async def test_a_token_that_is_bound_to_models(gateway: Gateway, tmp_path: Path, models: list[str]) -> None:
    assert (await universal(gateway, [OPENAI])).status_code == 200
    bound = Token(
        id="bound",
        account_id=str(gateway.running.account_id),
        name="",
        digest=digest("secret-of-the-bound-token"),
        permissions=PERMISSIONS,
        models=tuple(models),
        created_at=1.0,
    )
    async with opened_configs(Settings(data_directory=str(tmp_path / "data0"))) as configs:
        await configs.add_token(bound)
    token = {"cf-aig-authorization": "Bearer secret-of-the-bound-token"}
    for steps in ([OPENAI, ANTHROPIC], [ANTHROPIC, OPENAI], [OPENAI, COMPAT], [COMPAT, OPENAI]):
        answer = await universal(gateway, steps, token)
        assert answer.status_code == 200, answer.text
        assert (await gateway.rows())[0]["provider"] == models[0].partition("/")[0]


async def test_the_calls_own_head_says_nothing_of_a_step(gateway: Gateway, simulator: Simulator) -> None:
    """As curl sends it."""
    headers = {
        "cf-aig-authorization": gateway.headers["authorization"],
        "content-type": "application/x-www-form-urlencoded",
    }
    for step in (OPENAI, COMPAT):
        assert (await universal(gateway, [step], headers)).status_code == 200
        assert simulator.requests[-1].header("content-type") == "application/json"


async def test_a_step_that_cannot_be_called_is_told_in_its_turn(gateway: Gateway, simulator: Simulator) -> None:
    """A provider without an address here, or without a credential."""
    for provider, endpoint in (("azure-openai", "chat/completions"), ("cohere", "v2/chat")):
        step = {**OPENAI, "provider": provider, "endpoint": endpoint}
        answer = await universal(gateway, [step, OPENAI])
        assert answer.status_code == 200 and step_of(answer) == "1"
        assert problem(await universal(gateway, [step])) == (400, 7000)
