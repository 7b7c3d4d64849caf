"""The whole URL table of the data plane, and nothing else. Paths are below `/client/v4/accounts/{account_id}/ai/`."""

from __future__ import annotations

from functools import lru_cache

from isthmus.core.call import Endpoint
from isthmus.wire.registry import DIALECTS

_CHAT = Endpoint(request_type="chat.completions", dialect="openai_chat", errors=DIALECTS["openai_chat"])
_RESPONSES = Endpoint(request_type="responses", dialect="openai_responses", errors=DIALECTS["openai_responses"])
_MESSAGES = Endpoint(
    request_type="messages",
    dialect="anthropic_messages",
    errors=DIALECTS["anthropic_messages"],
    key_in_x_api_key=True,
)
_RUN = Endpoint(request_type="run", dialect=None, errors=DIALECTS["workers_ai"], enveloped=True)

UNKNOWN = _RUN
"""Speaks for paths that are nobody's: its errors have the general shape E1."""

POST: dict[str, Endpoint] = {
    "v1/chat/completions": _CHAT,
    "v1/responses": _RESPONSES,
    "v1/messages": _MESSAGES,
    "v1/v1/messages": _MESSAGES,  # Anthropic's SDK appends /v1/messages to a base that ends in /v1 (data-plane 2.1)
    "run": _RUN,
}

PREFIX = "/client/v4/accounts/"
RUN_PREFIX = "run/"
REMEMBERED_PATHS = 4096


@lru_cache(REMEMBERED_PATHS)  # callers call few paths: 0.1 µs instead of 2, and bounded
def find(path: str) -> tuple[str, Endpoint | None, str | None] | None:
    """(account id, endpoint, model in the path) of a decoded path; None where the path is not below `…/ai/` at all."""
    account_id, slash, rest = path[len(PREFIX) :].partition("/")
    if not slash or not rest.startswith("ai/") or not path.startswith(PREFIX):
        return None
    rest = rest[3:]
    endpoint = POST.get(rest)
    if endpoint is None and rest.startswith(RUN_PREFIX) and len(rest) > len(RUN_PREFIX):
        return account_id, _RUN, rest[len(RUN_PREFIX) :]
    return account_id, endpoint, None
