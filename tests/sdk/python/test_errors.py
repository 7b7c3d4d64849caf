"""What goes wrong, as the SDKs tell it: each error in the class that its users catch, broken streams included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
import cloudflare
import openai
import pytest

from sdk.targets import LOCAL, PROVIDED, each_provided

OPENAI = "openai/gpt-4o"
ANTHROPIC = "anthropic/claude-haiku-4.5"

Ask = Callable[..., Any]


class Sdk:
    """One way to ask, `ask(model, text, stream=…)`, and the errors that its SDK has."""

    def __init__(self, errors: Any, create: Ask, question: Callable[[str], dict[str, Any]]) -> None:
        self.errors = errors
        self._create = create
        self._question = question

    def ask(self, model: str, text: str, **more: Any) -> Any:
        return self._create(model=model, **self._question(text), **more).parse()

    def stream(self, model: str, text: str) -> tuple[str, Any]:
        """The id of its row, and the events."""
        raw = self._create(model=model, **self._question(text), stream=True)
        return raw.headers["cf-aig-log-id"], raw.parse()


@pytest.fixture(params=["chat", "responses", "messages"])
def sdk(request: pytest.FixtureRequest, openai_client: openai.OpenAI, anthropic_client: anthropic.Anthropic) -> Sdk:
    def turns(text: str) -> dict[str, Any]:
        return {"messages": [{"role": "user", "content": text}]}

    if request.param == "chat":
        return Sdk(openai, openai_client.chat.completions.with_raw_response.create, turns)
    if request.param == "responses":
        return Sdk(openai, openai_client.responses.with_raw_response.create, lambda text: {"input": text})
    create = anthropic_client.messages.with_raw_response.create
    return Sdk(anthropic, create, lambda text: {**turns(text), "max_tokens": 99})


def code(error: Any) -> int:
    """Ours, which every dialect's errors carry beside its own words."""
    (problem,) = error.response.json()["errors"]
    found: int = problem["code"]
    return found


@pytest.mark.parametrize("model", ["openai-gpt", "nobody/at-all", "@cf/nobody/nothing", f"workers-ai/{LOCAL}"])
def test_13_14_an_unknown_model(sdk: Sdk, model: str) -> None:
    with pytest.raises(sdk.errors.NotFoundError, match="Model not found") as caught:
        sdk.ask(model, "hello")
    assert code(caught.value) == 7003
    if sdk.errors is openai:
        assert caught.value.code == "7003"


@pytest.mark.parametrize("key", ["not the token", ""])
def test_4_a_wrong_token(served: Any, key: str) -> None:
    given: Any = {"max_retries": 0}
    with openai.OpenAI(base_url=f"{served.ai}/v1", api_key=key or "x", **given) as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            client.chat.completions.create(model=OPENAI, messages=[{"role": "user", "content": "hello"}])
        assert (caught.value.code, code(caught.value)) == ("10000", 10000)
        assert caught.value.type == "authentication_error"
        with pytest.raises(openai.AuthenticationError):
            client.responses.create(model=OPENAI, input="hello")
    with anthropic.Anthropic(base_url=served.ai, api_key=key or "x", **given) as other:
        with pytest.raises(anthropic.AuthenticationError) as refused:
            other.messages.create(model=ANTHROPIC, messages=[{"role": "user", "content": "hello"}], max_tokens=9)
        assert code(refused.value) == 10000
    with cloudflare.Cloudflare(base_url=f"{served.url}/client/v4", api_token=key or "x", **given) as third:
        with pytest.raises(cloudflare.AuthenticationError) as denied:
            third.ai.run(LOCAL, account_id=served.account, prompt="hello")
        assert [problem.code for problem in denied.value.errors] == [10000]


def test_a_bad_request(sdk: Sdk) -> None:
    with pytest.raises(sdk.errors.BadRequestError, match="stream"):
        sdk.ask(OPENAI, "hello", extra_body={"stream": "yes"})


@each_provided
def test_a_bad_request_that_only_the_provider_knows_to_be_one(sdk: Sdk, model: str) -> None:
    with pytest.raises(sdk.errors.BadRequestError):
        sdk.ask(model, "hello [[sim: fault=no-such-fault]]")


@pytest.mark.parametrize("status", [500, 502, 503])
@each_provided
def test_the_provider_fails(sdk: Sdk, model: str, status: int) -> None:
    with pytest.raises(sdk.errors.InternalServerError) as caught:
        sdk.ask(model, f"hello [[sim: fault={status}]]")
    assert caught.value.status_code >= 500


@pytest.mark.parametrize("fault", ["reset", "close", "empty_body", "malformed_json", "wrong_content_type", "truncated"])
@each_provided
def test_the_provider_speaks_nonsense(sdk: Sdk, served: Any, model: str, fault: str) -> None:
    with pytest.raises(sdk.errors.InternalServerError) as caught:
        sdk.ask(model, f"hello [[sim: fault={fault}]]")
    assert (caught.value.status_code, code(caught.value)) == (502, 2005)
    row = served.row(caught.value.response.headers["cf-aig-log-id"])
    assert (row["success"], row["status_code"], row["error_code"]) == (False, 502, 2005)


def test_the_providers_key_is_refused(sdk: Sdk) -> None:
    """It is the installation's, and none of the caller's business."""
    for model in (target.model for target in PROVIDED):
        with pytest.raises(sdk.errors.InternalServerError, match="refused this installation's credential") as caught:
            sdk.ask(model, "hello [[sim: fault=401]]")
        assert caught.value.status_code == 503


@pytest.mark.parametrize("how", ["error_event=6", "cut_after=6", "reset_after=6", "end_after=6"])
@each_provided
def test_a_stream_that_breaks_off_is_an_error(sdk: Sdk, served: Any, model: str, how: str) -> None:
    """Never a short answer that looks like a whole one."""
    log_id, events = sdk.stream(model, f"Tell a story. [[sim: events=20 delay_ms=2 {how}]]")
    heard: list[Any] = []
    try:
        for event in events:
            heard.append(event)
    except sdk.errors.APIConnectionError:
        raise
    except sdk.errors.APIError as error:
        heard.append(error)
    else:
        assert heard[-1].type in ("error", "response.failed")  # the responses' own way: an event, no exception
    assert len(heard) > 1
    row = served.row_at_last(log_id)
    assert (row["end"], row["success"], row["status_code"]) == ("interrupted", False, 200)
