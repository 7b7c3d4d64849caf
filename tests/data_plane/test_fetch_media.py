"""Images and documents that a caller names by their address, at a provider that takes none by address: fetched by the
gateway, within bounds, and never from a private network unless the operator says so."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from data_plane.callers import AT, BEDROCK, CALLERS, CHAT, MESSAGES, RESPONSES, ask, providers, refusal
from data_plane.odd_provider import Asked, OddProvider, http, said, stream_head
from isthmus.core.chat.request import Chat, Image, Message
from isthmus.data_plane.outbound.fetch_media import MediaFetcher, MediaLimits
from isthmus.errors import GatewayError
from isthmus.simulator import Simulator
from isthmus.transport.http import HttpTransport

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"


def picture(caller: str, url: str) -> dict[str, Any]:
    if caller == CHAT:
        parts: list[Any] = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "What is it?"}]
    elif caller == RESPONSES:
        parts = [
            {"type": "input_image", "image_url": url, "detail": "auto"},
            {"type": "input_text", "text": "What is it?"},
        ]
    elif caller == MESSAGES:
        parts = [{"type": "image", "source": {"type": "url", "url": url}}, {"type": "text", "text": "What is it?"}]
    else:
        return {
            "role": "user",
            "parts": [{"fileData": {"fileUri": url, "mimeType": "image/png"}}, {"text": "What is it?"}],
        }
    return {"role": "user", "content": parts}


class Fetching:
    """The gateway before a strict Bedrock, and the files' own server."""

    def __init__(self, gateway: Any, files: OddProvider, simulator: Simulator) -> None:
        self.gateway = gateway
        self.files = files
        self.simulator = simulator

    async def ask(self, caller: str, *urls: str, stream: bool = False, **more: Any) -> httpx.Response:
        turns = [picture(caller, url) for url in urls]
        async with asyncio.timeout(10):
            return await ask(self.gateway, caller, AT[BEDROCK], *turns, stream=stream, **more)

    def sent(self) -> dict[str, Any]:
        found: dict[str, Any] = self.simulator.requests[-1].json()
        return found

    async def refused(self, caller: str, *urls: str, status: int = 400) -> str:
        """A refusal before anything was sent to the provider, and its row."""
        asked = len(self.simulator.requests)
        answer = await self.ask(caller, *urls)
        assert answer.status_code == status, answer.text
        code, message = refusal(caller, answer)
        assert code == {400: 7000, 413: 3006}[status]
        row = (await self.gateway.rows())[0]
        assert (row["status_code"], row["end"], row["error_message"]) == (status, "refused", message)
        assert len(self.simulator.requests) == asked
        return message


@pytest.fixture
async def files() -> AsyncIterator[OddProvider]:
    async with OddProvider() as server:
        server.answer = said(http(PNG, "image/png"))
        yield server


@pytest.fixture
async def fetching(start_gateway: Any, simulator: Simulator, files: OddProvider, tmp_path: Path) -> Fetching:
    gateway = await start_gateway(
        config_file=providers(tmp_path, f"{simulator.base_url}/", after="v1/"),
        media_private_addresses="allow",
        media_max_bytes=100_000,
    )
    return Fetching(gateway, files, simulator)


async def test_an_image_is_fetched_and_sent_by_value(fetching: Fetching) -> None:
    for caller in CALLERS:
        for stream in (False, True):
            answer = await fetching.ask(caller, f"{fetching.files.url}dot.png", stream=stream)
            assert answer.status_code == 200, (caller, answer.text)
            (message,) = fetching.sent()["messages"]
            (image,) = (block["image"] for block in message["content"] if "image" in block)
            assert image == {"format": "png", "source": {"bytes": base64.b64encode(PNG).decode()}}
            assert 'emulated;field="messages.url"' in answer.headers["cf-aig-fidelity"]
    asked = fetching.files.requests
    assert len(asked) == 2 * len(CALLERS)
    for request in asked:  # it is told who asks, and nothing of the call
        assert request.path == "/dot.png" and request.body == b""
        assert not [name for name in request.headers if name.startswith(("cf-", "authorization", "x-"))]


async def test_the_bytes_say_what_an_image_is(fetching: Fetching) -> None:
    for said_type in ("image/jpeg", "image/png; charset=binary", "IMAGE/PNG"):
        fetching.files.answer = said(http(PNG, said_type))
        assert (await fetching.ask(CHAT, f"{fetching.files.url}x")).status_code == 200
        assert fetching.sent()["messages"][0]["content"][0]["image"]["format"] == "png"


async def test_a_document_is_fetched(fetching: Fetching) -> None:
    fetching.files.answer = said(http(PDF, "application/pdf"))
    url = f"{fetching.files.url}paper.pdf"
    turn = {
        "role": "user",
        "content": [{"type": "document", "source": {"type": "url", "url": url}}, {"type": "text", "text": "Read."}],
    }
    answer = await ask(fetching.gateway, MESSAGES, AT[BEDROCK], turn)
    assert answer.status_code == 200, answer.text
    (document,) = (block["document"] for block in fetching.sent()["messages"][0]["content"] if "document" in block)
    assert document["format"] == "pdf" and base64.b64decode(document["source"]["bytes"]) == PDF


async def test_an_image_in_the_result_of_a_tool(fetching: Fetching) -> None:
    called = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "look", "input": {}}]}
    image = {"type": "image", "source": {"type": "url", "url": f"{fetching.files.url}x.png"}}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [image]}]}
    tools = [{"name": "look", "input_schema": {"type": "object"}}]
    answer = await ask(fetching.gateway, MESSAGES, AT[BEDROCK], "Look.", called, result, tools=tools)
    assert answer.status_code == 200, answer.text
    found = fetching.sent()["messages"][-1]["content"][0]["toolResult"]["content"]
    assert found == [{"image": {"format": "png", "source": {"bytes": base64.b64encode(PNG).decode()}}}]


async def test_the_same_address_is_fetched_once(fetching: Fetching) -> None:
    url = f"{fetching.files.url}x.png"
    assert (await fetching.ask(CHAT, *[url] * 3)).status_code == 200
    assert len(fetching.files.requests) == 1


async def test_redirects_are_followed_a_few_times(fetching: Fetching) -> None:
    async def answer(asked: Asked) -> AsyncIterator[bytes]:
        number = int(asked.path[1:])
        if number:
            yield http(b"", None, status=302, more=f"location: /{number - 1}\r\n")
        else:
            yield http(PNG, "image/png")

    fetching.files.answer = answer
    assert (await fetching.ask(CHAT, f"{fetching.files.url}3")).status_code == 200
    message = await fetching.refused(CHAT, f"{fetching.files.url}4")
    assert f"{fetching.files.url}4" in message


NOT_FETCHED: dict[str, bytes] = {
    "not found": http(b"no", "text/plain", status=404),
    "an error": http(PNG, "image/png", status=500),
    "no content": http(b"", None, status=204),
    "nothing": http(b"", "image/png"),
    "a page": http(b"<html></html>", "text/html"),
    "a page that is said to be an image": http(b"<html></html>", "image/png"),
    "a document": http(PDF, "application/pdf"),
    "unnamed bytes": http(b"\x00\x01\x02\x03", None),
    "another kind of image": http(b"II*\x00", "image/tiff"),
    "half a file": http(PNG, "image/png")[:-9],
    "compressed": http(PNG, "image/png", more="content-encoding: gzip\r\n"),
    "no HTTP": b"220 smtp ready\r\n",
    "closed": b"",
    "elsewhere, nowhere": http(b"", None, status=302),
    "elsewhere, on disk": http(b"", None, status=302, more="location: file:///etc/passwd\r\n"),
    "elsewhere, nonsense": http(b"", None, status=302, more="location: http://[::x]:y/\r\n"),
    "itself for ever": http(b"", None, status=301, more="location: /again\r\n"),
}


@pytest.mark.parametrize("name", NOT_FETCHED)
async def test_what_is_no_image(fetching: Fetching, name: str) -> None:
    fetching.files.answer = said(NOT_FETCHED[name])
    for caller in CALLERS:
        message = await fetching.refused(caller, f"{fetching.files.url}x.png")
        assert len(message) > 10 and "Traceback" not in message
    for request in fetching.files.requests:
        await asyncio.wait_for(request.left.wait(), 5)


async def test_an_image_that_is_too_large(fetching: Fetching) -> None:
    endless = stream_head("image/png")

    async def answer(asked: Asked) -> AsyncIterator[bytes]:
        yield endless
        while True:
            yield b"1000\r\n" + b"x" * 0x1000 + b"\r\n"

    fetching.files.answer = answer
    message = await fetching.refused(CHAT, f"{fetching.files.url}x.png", status=413)
    assert "100000 bytes" in message
    await asyncio.wait_for(fetching.files.requests[-1].left.wait(), 5)


async def test_more_than_twenty_files(fetching: Fetching) -> None:
    urls = [f"{fetching.files.url}{number}.png" for number in range(21)]
    assert (await fetching.ask(CHAT, *urls[:20])).status_code == 200
    fetched = len(fetching.files.requests)
    message = await fetching.refused(CHAT, *urls, status=413)
    assert "21 files" in message and len(fetching.files.requests) == fetched == 20


async def test_strict_callers_may_have_files_fetched(fetching: Fetching) -> None:
    answer = await fetching.ask(CHAT, f"{fetching.files.url}x.png", headers={"cf-aig-fidelity": "strict"})
    assert answer.status_code == 200, answer.text


async def test_strict_callers_are_refused_before_anything_is_fetched(fetching: Fetching) -> None:
    answer = await fetching.ask(
        CHAT, f"{fetching.files.url}x.png", headers={"cf-aig-fidelity": "strict"}, logit_bias={"1": 2}
    )
    assert answer.status_code == 400 and "logit_bias" in answer.text
    assert not fetching.files.requests and not fetching.simulator.requests


# Private networks.


@pytest.fixture
async def careful(start_gateway: Any, simulator: Simulator, files: OddProvider, tmp_path: Path) -> Fetching:
    """With the settings that everybody has."""
    gateway = await start_gateway(config_file=providers(tmp_path, f"{simulator.base_url}/", after="v1/"))
    return Fetching(gateway, files, simulator)


async def test_69_private_addresses_are_refused(careful: Fetching) -> None:
    port = careful.files.url.rsplit(":", 1)[1].rstrip("/")
    hosts = [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::]",
        "[64:ff9b::127.0.0.1]",
        "169.254.169.254",
        "10.0.0.1",
        "192.168.0.1",
        "172.16.0.1",
        "100.64.0.1",
        "[fe80::1]",
        "[fc00::1]",
        "user:secret@127.0.0.1",
    ]
    for host in hosts:
        message = await careful.refused(CHAT, f"http://{host}:{port}/x.png")
        assert "could not fetch" in message
    assert not careful.files.requests


async def test_69_a_private_address_is_refused_in_every_dialect(careful: Fetching) -> None:
    for caller in CALLERS:
        assert "could not fetch" in await careful.refused(caller, f"{careful.files.url}x.png")
    assert not careful.files.requests


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://example.com/x.png", "gopher://example.com/", "http://", "x"]
)
async def test_other_schemes_are_refused(careful: Fetching, url: str) -> None:
    for caller in (CHAT, RESPONSES, MESSAGES):
        await careful.refused(caller, url)


# A host that is public by its name's address, and everything behind it: what no loopback can show over the wire.


class Named:
    """Answers names as a test says; one name may change its mind."""

    def __init__(self, **addresses: list[str]) -> None:
        self.addresses = addresses
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return self.addresses[host.partition(".")[0]]


def one_image(url: str) -> Chat:
    return Chat(model="m", messages=(Message(role="user", parts=(Image(url=url),)),))


async def fetched(transport: HttpTransport, url: str, **limits: Any) -> Any:
    try:
        return await MediaFetcher(transport, MediaLimits(**limits))(one_image(url), [url])
    finally:
        await transport.aclose()


async def test_69_a_name_that_resolves_to_loopback(files: OddProvider) -> None:
    port = files.url.rsplit(":", 1)[1].rstrip("/")
    for addresses in (["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["::1"]):
        with pytest.raises(GatewayError, match="could not fetch"):
            await fetched(HttpTransport(resolve=Named(evil=addresses)), f"http://evil.example:{port}/x.png")
    assert not files.requests
    found = await fetched(
        HttpTransport(resolve=Named(own=["127.0.0.1"])), f"http://own.example:{port}/x.png", allow_private_address=True
    )
    assert found.messages[0].parts[0].media_type == "image/png"


async def test_a_server_that_trickles_is_left(files: OddProvider) -> None:
    """Each byte comes within the time that a server may be silent; all of them together do not."""

    async def answer(asked: Asked) -> AsyncIterator[bytes]:
        yield stream_head("image/png")
        while True:
            yield b"1\r\nx\r\n"
            await asyncio.sleep(0.01)

    files.answer = answer
    with pytest.raises(GatewayError, match="could not fetch"):
        async with asyncio.timeout(5):
            await fetched(HttpTransport(), f"{files.url}x.png", allow_private_address=True, total_seconds=0.1)
    await asyncio.wait_for(files.requests[-1].left.wait(), 5)
