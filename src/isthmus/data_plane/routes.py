"""The whole URL table of the data plane, and nothing else.

The REST API is below `/client/v4/accounts/{account_id}/ai/`, the gateway host below `/v1/{account_id}/{gateway_id}`
(data-plane 1.2). The short addresses `/openai/`, `/anthropic/` and `/google/` leave account and gateway to the token.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote

import msgspec

from isthmus.core.call import Address, Endpoint
from isthmus.data_plane.gateway_host.errors import GATEWAY_HOST_ERRORS
from isthmus.wire.embeddings.registry import CALLERS
from isthmus.wire.registry import DIALECTS

_OPENAI = DIALECTS["openai_chat"]
_CHAT = Endpoint(request_type="chat.completions", dialect="openai_chat", errors=_OPENAI)
_COMPLETIONS = Endpoint(request_type="completions", dialect="openai_completions", errors=DIALECTS["openai_completions"])
_RESPONSES = Endpoint(
    request_type="responses",
    dialect="openai_responses",
    errors=DIALECTS["openai_responses"],
    handler="responses",
)
_COMPACT = msgspec.structs.replace(_RESPONSES, request_type="responses.compact", handler="compact")
_COUNT_RESPONSES = msgspec.structs.replace(_RESPONSES, request_type="responses.input_tokens", counts=True)
_EMBEDDINGS = Endpoint(
    request_type="embeddings",
    model_type="Text Embeddings",
    dialect="openai_embeddings",
    errors=CALLERS["openai_embeddings"],
    streams=False,
)
_MESSAGES = Endpoint(
    request_type="messages",
    dialect="anthropic_messages",
    errors=DIALECTS["anthropic_messages"],
    key_header=b"x-api-key",
)
_COUNT = Endpoint(
    request_type="count_tokens",
    dialect="anthropic_messages",
    errors=DIALECTS["anthropic_messages"],
    key_header=b"x-api-key",
    counts=True,
)


def _gemini(request_type: str, *, streams: bool = False, counts: bool = False) -> Endpoint:
    return Endpoint(
        request_type=request_type,
        dialect="gemini",
        errors=DIALECTS["gemini"],
        key_header=b"x-goog-api-key",
        streams=streams,
        counts=counts,
    )


GENERATE: dict[str, Endpoint] = {
    "generateContent": _gemini("generate_content"),
    "streamGenerateContent": _gemini("generate_content", streams=True),
    "countTokens": _gemini("count_tokens", counts=True),
}
_RUN = Endpoint(request_type="run", dialect=None, errors=DIALECTS["workers_ai"], enveloped=True)

UNKNOWN = _RUN
"""Speaks for paths that are nobody's: its errors have the general shape E1."""

POST: dict[str, Endpoint] = {
    "v1/chat/completions": _CHAT,
    "v1/completions": _COMPLETIONS,
    "v1/responses": _RESPONSES,
    "v1/responses/input_tokens": _COUNT_RESPONSES,
    "v1/responses/compact": _COMPACT,
    "v1/messages": _MESSAGES,
    "v1/embeddings": _EMBEDDINGS,
    "v1/messages/count_tokens": _COUNT,
    # Anthropic's SDK appends /v1/messages to a base that ends in /v1 (data-plane 2.1)
    "v1/v1/messages": _MESSAGES,
    "v1/v1/messages/count_tokens": _COUNT,
    "run": _RUN,
}

# The gateway host: any method for what is a provider's own, errors in the shape E2 (data-plane 5.1).
_NATIVE = Endpoint(request_type="native", dialect=None, errors=GATEWAY_HOST_ERRORS, handler="native", methods=())
UNIVERSAL = Endpoint(request_type="universal", dialect=None, errors=GATEWAY_HOST_ERRORS, handler="universal")
WEBSOCKET = msgspec.structs.replace(UNIVERSAL, request_type="websocket", handler="websocket", methods=("GET",))
_COMPAT = msgspec.structs.replace(_CHAT, handler="compat")
_NOT_COMPAT = msgspec.structs.replace(_CHAT, handler="not_compat", methods=())
COMPAT = "compat"
# This gateway's own models, at the address that they have on the gateway host.
_PLATFORM: dict[str, Endpoint] = {
    path: msgspec.structs.replace(POST[path], handler="platform") for path in ("v1/chat/completions", "v1/embeddings")
}
_PLATFORM_RUN = msgspec.structs.replace(_RUN, handler="platform")
WORKERS_AI = "workers-ai"

_RESUME = Endpoint(
    request_type="resume", dialect=None, errors=DIALECTS["workers_ai"], handler="resume", methods=("GET", "HEAD")
)

PREFIX = "/client/v4/accounts/"
GATEWAY_HOST = "/v1/"
RUN_PREFIX = "run/"
GOOGLE = "google"
REMEMBERED_PATHS = 4096
REMEMBERED_CHARACTERS = 512
"""Of one path: what is remembered for anybody's sake is bounded, 4 MB of it."""

# Short addresses: the provider whose SDK takes such a base, whose also a bare name of a model is.
SHORT: dict[str, str] = {"openai": "openai", "anthropic": "anthropic", "google": "google-ai-studio"}
_SHORT_NATIVE: dict[str, Endpoint] = {
    author: msgspec.structs.replace(_NATIVE, handler="short_native", errors=spoken.errors, key_header=spoken.key_header)
    for author, spoken in (("openai", _CHAT), ("anthropic", _MESSAGES), ("google", GENERATE["generateContent"]))
}

_RESUMED = re.compile(r"/client/v4/accounts/([^/]+)/ai-gateway/gateways/([^/]+)/run/([^/]+)/resume\Z")


def _state(shape: str, *methods: str) -> Endpoint:
    return msgspec.structs.replace(_RESPONSES, request_type=shape, handler="state", methods=methods)


# What is kept of Responses calls, by the shape of its address: `*` is an id.
STATE: dict[str, Endpoint] = {
    "responses/*": _state("responses/*", "GET", "DELETE"),
    "responses/*/input_items": _state("responses/*/input_items", "GET"),
    "responses/*/cancel": _state("responses/*/cancel", "POST"),
    "conversations": _state("conversations", "POST"),
    "conversations/*": _state("conversations/*", "GET", "POST", "DELETE"),
    "conversations/*/items": _state("conversations/*/items", "GET", "POST"),
    "conversations/*/items/*": _state("conversations/*/items/*", "GET", "DELETE"),
}

_KEPT = re.compile(r"v1/(responses|conversations)(?:/([^/]+)(?:/(\w+)(?:/([^/]+))?)?)?\Z")
_GEMINI = re.compile(r"v1(?:beta)?/models/(.+):(\w+)\Z")


def resumes(path: str) -> bool:
    """The one address of the data plane below `…/ai-gateway/`."""
    return _RESUMED.match(path) is not None


def find(path: str) -> Address | None:
    """Of a decoded path; None where it is not below `…/ai/` at all."""
    return _find(path) if len(path) <= REMEMBERED_CHARACTERS else _find.__wrapped__(path)


@lru_cache(REMEMBERED_PATHS)  # callers call few paths: 0.1 µs instead of 2, and bounded
def _find(path: str) -> Address | None:
    if found := _RESUMED.match(path):
        return Address(found[1], _RESUME, gateway_id=found[2], parameters=(found[3],))
    account_id, slash, rest = path[len(PREFIX) :].partition("/")
    if not slash or not rest.startswith("ai/") or not path.startswith(PREFIX):
        return None
    return _find_dialect(account_id, rest[3:])


def _find_dialect(account_id: str, rest: str, author: str | None = None) -> Address:
    endpoint = POST.get(rest)
    if endpoint is None and (kept := _KEPT.match(rest)):
        ids = tuple(part for part in (kept[2], kept[4]) if part)
        shape = "/".join(part for part in (kept[1], "*" * bool(kept[2]), kept[3], "*" * bool(kept[4])) if part)
        return Address(account_id, STATE.get(shape), otherwise=_RESPONSES, parameters=ids)
    if endpoint is None and rest.startswith(RUN_PREFIX) and len(rest) > len(RUN_PREFIX):
        return Address(account_id, _RUN, rest[len(RUN_PREFIX) :])
    if endpoint is None and (found := _GEMINI.match(rest)):
        # Google's SDKs send a bare name: it is one of Google's own then.
        return Address(account_id, GENERATE.get(found[2]), found[1], GENERATE["generateContent"], author=GOOGLE)
    return Address(account_id, endpoint, author=author)


def find_older(path: str) -> Address | None:
    """Of a path as it was sent, percent signs and all: the gateway host's, and the short ones. None: neither."""
    return _find_older(path) if len(path) <= REMEMBERED_CHARACTERS else _find_older.__wrapped__(path)


@lru_cache(REMEMBERED_PATHS)
def _find_older(path: str) -> Address | None:
    first, _, rest = path[1:].partition("/")
    if path.startswith(GATEWAY_HOST):
        return _find_gateway_host(rest)
    provider = SHORT.get(first)
    return None if provider is None else _find_short(first, provider, rest)


def _find_gateway_host(rest: str) -> Address:
    account_id, _, rest = rest.partition("/")
    gateway_id, _, rest = rest.partition("/")
    if not account_id or not gateway_id:
        return Address(account_id, None, otherwise=UNIVERSAL)
    if not rest:
        return Address(account_id, UNIVERSAL, otherwise=UNIVERSAL, gateway_id=gateway_id)
    provider, _, rest = rest.partition("/")
    if provider == COMPAT:
        endpoint = _COMPAT if rest == "chat/completions" else _NOT_COMPAT
        return Address(account_id, endpoint, gateway_id=gateway_id, provider=COMPAT, rest=rest)
    if provider == WORKERS_AI:
        platform, model = _find_platform(unquote(rest))
        return Address(account_id, platform, model, _PLATFORM_RUN, gateway_id, provider=WORKERS_AI, rest=rest)
    return Address(account_id, _NATIVE, gateway_id=gateway_id, provider=provider, rest=rest)


def _find_platform(rest: str) -> tuple[Endpoint | None, str | None]:
    """`@cf/…`, `run/@cf/…`, or a dialect's own path (data-plane 8). Cloudflare's own client asks for others' models by
    `run/author/model` here, too."""
    model = rest.removeprefix(RUN_PREFIX)
    named = model.startswith("@") or (rest.startswith(RUN_PREFIX) and "/" in model)
    return (_PLATFORM_RUN, model) if named else (_PLATFORM.get(rest), None)


def _find_short(author: str, provider: str, rest: str) -> Address:
    """An SDK that was given such a base may put its own `v1` behind it, once more or not at all."""
    spelled = unquote(rest) if rest.startswith(("v1/", "v1beta/")) else f"v1/{unquote(rest)}"
    address = _find_dialect("", spelled, author)
    if address.endpoint is not None:
        return address
    return Address("", _SHORT_NATIVE[author], provider=provider, rest=rest)
