"""The acceptance checks on headers, timeouts, secrets and rows, each under its number (data-plane 17)."""

from __future__ import annotations

import itertools
import json
import logging
import time
from pathlib import Path
from typing import Any

import pytest

CHAT = "v1/chat/completions"
OPENAI = "openai/gpt-4o"
ANTHROPIC = "anthropic/claude-haiku-4.5"
PATHS = [CHAT, "v1/responses", "v1/messages", "run"]
KEYS = ("sk-openai-test", "sk-ant-test")


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


OURS = {
    "cf-aig-gateway-id": "default",
    "cf-aig-metadata": '{"team":"red"}',
    "cf-aig-event-id": "mine-1",
    "cf-aig-authorization": "Bearer something",
    "cf-aig-made-up": "x",
    "cf-cache-ttl": "60",
    "cf-skip-cache": "true",
    "cf-connecting-ip": "192.0.2.1",
    "x-forwarded-for": "192.0.2.1",
    "cookie": "session=1",
    "x-unknown": "1",
}


@pytest.mark.parametrize(
    ("model", "name", "key"),
    [(OPENAI, "authorization", f"Bearer {KEYS[0]}"), (ANTHROPIC, "x-api-key", KEYS[1])],
)
async def test_16_nothing_of_ours_reaches_the_provider(
    gateway: Any, simulator: Any, model: str, name: str, key: str
) -> None:
    for path in PATHS:
        answer = await gateway.post(path, ask(path, model), headers=OURS)
        assert answer.headers["cf-aig-event-id"] == "mine-1"
        sent = headers_of(simulator.requests[-1])
        assert not set(OURS) & set(sent) and not [each for each in sent if each.startswith("cf-")]
        assert gateway.running.api_token not in str(sent) and sent[name] == key
    assert len(simulator.requests) == len(PATHS)


def headers_of(request: Any) -> dict[str, str]:
    return {bytes(name).decode().lower(): bytes(value).decode() for name, value in request.headers}


async def test_16_the_allowed_ones_do(gateway: Any, simulator: Any) -> None:
    given = {"anthropic-version": "2023-06-01", "anthropic-beta": "some-beta", "traceparent": "00-1-2-01"}
    await gateway.post("v1/messages", ask("v1/messages", ANTHROPIC), headers=given)
    sent = headers_of(simulator.requests[0])
    assert {name: sent[name] for name in given} == given


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_17_the_log_id_names_a_row(gateway: Any, stream: bool) -> None:
    for path, model in itertools.product(PATHS, (OPENAI, ANTHROPIC)):
        for text in ("echo: Good morning.", "hello [[sim: fault=503]]", "hello [[sim: fault=reset]]"):
            answer = await gateway.post(path, ask(path, model, text, stream=stream))
            headers = answer.headers
            assert headers["cf-aig-log-id"] == headers["cf-aig-request-id"] == headers["cf-aig-event-id"]
            assert headers["cf-aig-step"] == "0"
            found = await gateway.manage("GET", f"gateways/default/logs/{headers['cf-aig-log-id']}")
            row = found.json()["result"]
            assert (row["status_code"], row["success"]) == (answer.status_code, answer.status_code == 200)
            assert (row["provider"], row["streamed"]) == (model.partition("/")[0], stream)
            assert answer.status_code == 200 or row["error_code"]


async def test_18_bad_header_values_do_not_fail_the_call(gateway: Any) -> None:
    bad = {
        "cf-aig-skip-cache": "maybe",
        "cf-aig-cache-ttl": "-1",
        "cf-aig-collect-log": "perhaps",
        "cf-aig-collect-log-payload": "7",
        "cf-aig-metadata": "{not json",
        "cf-aig-request-timeout": "soon",
        "cf-aig-max-attempts": "9" * 20,
        "cf-aig-event-id": "with spaces",
        "cf-aig-gateway-id": "",
    }
    answer = await gateway.post(CHAT, ask(CHAT, OPENAI), headers=bad)
    assert answer.status_code == 200 and answer.headers["cf-aig-event-id"] == answer.headers["cf-aig-request-id"]
    row = await gateway.row()
    assert row["success"] is True and "metadata" not in row


@pytest.mark.parametrize(
    ("model", "setting", "headers"),
    [
        (OPENAI, {}, {"cf-aig-request-timeout": "400"}),
        (ANTHROPIC, {"first_byte_timeout_seconds": 0.4}, {}),
    ],
    ids=["header", "setting"],
)
async def test_45_a_slow_long_stream_is_not_cut(
    start_gateway: Any, model: str, setting: dict[str, Any], headers: dict[str, str]
) -> None:
    """The timeout is for the first byte alone."""
    gateway = await start_gateway(**setting)
    started = time.monotonic()
    slow = ask(CHAT, model, "Tell a story. [[sim: events=12 delay_ms=60]]", stream=True)
    answer = await gateway.post(CHAT, slow, headers=headers)
    assert answer.text.endswith("data: [DONE]\n\n") and time.monotonic() - started > 0.5
    late = ask(CHAT, model, "hello [[sim: slow_first_byte=60000]]", stream=True)
    assert problem(await gateway.post(CHAT, late, headers=headers)) == (504, 2005)
    ends = [(row["end"], row["status_code"]) for row in await gateway.rows()]
    assert ends == [("timed_out", 504), ("completed", 200)]


async def test_53_the_providers_keys_appear_nowhere(gateway: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Not even where the provider itself quotes them, or fails in a way of its own."""
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    for directive in ("", "fault=401", "fault=403", "fault=429", "fault=500", "fault=malformed_json", "fault=reset"):
        for model in (OPENAI, ANTHROPIC):
            for path in PATHS:
                text = f"hello [[sim: {directive}]]" if directive else "hello"
                answer = await gateway.post(path, ask(path, model, text))
                told += [answer.text, str(answer.headers.raw)]
    told.append((await gateway.manage("GET", "gateways/default")).text)
    for page in (1, 2):
        listed = await gateway.manage("GET", f"gateways/default/logs?per_page=50&page={page}")
        told.append(listed.text)
        for row in listed.json()["result"]:
            for part in ("", "/request", "/response"):
                told.append((await gateway.manage("GET", f"gateways/default/logs/{row['id']}{part}")).text)
    assert len(told) > 2 * 7 * 2 * 4 * 2
    # What httpcore and httpx say of this test's own requests is not the gateway's.
    told += [record.getMessage() for record in caplog.records if record.name.startswith("isthmus")]
    secrets = [*KEYS, gateway.running.api_token]
    assert not [text for text in told for secret in secrets if secret in text]


async def test_53_nor_does_the_disk_hold_them(gateway: Any, tmp_path: Path) -> None:
    await gateway.post(CHAT, ask(CHAT, OPENAI))
    await gateway.post(CHAT, ask(CHAT, ANTHROPIC, "hello [[sim: fault=401]]"))
    await gateway.running.aclose()
    files = [file for file in (tmp_path / "data0").rglob("*") if file.is_file()]
    assert files
    assert not [file for file in files for key in KEYS if key.encode() in file.read_bytes()]


@pytest.mark.parametrize("wish", [True, False, None])
@pytest.mark.parametrize("collects", [True, False])
async def test_55_collect_log_in_both_directions(gateway: Any, collects: bool, wish: bool | None) -> None:
    await gateway.post(CHAT, ask(CHAT, OPENAI), headers={"cf-aig-collect-log": "false"})  # makes the gateway
    assert await gateway.rows() == []
    await gateway.manage("PATCH", "gateways/default", {"collect_logs": collects})
    headers = {} if wish is None else {"cf-aig-collect-log": str(wish)}
    answer = await gateway.post(CHAT, ask(CHAT, OPENAI), headers=headers)
    kept = collects if wish is None else wish
    assert ("cf-aig-log-id" in answer.headers, len(await gateway.rows())) == (kept, int(kept))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_55_a_row_without_payloads(gateway: Any, stream: bool) -> None:
    body = ask(CHAT, OPENAI, stream=stream)
    with_payload = await gateway.post(CHAT, body)
    without = await gateway.post(CHAT, body, headers={"cf-aig-collect-log-payload": "false"})
    neither = {"cf-aig-collect-log-payload": "true", "cf-aig-collect-log": "false"}
    assert "cf-aig-log-id" not in (await gateway.post(CHAT, body, headers=neither)).headers
    assert len(await gateway.rows()) == 2

    async def payload(answer: Any, side: str) -> Any:
        return await gateway.manage("GET", f"gateways/default/logs/{answer.headers['cf-aig-log-id']}/{side}")

    assert (await payload(with_payload, "request")).json() == body
    kept = (await payload(with_payload, "response")).json()
    assert kept == (with_payload.text if stream else with_payload.json())
    row = (await payload(without, "")).json()
    for side in ("request", "response"):
        assert b"Good morning." not in (await payload(without, side)).content
    assert "Good morning." not in json.dumps(row)
    bare = next(each for each in await gateway.rows() if each["id"] == without.headers["cf-aig-log-id"])
    assert bare["tokens_in"] > 0 and bare["success"] is True


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (
            '{"a":1,"b":"two","c":true,"d":null,"e":1.5,"f":6,"g":7}',
            {"a": 1, "b": "two", "c": True, "d": None, "e": 1.5},
        ),
        ('{"a":{"nested":1},"b":[1],"c":"kept"}', {"c": "kept"}),
        ('{"cf.user_id":"forged","cf.":1,"cf":"mine"}', {"cf": "mine"}),
        ('{"name":"J\\u00fcrgen"}', {"name": "Jürgen"}),
        ("[1,2]", None),
        ("{}", None),
    ],
)
async def test_56_metadata(gateway: Any, sent: str, kept: dict[str, Any] | None) -> None:
    answer = await gateway.post(CHAT, ask(CHAT, OPENAI), headers={"cf-aig-metadata": sent})
    assert answer.status_code == 200
    told = (await gateway.row()).get("metadata")
    assert (None if told is None else json.loads(told)) == kept


async def test_changes_hold_for_the_next_call(gateway: Any) -> None:
    """No 75 seconds, as users of the reference saw (data-plane 3.3)."""
    await gateway.post(CHAT, ask(CHAT, OPENAI))
    for expected, method, body in (
        (1, "PATCH", {"collect_logs": False}),
        (2, "PATCH", {"collect_logs": True}),
        (2, "PUT", {**PUT, "collect_logs": False}),
        (3, "PUT", {**PUT, "collect_logs": True}),
    ):
        assert (await gateway.manage(method, "gateways/default", body)).status_code == 200
        await gateway.post(CHAT, ask(CHAT, OPENAI))
        assert len(await gateway.rows()) == expected


PUT = {
    "cache_invalidate_on_update": False,
    "cache_ttl": None,
    "rate_limiting_interval": None,
    "rate_limiting_limit": None,
}
