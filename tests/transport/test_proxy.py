"""Proxies from the environment: which one stands before which origin, and requests through a small honest one."""

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme

from isthmus.errors import TimedOut, Unavailable
from isthmus.transport.route.origin import parse_origin
from isthmus.transport.route.proxy import read_proxies

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n"


def chosen(url: str, **environ: str) -> str | None:
    proxy = read_proxies(environ).find(parse_origin(url))
    return proxy and proxy.peer


HTTP, HTTPS = "http://api.example:8080", "https://api.example"


@pytest.mark.parametrize(
    ("environ", "http", "https"),
    [
        ({}, None, None),
        ({"HTTP_PROXY": "http://p:1"}, "p:1", None),
        ({"HTTPS_PROXY": "http://p:1"}, None, "p:1"),
        ({"https_proxy": "http://p:1"}, None, "p:1"),
        ({"ALL_PROXY": "http://p:1"}, "p:1", "p:1"),
        ({"ALL_PROXY": "http://p:1", "HTTP_PROXY": "http://q:2"}, "q:2", "p:1"),
        ({"all_proxy": "p:1", "http_proxy": "q"}, "q:80", "p:1"),
        ({"HTTP_PROXY": "http://p:1", "http_proxy": "http://q:2"}, "q:2", None),
        ({"HTTP_PROXY": "", "HTTPS_PROXY": "  "}, None, None),
        ({"HTTPS_PROXY": "http://user:pass@[::1]:3128/"}, None, "[::1]:3128"),
    ],
)
def test_choice_by_scheme(environ: dict[str, str], http: str | None, https: str | None) -> None:
    assert (chosen(HTTP, **environ), chosen(HTTPS, **environ)) == (http, https)


@pytest.mark.parametrize(
    ("no_proxy", "url", "bypassed"),
    [
        ("*", HTTPS, True),
        ("api.example", HTTPS, True),
        ("API.Example", HTTPS, True),
        ("example", HTTPS, True),
        (".example", HTTPS, True),
        ("*.example", HTTPS, True),
        ("pi.example", HTTPS, False),
        ("www.api.example", HTTPS, False),
        ("other, api.example", HTTPS, True),
        ("other api.example", HTTPS, True),
        ("api.example:8080", HTTP, True),
        ("api.example:443", HTTPS, True),
        ("api.example:443", HTTP, False),
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.0.0.0/8", "https://11.1.2.3", False),
        ("10.1.2.3", "https://10.1.2.3", True),
        ("10.1.2.3:443", "https://10.1.2.3", True),
        ("10.1.2.3:80", "https://10.1.2.3", False),
        ("10.0.0.0/8", HTTPS, False),
        ("fd00::/8", "https://[fd00::1]", True),
        ("[fd00::1]:443", "https://[fd00::1]", True),
        ("fd00::1", "https://[fd00::2]", False),
        ("", "https://127.0.0.1", True),
        ("", "https://127.8.8.8:99", True),
        ("", "https://[::1]", True),
        ("", "https://localhost", True),
        ("", "https://10.0.0.1", False),
    ],
)
def test_bypass(no_proxy: str, url: str, bypassed: bool) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        assert (chosen(url, ALL_PROXY="http://p:1", **{name: no_proxy}) is None) is bypassed


class Relay:
    """A proxy: joins tunnels to `behind`, answers absolute-form requests itself, and writes down what it was asked."""

    def __init__(self, behind: int = 0, reply: bytes = ESTABLISHED) -> None:
        self.behind = behind
        self.reply = reply
        self.heads: list = []
        self.left = asyncio.Event()

    async def talk(self, line) -> None:
        self.heads.append(await line.read_head())
        await line.write(self.reply)
        if not self.behind:
            await line.until_left()
            self.left.set()
            return
        reader, writer = await asyncio.open_connection("127.0.0.1", self.behind)
        await asyncio.gather(copy(line.reader, writer), copy(reader, line.writer))


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture
def context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("provider.example").configure_cert(context)
    return context


async def test_https_goes_through_a_tunnel(serve, transports, read, get, context, ca_file) -> None:
    server = await serve(OK, OK, context=context)
    relay = Relay(behind=server.port)
    proxy = await serve(relay.talk)
    transport = transports(
        environ={"HTTPS_PROXY": f"http://us%20er:p%40ss@127.0.0.1:{proxy.port}"}, extra_ca_files=(ca_file,)
    )
    for _ in range(2):
        assert await read(transport, get("https://provider.example/v1", method="POST", body=b"x" * 300_000)) == b"ok"
    (head,) = relay.heads
    assert (head.method, head.target) == ("CONNECT", "provider.example:443")
    assert head.values(b"host") == [b"provider.example:443"]
    assert head.values(b"proxy-authorization") == [b"Basic dXMgZXI6cEBzcw=="]
    for received in server.requests:
        assert received.target == "/v1" and received.values(b"proxy-authorization") == []
        assert received.values(b"host") == [b"provider.example"]
    assert (server.connections, proxy.connections) == (1, 1)


async def test_certificate_behind_a_tunnel_must_be_the_origins(serve, transports, get, context, ca_file) -> None:
    server = await serve(OK, context=context)
    proxy = await serve(Relay(behind=server.port).talk)
    transport = transports(environ={"HTTPS_PROXY": f"127.0.0.1:{proxy.port}"}, extra_ca_files=(ca_file,))
    with pytest.raises(Unavailable, match=r"certificate of other.example:443 was not accepted: Hostname mismatch"):
        await transport.send(get("https://other.example/"))


async def test_http_goes_in_absolute_form(serve, transports, read, get) -> None:
    proxy = await serve(OK, OK)
    transport = transports(environ={"HTTP_PROXY": f"http://user:pass@127.0.0.1:{proxy.port}"})
    for _ in range(2):
        assert await read(transport, get("http://provider.example:81/v1?a=b", headers=((b"x-a", b"1"),))) == b"ok"
    assert proxy.connections == 1
    for received in proxy.requests:
        assert received.target == "http://provider.example:81/v1?a=b"
        assert received.headers == [
            (b"Host", b"provider.example:81"),
            (b"Proxy-Authorization", b"Basic dXNlcjpwYXNz"),
            (b"x-a", b"1"),
        ]


async def test_loopback_goes_round_the_proxy(serve, transports, read, get) -> None:
    server, proxy = await serve(OK), await serve(OK)
    transport = transports(environ={"ALL_PROXY": f"http://127.0.0.1:{proxy.port}"})
    await read(transport, get(server.url))
    assert (server.connections, proxy.connections) == (1, 0)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "answered 407"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n<html>", "answered 502"),
        (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", "spoke no HTTP"),
        (ESTABLISHED + b"surplus", "spoke no HTTP"),
        (b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 20_000, "spoke no HTTP"),
    ],
)
async def test_refused_tunnel(serve, transports, get, reply: bytes, reason: str) -> None:
    relay = Relay(reply=reply)
    proxy = await serve(relay.talk)
    transport = transports(environ={"HTTPS_PROXY": f"http://user:secret@127.0.0.1:{proxy.port}"})
    with pytest.raises(Unavailable, match=f"opened no tunnel to provider.example:443: it .*{reason}") as caught:
        await transport.send(get("https://provider.example/"))
    assert "secret" not in caught.value.message
    await asyncio.wait_for(relay.left.wait(), 0.1)


async def test_proxy_that_leaves(serve, transports, get) -> None:
    async def talk(line) -> None:
        await line.read_head()

    proxy = await serve(talk)
    with pytest.raises(Unavailable, match=r"it closed the connection"):
        await transports(environ={"HTTPS_PROXY": f"127.0.0.1:{proxy.port}"}).send(get("https://provider.example/"))


async def test_proxy_that_is_not_there(transports, get) -> None:
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    listener.close()
    for url in ("https://provider.example/", "http://provider.example/"):
        with pytest.raises(Unavailable, match=f"127.0.0.1:{port} could not be reached"):
            await transports(environ={"ALL_PROXY": f"127.0.0.1:{port}"}).send(get(url))


@pytest.mark.parametrize("reply", [b"", ESTABLISHED], ids=["CONNECT", "TLS"])
async def test_tunnel_within_the_connect_timeout(serve, transports, get, reply: bytes) -> None:
    relay = Relay(reply=reply)
    proxy = await serve(relay.talk)
    transport = transports(environ={"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"})
    with pytest.raises(TimedOut, match=r"Connecting to provider.example:443 took longer than 0.05 seconds"):
        await transport.send(get("https://provider.example/", connect=0.05))
    await asyncio.wait_for(relay.left.wait(), 0.1)


@pytest.mark.parametrize("reply", [b"", ESTABLISHED], ids=["CONNECT", "TLS"])
async def test_leaving_while_the_tunnel_is_dug(serve, transports, get, reply: bytes) -> None:
    asked = asyncio.Event()
    relay = Relay(reply=reply)

    async def talk(line) -> None:
        if reply:
            relay.heads.append(await line.read_head())
            await line.write(reply)
            await line.reader.read(1)
        else:
            relay.heads.append(await line.read_head())
        asked.set()
        await line.until_left()
        relay.left.set()

    proxy = await serve(talk)
    transport = transports(environ={"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"})
    sending = asyncio.ensure_future(transport.send(get("https://provider.example/")))
    await asked.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await asyncio.wait_for(relay.left.wait(), 0.1)


@pytest.mark.parametrize("address", ["socks5://p:1080", "https://p:443", "http://", "http://p:99999", "http://[::1"])
async def test_proxy_we_cannot_use_is_no_reason_to_go_without(transports, get, address: str) -> None:
    transport = transports(environ={"ALL_PROXY": address})
    for url in ("https://provider.example/", "http://provider.example/"):
        with pytest.raises(Unavailable, match=r"The proxy named by ALL_PROXY is not an http:// address") as caught:
            await transport.send(get(url))
        assert not caught.value.retryable


@pytest.mark.parametrize("url", ["http://10.0.0.1/", "https://10.0.0.1/", "https://inside.example/"])
async def test_proxy_is_no_way_round_the_address_check(serve, transports, get, url: str) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["10.0.0.7"]

    proxy = await serve(OK)
    transport = transports(environ={"ALL_PROXY": f"http://127.0.0.1:{proxy.port}"}, resolve=resolve)
    with pytest.raises(Unavailable, match=r"not at a public address"):
        await transport.send(get(url, allow_private_address=False))
    assert proxy.connections == 0
