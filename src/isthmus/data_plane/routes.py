"""The whole URL table of the data plane, and nothing else. Paths are below `/client/v4/accounts/{account_id}/ai/`."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from isthmus.core.call import Endpoint
from isthmus.wire.registry import DIALECTS

_CHAT = Endpoint(request_type="chat.completions", dialect="openai_chat", errors=DIALECTS["openai_chat"])
_RESPONSES = Endpoint(request_type="responses", dialect="openai_responses", errors=DIALECTS["openai_responses"])
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
    "v1/responses": _RESPONSES,
    "v1/messages": _MESSAGES,
    "v1/messages/count_tokens": _COUNT,
    # Anthropic's SDK appends /v1/messages to a base that ends in /v1 (data-plane 2.1)
    "v1/v1/messages": _MESSAGES,
    "v1/v1/messages/count_tokens": _COUNT,
    "run": _RUN,
}

PREFIX = "/client/v4/accounts/"
RUN_PREFIX = "run/"
GOOGLE = "google/"
REMEMBERED_PATHS = 4096

_GEMINI = re.compile(r"v1(?:beta)?/models/(.+):(\w+)\Z")


class Address(msgspec.Struct, frozen=True):
    """What a path says. `endpoint` None: there is none of ours, and `otherwise` says so. `model`: the one that stands
    in the path."""

    account_id: str
    endpoint: Endpoint | None
    model: str | None = None
    otherwise: Endpoint = UNKNOWN


@lru_cache(REMEMBERED_PATHS)  # callers call few paths: 0.1 µs instead of 2, and bounded
def find(path: str) -> Address | None:
    """Of a decoded path; None where it is not below `…/ai/` at all."""
    account_id, slash, rest = path[len(PREFIX) :].partition("/")
    if not slash or not rest.startswith("ai/") or not path.startswith(PREFIX):
        return None
    rest = rest[3:]
    endpoint = POST.get(rest)
    if endpoint is None and rest.startswith(RUN_PREFIX) and len(rest) > len(RUN_PREFIX):
        return Address(account_id, _RUN, rest[len(RUN_PREFIX) :])
    if endpoint is None and (found := _GEMINI.match(rest)):
        # Google's SDKs send a bare name: it is one of Google's own then.
        model = found[1] if "/" in found[1] else GOOGLE + found[1]
        return Address(account_id, GENERATE.get(found[2]), model, GENERATE["generateContent"])
    return Address(account_id, endpoint)
