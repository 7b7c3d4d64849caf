"""Which provider's which dialect answers which path; and what holds for all: no header of a gateway's own comes
through, a known key, a readable body. A provider to come is a folder beside `openai` and its lines here.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

import msgspec

from isthmus.simulator.anthropic import messages
from isthmus.simulator.anthropic.vendor import ANTHROPIC
from isthmus.simulator.bedrock import converse
from isthmus.simulator.bedrock.vendor import BEDROCK
from isthmus.simulator.cohere import chat as cohere_chat
from isthmus.simulator.cohere.vendor import COHERE
from isthmus.simulator.embeddings import bedrock as bedrock_embeddings
from isthmus.simulator.embeddings import cohere as cohere_embeddings
from isthmus.simulator.embeddings import google as google_embeddings
from isthmus.simulator.embeddings import openai as openai_embeddings
from isthmus.simulator.exchange import Answer, Exchange, Provider, Rejection, Respond, Scripted, World
from isthmus.simulator.faults import PLAIN, Fault, UnknownDirective
from isthmus.simulator.google import content
from isthmus.simulator.google.vendor import PUBLISHED, STUDIO, VERTEX
from isthmus.simulator.openai import chat, completions, responses, responses_apart
from isthmus.simulator.openai.vendor import OPENAI
from isthmus.simulator.recorded import RecordedRequest
from isthmus.simulator.shape import ShapeError

# A `{name}` stands for one segment of a path, or what a literal ending leaves of it; `exchange.path_values` has it.
_ROUTES: dict[tuple[str, str], tuple[Provider, Respond]] = {
    ("POST", "/v1/chat/completions"): (OPENAI, chat.respond),
    ("POST", "/v1/responses"): (OPENAI, responses.respond),
    ("POST", "/v1/responses/input_tokens"): (OPENAI, responses_apart.count),
    ("POST", "/v1/responses/compact"): (OPENAI, responses_apart.compact),
    ("POST", "/v1/completions"): (OPENAI, completions.respond),
    ("POST", "/v1/messages"): (ANTHROPIC, messages.respond),
    ("POST", "/v1/messages/count_tokens"): (ANTHROPIC, messages.count),
    ("POST", "/v2/chat"): (COHERE, cohere_chat.respond),
    ("POST", "/v1/embeddings"): (OPENAI, openai_embeddings.respond),
    ("POST", "/v2/embed"): (COHERE, cohere_embeddings.respond),
    ("POST", "/model/{model}/invoke"): (BEDROCK, bedrock_embeddings.invoke),
    ("POST", "/v1beta/models/{model}:embedContent"): (STUDIO, google_embeddings.embed),
    ("POST", "/v1beta/models/{model}:batchEmbedContents"): (STUDIO, google_embeddings.embed_batch),
    ("POST", "/model/{model}/converse"): (BEDROCK, converse.respond),
    ("POST", "/model/{model}/converse-stream"): (BEDROCK, converse.respond_streamed),
    ("POST", "/model/{model}/count-tokens"): (BEDROCK, converse.count),
    ("GET", "/v1beta/models"): (STUDIO, STUDIO.list_models),
    ("GET", "/v1beta/models/{model}"): (STUDIO, STUDIO.get_model),
    **{("POST", f"/v1/models/{{model}}:{name}"): (STUDIO, answer) for name, answer in content.METHODS.items()},
    **{("POST", f"/v1beta/models/{{model}}:{name}"): (STUDIO, answer) for name, answer in content.METHODS.items()},
    **{("POST", f"{PUBLISHED}{{model}}:{name}"): (VERTEX, answer) for name, answer in content.METHODS.items()},
}
# Whose manners a request gets that no route takes, and whose list `/v1/models` is: by what it sends, else by its path.
_OWN_HEADERS: dict[str, Provider] = {"anthropic-version": ANTHROPIC, "x-api-key": ANTHROPIC, "x-goog-api-key": STUDIO}
_OWN_PATHS: dict[str, Provider] = {
    "/model/": BEDROCK,
    "/v2/": COHERE,
    "/v1/messages": ANTHROPIC,
    "/v1beta/": STUDIO,
    "/v1/projects/": VERTEX,
}
_MODELS = "/v1/models"
_NAMED = re.compile(r"\\\{(\w+)\\\}")
_PATTERNS = {key: re.compile(_NAMED.sub(r"(?P<\1>[^/]+)", re.escape(key[1]))) for key in _ROUTES if "{" in key[1]}
_GATEWAY_HEADER = b"cf-aig-"
_GATEWAY_FIELDS = ("options", "gateway")


def respond(request: RecordedRequest, world: World, scripted: Fault | None, prefix: str) -> tuple[Answer, Fault]:
    """The answer, and the fault that the delivery is to heed."""
    exchange = Exchange(request, world, scripted)
    path = request.path.removeprefix(prefix) if request.path.startswith(prefix) else ""
    provider, answer = _find(exchange, path)
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
    except RecursionError:
        rejection = Rejection("The body of your request is nested too deeply.")
    exchange.fault = PLAIN  # what breaks a rule is told so plainly, whatever was scripted
    return provider.refuse(rejection, exchange), PLAIN


def _find(exchange: Exchange, path: str) -> tuple[Provider, Respond | None]:
    request = exchange.request
    if found := _ROUTES.get((request.method, path)):
        return found
    for key, pattern in _PATTERNS.items():
        if key[0] == request.method and (match := pattern.fullmatch(path)):
            exchange.path_values = {name: unquote(value) for name, value in match.groupdict().items()}
            return _ROUTES[key]
    by_header = (provider for name, provider in _OWN_HEADERS.items() if request.header(name) is not None)
    by_path = (provider for start, provider in _OWN_PATHS.items() if path.startswith(start))
    provider: Provider = next(by_header, None) or next(by_path, None) or OPENAI
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
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejection(f"We could not parse the JSON body of your request: {error}.") from error
    if not isinstance(raw, dict):
        raise Rejection("The body of your request must be a JSON object.")
    for name in _GATEWAY_FIELDS:
        if name in raw:
            raise Rejection(
                f"The gateway's own field '{name}' was sent to the provider.", param=name, code="unknown_parameter"
            )
