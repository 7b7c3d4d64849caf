"""Which provider's which dialect answers which path; and what holds for all: no header of a gateway's own comes
through, a known key, a readable body. A provider to come is a folder beside `openai` and its lines here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.simulator.anthropic import messages
from isthmus.simulator.anthropic.vendor import ANTHROPIC
from isthmus.simulator.exchange import Answer, Exchange, Provider, Rejection, Respond, Scripted, World
from isthmus.simulator.faults import PLAIN, Fault, UnknownDirective
from isthmus.simulator.openai import chat, responses
from isthmus.simulator.openai.vendor import OPENAI
from isthmus.simulator.recorded import RecordedRequest
from isthmus.simulator.shape import ShapeError

_ROUTES: dict[tuple[str, str], tuple[Provider, Respond]] = {
    ("POST", "/v1/chat/completions"): (OPENAI, chat.respond),
    ("POST", "/v1/responses"): (OPENAI, responses.respond),
    ("POST", "/v1/messages"): (ANTHROPIC, messages.respond),
    ("POST", "/v1/messages/count_tokens"): (ANTHROPIC, messages.count),
}
_MODELS = "/v1/models"
_GATEWAY_HEADER = b"cf-aig-"
_GATEWAY_FIELDS = ("options", "gateway")


def respond(request: RecordedRequest, world: World, scripted: Fault | None, prefix: str) -> tuple[Answer, Fault]:
    """The answer, and the fault that the delivery is to heed."""
    exchange = Exchange(request, world, scripted)
    path = request.path.removeprefix(prefix) if request.path.startswith(prefix) else ""
    provider, answer = _find(request, path)
    try:
        _check_leaks(request)
        provider.authenticate(request)
        if answer is None:
            raise _unknown(provider, request)
        if request.method == "POST":
            _check_body(provider, exchange)
        return answer(exchange), exchange.fault
    except Scripted:
        return provider.refuse(provider.trouble(exchange), exchange), exchange.fault
    except ShapeError as error:
        rejection = provider.rephrase(error)
    except UnknownDirective as error:
        rejection = Rejection(str(error))
    except Rejection as error:
        rejection = error
    exchange.fault = PLAIN  # what breaks a rule is told so plainly, whatever was scripted
    return provider.refuse(rejection, exchange), PLAIN


def _find(request: RecordedRequest, path: str) -> tuple[Provider, Respond | None]:
    if found := _ROUTES.get((request.method, path)):
        return found
    is_anthropic = request.header("anthropic-version") is not None or request.header("x-api-key") is not None
    provider: Provider = ANTHROPIC if is_anthropic or path.startswith("/v1/messages") else OPENAI
    if (request.method, path) == ("GET", _MODELS):
        return provider, provider.list_models
    return provider, None


def _unknown(provider: Provider, request: RecordedRequest) -> Rejection:
    if provider is ANTHROPIC:
        return Rejection("Not Found", status=404, kind="not_found_error")
    return Rejection(f"Invalid URL ({request.method} {request.path})", status=404)


def _check_leaks(request: RecordedRequest) -> None:
    for name, _ in request.headers:
        if name.lower().startswith(_GATEWAY_HEADER):
            raise Rejection(f"The gateway's own header '{name.decode('latin-1')}' was sent to the provider.")


def _check_body(provider: Provider, exchange: Exchange) -> None:
    content_type = (exchange.request.header("content-type") or "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise Rejection(
            f"Unsupported content type: '{content_type}'. This API method only accepts 'application/json' requests.",
            code="unsupported_content_type",
        )
    try:
        raw: Any = exchange.raw
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejection(f"We could not parse the JSON body of your request: {error}.") from error
    if not isinstance(raw, dict):
        raise Rejection("The body of your request must be a JSON object.")
    for name in _GATEWAY_FIELDS:
        if name in raw:
            raise Rejection(
                f"The gateway's own field '{name}' was sent to the provider.", param=name, code="unknown_parameter"
            )
