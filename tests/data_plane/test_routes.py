"""Where an address leads: the REST API, the gateway host, and the short ones."""

from __future__ import annotations

import pytest

from isthmus.core.call import Address
from isthmus.data_plane.routes import find, find_older


def led(path: str) -> Address:
    address = find_older(path)
    assert address is not None, path
    return address


@pytest.mark.parametrize("path", ["/", "/v2/a/b", "/health/live", "/client/v4/accounts", "/openaix/v1", "/dashboard/"])
def test_nobodys(path: str) -> None:
    assert find(path) is None and find_older(path) is None


def test_a_providers_own_path_is_kept_as_it_was_sent() -> None:
    rest = "v1/models/arn%3Aaws%2Fx:invoke"
    found = led(f"/v1/acc/gw/aws-bedrock/{rest}")
    assert found.endpoint is not None and found.endpoint.handler == "native" and found.endpoint.methods == ()
    assert (found.account_id, found.gateway_id, found.provider, found.rest) == ("acc", "gw", "aws-bedrock", rest)


@pytest.mark.parametrize("path", ["/v1/acc/gw", "/v1/acc/gw/"])
def test_the_base_itself(path: str) -> None:
    endpoint = led(path).endpoint
    assert endpoint is not None and endpoint.handler == "universal" and endpoint.methods == ("POST",)


def test_compat() -> None:
    endpoint = led("/v1/acc/gw/compat/chat/completions").endpoint
    assert endpoint is not None and endpoint.handler == "compat" and endpoint.dialect == "openai_chat"


@pytest.mark.parametrize("path", ["/v1/", "/v1/acc", "/v1/acc/", "/v1//gw/openai/x"])
def test_what_lacks_a_part_leads_nowhere(path: str) -> None:
    found = led(path)
    assert found.endpoint is None and found.otherwise is not None


@pytest.mark.parametrize(
    ("path", "dialect", "author"),
    [
        ("/openai/v1/chat/completions", "openai_chat", "openai"),
        ("/openai/chat/completions", "openai_chat", "openai"),
        ("/openai/v1/responses", "openai_responses", "openai"),
        ("/anthropic/v1/messages", "anthropic_messages", "anthropic"),
        ("/anthropic/v1/v1/messages", "anthropic_messages", "anthropic"),
        ("/google/v1beta/models/gemini-2.5-flash:generateContent", "gemini", "google"),
        ("/google/v1beta/models/openai%2Fgpt-5.5:generateContent", "gemini", "google"),
    ],
)
def test_short_addresses_speak_the_dialects(path: str, dialect: str, author: str) -> None:
    found = led(path)
    assert found.endpoint is not None and found.endpoint.dialect == dialect
    assert found.endpoint.handler == ("responses" if dialect == "openai_responses" else "chat")
    assert (found.account_id, found.gateway_id, found.author) == ("", None, author)


def test_what_a_short_address_does_not_speak_is_the_providers_own() -> None:
    found = led("/openai/v1/files/file-1")
    assert found.endpoint is not None and found.endpoint.handler == "short_native"
    assert (found.provider, found.rest) == ("openai", "v1/files/file-1")
    google = led("/google/v1beta/files")
    assert google.provider == "google-ai-studio" and google.endpoint is not None
    assert google.endpoint.key_header == b"x-goog-api-key"
