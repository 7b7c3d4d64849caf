"""The exact request that each provider is sent: address, headers, body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from isthmus.configuration.declared import NOTHING, Declared
from isthmus.configuration.read import load_declared
from isthmus.core.attempt import Attempt
from isthmus.core.call import Call, CallOptions
from isthmus.core.chat.request import Chat
from isthmus.core.ids import uuid7
from isthmus.core.snapshot import Snapshot
from isthmus.data_plane.outbound.dispatch import Dispatcher
from isthmus.data_plane.outbound.prepare import Preparation
from isthmus.data_plane.outbound.sender import Sender
from isthmus.data_plane.routes import POST
from isthmus.errors import InvalidRequest, NotFound, Unavailable
from isthmus.house import known
from isthmus.local.supervisor import LocalModels
from isthmus.providers.models import REMEMBERED_NAMES, ModelTable
from isthmus.targets import model_table
from isthmus.transport.protocol import Timeouts, UpstreamRequest
from isthmus.wire.body import Body
from isthmus.wire.registry import DIALECTS

CHAT, RESPONSES, MESSAGES = "v1/chat/completions", "v1/responses", "v1/messages"
KEYS = {"OPENAI_API_KEY": "sk-openai", "ANTHROPIC_API_KEY": "sk-ant", "NEAR_KEY": "sk-near"}
TIMEOUTS = Timeouts(connect_seconds=1, first_byte_seconds=2, idle_seconds=3)
BODY = '{"model":"MODEL","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}'
ANTHROPIC_VERSION = (b"anthropic-version", b"2023-06-01")
JSON = (b"content-type", b"application/json")
AGENT = (b"user-agent", b"isthmus/0.1")


class Unplugged:
    """A transport that keeps what it was to send."""

    def __init__(self) -> None:
        self.requests: list[UpstreamRequest] = []

    async def send(self, request: UpstreamRequest) -> Any:
        self.requests.append(request)
        raise Unavailable("unplugged")

    async def aclose(self) -> None:
        pass


def dispatcher(transport: Any) -> Dispatcher:
    async def fetch_nothing(chat: Chat, urls: Sequence[str]) -> Chat:
        raise AssertionError("nothing is fetched here")

    return Dispatcher(Preparation(DIALECTS, fetch_nothing), Sender(transport, DIALECTS, TIMEOUTS), DIALECTS)


def table(declared: Declared = NOTHING, environment: Mapping[str, str] = KEYS) -> ModelTable:
    return model_table(declared, environment, LocalModels({}))


def declare(tmp_path: Path, text: str) -> Declared:
    path = tmp_path / "isthmus.toml"
    path.write_text(text)
    return load_declared(str(path), known())


async def request(
    models: ModelTable,
    path: str,
    model: str,
    body: str = BODY,
    *,
    options: CallOptions | None = None,
    stream: bool = False,
    **headers: str,
) -> UpstreamRequest:
    """What goes out for a call. `headers` are the caller's, with underscores for hyphens."""
    named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    snapshot = Snapshot(version=1, accounts={}, tokens={}, gateways={}, models=models)
    call = Call(uuid7(), POST[path], "a", f"/ai/{path}", named, snapshot)
    call.body = Body(body.replace("MODEL", model).encode())
    call.model = model
    call.options = options or call.options
    call.stream = stream
    unplugged = Unplugged()
    assert call.dialect is not None
    target = models.resolve(model, call.dialect)
    with pytest.raises(Unavailable, match="unplugged"):
        await dispatcher(unplugged)(call, Attempt(target=target))
    (sent,) = unplugged.requests
    return sent


async def test_openai_chat() -> None:
    sent = await request(table(), CHAT, "openai/gpt-4o")
    assert sent == UpstreamRequest(
        method="POST",
        url="https://api.openai.com/v1/chat/completions",
        headers=(JSON, AGENT, (b"authorization", b"Bearer sk-openai")),
        body=BODY.replace("MODEL", "gpt-4o").encode(),
        timeouts=TIMEOUTS,
        allow_private_address=False,
    )


async def test_openai_responses() -> None:
    body = '{"model":"MODEL","input":"hi"}'
    sent = await request(table(), RESPONSES, "openai/gpt-5.5", body, openai_beta="responses=v1", cookie="a=b")
    assert sent.url == "https://api.openai.com/v1/responses"
    assert sent.headers == (JSON, AGENT, (b"authorization", b"Bearer sk-openai"), (b"openai-beta", b"responses=v1"))
    assert sent.body == b'{"model":"gpt-5.5","input":"hi"}'


async def test_anthropic() -> None:
    sent = await request(table(), MESSAGES, "anthropic/claude-haiku-4.5", x_api_key="the-callers", cf_aig_metadata="{}")
    assert sent.url == "https://api.anthropic.com/v1/messages"
    assert sent.headers == (JSON, AGENT, (b"x-api-key", b"sk-ant"), ANTHROPIC_VERSION)
    assert sent.body == BODY.replace("MODEL", "claude-haiku-4-5").encode()
    sent = await request(
        table(), MESSAGES, "anthropic/claude-haiku-4.5", anthropic_version="2023-01-01", anthropic_beta="a,b"
    )
    assert sent.headers[3:] == ((b"anthropic-version", b"2023-01-01"), (b"anthropic-beta", b"a,b"))


async def test_another_dialects_headers_stay_behind_and_tracing_goes_along() -> None:
    traced = {"traceparent": "00-1-2-01", "tracestate": "a=1"}
    sent = await request(table(), CHAT, "anthropic/claude-haiku-4.5", anthropic_beta="a", openai_beta="b", **traced)
    assert sent.headers == (
        JSON,
        AGENT,
        (b"x-api-key", b"sk-ant"),
        ANTHROPIC_VERSION,
        (b"traceparent", b"00-1-2-01"),
        (b"tracestate", b"a=1"),
    )
    assert msgspec.json.decode(sent.body) == {
        "model": "claude-haiku-4-5",
        "max_tokens": 5,
        "messages": [{"role": "user", "content": "hi"}],
    }


async def test_messages_to_openai_go_to_chat_first() -> None:
    sent = await request(table(), MESSAGES, "openai/gpt-4o")
    assert sent.url == "https://api.openai.com/v1/chat/completions"
    assert msgspec.json.decode(sent.body) == {
        "model": "gpt-4o",
        "max_completion_tokens": 5,
        "messages": [{"role": "user", "content": "hi"}],
    }


async def test_the_callers_timeout() -> None:
    sent = await request(table(), CHAT, "openai/gpt-4o", options=CallOptions(request_timeout_seconds=0.5))
    assert sent.timeouts == Timeouts(connect_seconds=1, first_byte_seconds=0.5, idle_seconds=3)


async def test_a_compatible_one_of_the_operators(tmp_path: Path) -> None:
    declared = declare(
        tmp_path,
        '[providers.near]\ndialect = "openai_chat"\nbase_url = "https://near.example/api/"\n'
        'credential = "env:NEAR_KEY"\n'
        '[providers.open]\ndialect = "openai_chat"\nbase_url = "http://127.0.0.1:1234/v1/"\n'
        "allow_private_address = true\n",
    )
    sent = await request(table(declared), CHAT, "near/Some.Model-4-1")
    assert sent.url == "https://near.example/api/chat/completions"
    assert sent.headers == (JSON, AGENT, (b"authorization", b"Bearer sk-near"))
    assert sent.body == BODY.replace("MODEL", "Some.Model-4-1").encode(), "its names are its own"
    assert sent.allow_private_address is False
    sent = await request(
        table(declared), RESPONSES, "open/llama", '{"model":"MODEL","input":"hi","max_output_tokens":7}'
    )
    assert sent.url == "http://127.0.0.1:1234/v1/chat/completions" and sent.allow_private_address is True
    assert sent.headers == (JSON, AGENT), "it asks for no credential"
    assert msgspec.json.decode(sent.body) == {
        "model": "llama",
        "max_tokens": 7,
        "messages": [{"role": "user", "content": "hi"}],
    }


async def test_one_of_the_operators_that_speaks_messages(tmp_path: Path) -> None:
    declared = declare(
        tmp_path,
        '[providers.near]\ndialect = "anthropic_messages"\nbase_url = "https://near.example/"\n'
        'credential = "env:NEAR_KEY"\n',
    )
    sent = await request(table(declared), CHAT, "near/claude")
    assert sent.url == "https://near.example/v1/messages"
    assert sent.headers == (JSON, AGENT, (b"x-api-key", b"sk-near"), (b"anthropic-version", b"2023-06-01"))


async def test_built_in_ones_moved_by_the_operator(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-a-file\n")
    declared = declare(
        tmp_path,
        f'[providers.openai]\nbase_url = "https://proxy.example/openai/"\ncredential = "file:{tmp_path / "key"}"\n'
        '[providers.anthropic]\nbase_url = "https://proxy.example/anthropic/"\n',
    )
    sent = await request(table(declared), CHAT, "openai/gpt-4o")
    assert sent.url == "https://proxy.example/openai/chat/completions"
    assert (b"authorization", b"Bearer from-a-file") in sent.headers
    sent = await request(table(declared), MESSAGES, "anthropic/claude-haiku-4.5")
    assert sent.url == "https://proxy.example/anthropic/v1/messages" and (b"x-api-key", b"sk-ant") in sent.headers


async def test_a_platform_model_at_a_provider(tmp_path: Path) -> None:
    declared = declare(
        tmp_path,
        '[providers.near]\ndialect = "openai_chat"\nbase_url = "https://near.example/"\n'
        '[models."@cf/meta/Llama-4"]\nprovider = "near"\nname = "llama4:latest"\n',
    )
    models = table(declared)
    sent = await request(models, CHAT, "@cf/meta/LLAMA-4")
    assert sent.url == "https://near.example/chat/completions"
    assert msgspec.json.decode(sent.body)["model"] == "llama4:latest"
    target = models.resolve("@cf/meta/Llama-4", "openai_chat")
    assert (target.provider, target.name, target.platform) == ("near", "@cf/meta/llama-4", True)


VERTEX = "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5/publishers/anthropic/models/"


@pytest.mark.parametrize(("stream", "verb"), [(False, "rawPredict"), (True, "streamRawPredict")])
async def test_messages_to_vertex(tmp_path: Path, stream: bool, verb: str) -> None:
    """Relayed, but for the two fields that Vertex wants otherwise; streamed calls go elsewhere."""
    declared = declare(
        tmp_path, '[providers.google-vertex-ai]\ncredential = "env:NEAR_KEY"\nproject = "p"\nregion = "us-east5"\n'
    )
    body = BODY.replace('"max_tokens"', '"stream": true, "max_tokens"') if stream else BODY
    sent = await request(table(declared), MESSAGES, "google-vertex-ai/claude-opus-4.6", body, stream=stream)
    assert sent.url == f"{VERTEX}claude-opus-4-6:{verb}"
    assert sent.headers == (JSON, AGENT, (b"authorization", b"Bearer sk-near"), ANTHROPIC_VERSION)
    assert sent.body == (
        body.replace('"model":"MODEL",', "").encode()[:-1] + b',"anthropic_version":"vertex-2023-10-16"}'
    )


WIRE_NAMES = {
    "anthropic/claude-haiku-4.5": "claude-haiku-4-5",
    "anthropic/claude-haiku-4-5": "claude-haiku-4-5",
    "anthropic/claude-haiku-4-5-20251001": "claude-haiku-4-5-20251001",
    "Anthropic/Claude-Opus-4.1": "claude-opus-4-1",
    "openai/gpt-5.5": "gpt-5.5",
    "openai/gpt-5-5": "gpt-5.5",
    "openai/GPT-5-5-mini": "gpt-5.5-mini",
    "OPENAI/gpt-4.1-nano": "gpt-4.1-nano",
    "openai/gpt-4-1-nano": "gpt-4.1-nano",
    "openai/gpt-4-0613": "gpt-4-0613",
    "openai/gpt-4o": "gpt-4o",
    "openai/gpt-4o-2024-08-06": "gpt-4o-2024-08-06",
    "openai/gpt-5": "gpt-5",
    "openai/gpt-5-mini": "gpt-5-mini",
    "openai/gpt-5-2025-08-07": "gpt-5-2025-08-07",
    "openai/o3": "o3",
    "openai/ft:gpt-4o-mini-2024-07-18:Acme:Mine:7p4lURx": "ft:gpt-4o-mini-2024-07-18:Acme:Mine:7p4lURx",
}


def test_12_dotted_and_hyphenated_names() -> None:
    models = table()
    found = {name: models.resolve(name, "openai_chat").model for name in WIRE_NAMES}
    assert found == WIRE_NAMES


@pytest.mark.parametrize(
    ("model", "variable"),
    [("openai/gpt-4o", "OPENAI_API_KEY"), ("anthropic/claude-haiku-4.5", "ANTHROPIC_API_KEY")],
)
@pytest.mark.parametrize("environment", [{}, {"OPENAI_API_KEY": "", "ANTHROPIC_API_KEY": ""}])
def test_no_credential_is_400_and_says_what_to_set(model: str, variable: str, environment: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        table(environment=environment).resolve(model, "openai_chat")
    assert caught.value.status == 400 and variable in caught.value.message


@pytest.mark.parametrize(
    "name",
    ["gpt-4o", "", "/", "/gpt", "openai/", "openai", "nobody/gpt", "workers-ai/@cf/meta/llama", "@cf/no/model", "@"],
)
def test_14_unknown_names_are_404(name: str) -> None:
    with pytest.raises(NotFound) as caught:
        table().resolve(name, "openai_chat")
    assert (caught.value.status, caught.value.code) == (404, 7003)


def test_what_is_remembered_of_names_is_bounded() -> None:
    models = table()
    for number in range(REMEMBERED_NAMES + 100):
        models.resolve(f"openai/gpt-{number}", "openai_chat")
    assert models.remembered.cache_info().currsize == REMEMBERED_NAMES
    assert models.resolve("openai/gpt-1", "openai_chat").model == "gpt-1"


def test_secrets_are_in_no_message() -> None:
    target = table().resolve("openai/gpt-4o", "openai_chat")
    assert target.located is not None
    with pytest.raises(InvalidRequest) as caught:
        table(environment={"OPENAI_API_KEY": "sk-openai"}).resolve("anthropic/claude", "openai_chat")
    assert "sk-openai" not in caught.value.message
