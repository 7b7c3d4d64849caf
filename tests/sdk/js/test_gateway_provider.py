"""Cloudflare's own `ai-gateway-provider`, only the host changed: the universal endpoint as its caller sees it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sdk.js.test_javascript import RUN_SECONDS, installed

__all__ = ["installed"]

MODELS = ("openai-chat", "openai-responses", "anthropic", "google", "unified-openai", "unified-anthropic")
SAID = "It is Paris."
each_model = pytest.mark.parametrize("model", MODELS)


def asked(installed: Path, served: Any, script: str) -> dict[str, Any]:
    """What one script was told, by case."""
    done = subprocess.run(
        ["node", script],
        cwd=installed,
        env={
            "PATH": os.environ["PATH"],
            "SERVER_URL": served.url,
            "ACCOUNT": served.account,
            "TOKEN": served.token,
        },
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@pytest.fixture(scope="module")
def told(installed: Path, served: Any) -> dict[str, Any]:
    return asked(installed, served, "gateway-provider.mjs")


@each_model
def test_whole(told: dict[str, Any], served: Any, model: str) -> None:
    case = told[f"whole {model}"]
    assert (case["text"], case["finishReason"], case["step"]) == (SAID, "stop", "0"), case
    row = served.row(case["logId"])
    assert row["success"] is True and row["tokens_out"] == case["output"] > 0


@each_model
def test_streamed(told: dict[str, Any], served: Any, model: str) -> None:
    case = told[f"stream {model}"]
    assert (case["text"], case["step"]) == (SAID, "0") and case["parts"] > 1, case
    assert served.row(case["logId"])["streamed"] is True


@each_model
def test_tools(told: dict[str, Any], model: str) -> None:
    case = told[f"tools {model}"]
    assert case["called"] == [["get_weather", {"city": "Paris"}]], case
    assert case["results"] == ["18 degrees in Paris"] and case["steps"] == 2


@each_model
@pytest.mark.parametrize("way", ["fallback", "stream fallback", "binding"])
def test_a_first_step_that_fails(told: dict[str, Any], served: Any, way: str, model: str) -> None:
    case = told[f"{way} {model}"]
    assert (case["text"], case["step"]) == (SAID, "1"), case
    row = served.row(case["logId"])
    assert row["step"] == 1 and row["success"] is True
    assert row["error_message"].startswith("before it, step 0 attempt 1: ")


@pytest.mark.parametrize("way", ["options", "options binding"])
def test_options(told: dict[str, Any], served: Any, way: str) -> None:
    case = told[way]
    assert case["text"] == SAID, case
    row = served.row(case["logId"])
    assert json.loads(row["metadata"]) == {"team": "blue"} and row["event_id"] == "event-of-js"


def test_no_log(told: dict[str, Any]) -> None:
    case = told["not logged"]
    assert case["text"] == SAID and "logId" not in case


def test_a_key_of_the_callers_own(told: dict[str, Any], served: Any) -> None:
    case = told["own key"]
    assert case["text"] == SAID, case
    assert served.row(case["logId"])["wholesale"] is False


def test_errors_that_it_knows(told: dict[str, Any]) -> None:
    """It has a class for each of two codes, and tells others by their status."""
    assert told["no gateway"]["error"]["kind"] == "AiGatewayDoesNotExist"
    assert told["wrong token"]["error"]["kind"] == "AiGatewayUnauthorizedError"
    failed = told["all fail"]["error"]
    assert (failed["name"], failed["status"]) == ("AI_APICallError", 404)
    unknown = told["unknown provider"]
    assert unknown["status"] == 400 and unknown["body"]["error"][0]["code"] == 2008


def test_the_url_of_a_provider(told: dict[str, Any], served: Any) -> None:
    assert told["url"] == f"{served.url}/v1/{served.account}/default/openai"


def test_a_platform_model_as_the_last_step(told: dict[str, Any]) -> None:
    case = told["platform step"]
    assert case["step"] == "1" and "Paris" in case["body"]["result"]["response"], case
