"""Cloudflare's own `workers-ai-provider`, only the host changed: platform models by REST and by a Worker's binding,
others' by both of its ways through the gateway."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sdk.js.test_gateway_provider import asked
from sdk.js.test_javascript import installed

__all__ = ["installed"]

SAID = "It is Paris."
PLATFORMS = ("rest", "rest through a gateway", "binding")
MODELS = ("openai/gpt-4o", "anthropic/claude-haiku-4-5", "google/gemini-2.5-flash")
each_platform = pytest.mark.parametrize("platform", PLATFORMS)
each_model = pytest.mark.parametrize("model", MODELS)


@pytest.fixture(scope="module")
def told(installed: Path, served: Any) -> dict[str, Any]:
    return asked(installed, served, "workers-ai.mjs")


@each_platform
def test_platform_models(told: dict[str, Any], platform: str) -> None:
    whole, stream = told[f"platform whole {platform}"], told[f"platform stream {platform}"]
    assert "Paris" in whole["text"] and whole["output"] > 0 and whole["finishReason"] == "stop", whole
    assert "Paris" in stream["text"] and stream["output"] > 0 and stream["parts"] > 1, stream
    tools = told[f"platform tools {platform}"]
    assert tools == {"called": [["get_weather", {"city": "Paris"}]], "results": ["18 degrees in Paris"]}


@each_platform
def test_platform_vectors(told: dict[str, Any], platform: str) -> None:
    assert told[f"vectors {platform}"] == [384, 384]


@pytest.mark.parametrize(("case", "status"), [("unknown", 404), ("wrong token", 401), ("no gateway", 400)])
def test_platform_errors(told: dict[str, Any], case: str, status: int) -> None:
    error = told[f"platform {case}"]["error"]
    assert (error["name"], error["status"]) == ("AI_APICallError", status)
    assert '"success":false' in error["message"]


@pytest.mark.parametrize("model", ["openai/gpt-4o", "google/gemini-2.5-flash"])
def test_others_by_its_rest_client_alone(told: dict[str, Any], model: str) -> None:
    """It asks for them at `workers-ai/run/`, and reads chat completions."""
    assert told[f"rest {model}"]["text"] == told[f"rest stream {model}"]["text"] == SAID


@each_model
@pytest.mark.parametrize("way", ["run", "run stream", "gateway", "gateway stream"])
def test_by_run_and_by_the_gateway(told: dict[str, Any], served: Any, way: str, model: str) -> None:
    case = told[f"{way} {model}"]
    assert case["text"] == SAID and case["output"] > 0, case
    seen = case["dispatch"]
    assert (seen["transport"], seen["status"], seen["cfStep"], seen["cacheStatus"]) == (way.split()[0], 200, "0", None)
    # the gateway's way is never resumable, in its own words
    assert (seen["runId"] is not None) == (way == "run stream")
    row = served.row(seen["logId"])
    assert row["success"] is True and row["tokens_out"] == case["output"]


@each_model
@pytest.mark.parametrize("way", ["run", "gateway"])
def test_tools(told: dict[str, Any], way: str, model: str) -> None:
    case = told[f"{way} tools {model}"]
    assert case["called"] == [["get_weather", {"city": "Paris"}]], case
    assert case["results"] == ["18 degrees in Paris"] and case["dispatches"] == 2


@each_model
def test_its_own_fallback(told: dict[str, Any], model: str) -> None:
    case = told[f"client fallback {model}"]
    assert case["text"] == SAID and case["dispatches"] == 2, case


@each_model
@pytest.mark.parametrize("way", ["server fallback", "server fallback stream"])
def test_the_gateways_fallback(told: dict[str, Any], served: Any, way: str, model: str) -> None:
    case = told[f"{way} {model}"]
    assert case["text"] == SAID and case["dispatch"]["cfStep"] == "1", case
    assert served.row(case["dispatch"]["logId"])["step"] == 1


def test_controls(told: dict[str, Any], served: Any) -> None:
    case = told["controls"]
    assert case["text"] == SAID, case
    assert json.loads(served.row(case["dispatch"]["logId"])["metadata"]) == {"team": "blue"}


def test_keys_and_providers_of_ones_own(told: dict[str, Any], served: Any) -> None:
    own = told["own key"]
    assert own["text"] == told["a provider of one's own"]["text"] == SAID
    assert served.row(own["dispatch"]["logId"])["wholesale"] is False


def test_all_fail(told: dict[str, Any]) -> None:
    assert told["all of a client's fallbacks fail"]["error"]["kind"] == "WorkersAIFallbackError"


def test_a_stream_that_it_comes_back_to(told: dict[str, Any]) -> None:
    case = told["resumed"]
    assert case["text"] == case["wanted"] and case["dispatch"]["runId"], case
