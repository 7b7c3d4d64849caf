"""Where a name leads, which of its addresses are allowed, and that no other one is connected to."""

import asyncio
import socket
from typing import ClassVar

import pytest

from isthmus.errors import GatewayError, InvalidRequest, Unavailable
from isthmus.transport.exchange.connection import Connection
from isthmus.transport.route.dial import Dialer, Route
from isthmus.transport.route.origin import Origin, parse_origin, split_url
from isthmus.transport.route.resolve import is_loopback, is_public
from isthmus.transport.route.tls import TlsContext

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"]
PRIVATE = [
    *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "224.0.0.1", "239.1.1.1", "255.255.255.255", "240.0.0.1", "192.0.2.1"),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fd00::1", "fc00::1", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1"),
    *("64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "2002:a00:1::1", "2002:7f00:1::", "2001:0:808:808::1"),
    *("not an address", ""),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("api.localhost", True),
        ("127.3.4.5", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("notlocalhost", False),
        ("localhost.example", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


class Names:
    """A resolver that answers from a script: another answer each time it is asked."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append((host, port))
        return self.answers.pop(0)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "127.1", "2130706433", "0x7f000001"],
)
async def test_private_origin_is_refused_unless_allowed(serve, transport, read, get, host: str) -> None:
    server = await serve(OK)
    url = f"http://{host}:{server.port}/"
    with pytest.raises(Unavailable, match=r"not at a public address") as caught:
        await transport.send(get(url, allow_private_address=False))
    assert not caught.value.retryable
    assert server.connections == 0


async def test_one_private_address_among_public_ones_is_enough(transports, get) -> None:
    transport = transports(resolve=Names(["8.8.8.8", "10.0.0.1"]))
    with pytest.raises(Unavailable, match=r"provider.example is not at a public address"):
        await transport.send(get("http://provider.example/", allow_private_address=False))


class Rehearsal(Dialer):
    """Goes as far as the address."""

    reached: ClassVar[list[str]] = []

    async def _connect(self, origin: Origin, address: str, make: object) -> Connection:
        self.reached.append(f"{address} {origin.port}")
        raise ConnectionRefusedError


async def test_name_is_asked_for_once_and_the_checked_addresses_are_used() -> None:
    """A second look-up could lead elsewhere."""
    names = Names(["8.8.4.4", "8.8.8.8"], ["127.0.0.1"])
    route = Route(origin=parse_origin("https://provider.example"), allow_private_address=False)
    with pytest.raises(Unavailable):
        await Rehearsal(names, TlsContext()).dial(route, Connection, asyncio.get_running_loop().time() + 1, 1)
    assert names.asked == [("provider.example", 443)]
    assert Rehearsal.reached == ["8.8.4.4 443", "8.8.8.8 443"]
    Rehearsal.reached.clear()


async def test_connection_made_without_the_check_is_not_lent_to_a_request_with_it(serve, transport, read, get) -> None:
    server = await serve(OK, OK)
    await read(transport, get(server.url))
    with pytest.raises(Unavailable, match=r"not at a public address"):
        await transport.send(get(server.url, allow_private_address=False))
    assert len(server.requests) == 1


async def test_next_address_is_tried(serve, transports, read, get) -> None:
    server = await serve(OK)
    transport = transports(resolve=Names(["127.0.0.2", "::1", "127.0.0.1"]))
    assert await read(transport, get(f"http://provider.example:{server.port}/")) == b"ok"


async def test_address_that_swallows_everything_costs_only_its_share(serve, transports, read, get) -> None:
    """A listener whose queue is full lets nobody in and says nothing."""
    full = socket.create_server(("127.0.0.9", 0), backlog=0)
    port = full.getsockname()[1]
    fillers = []
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.9", port))
        fillers.append(filler)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", port)
    transport = transports(resolve=Names(["127.0.0.9", "127.0.0.1"]))
    began = asyncio.get_running_loop().time()
    assert await read(transport, get(f"http://provider.example:{port}/", connect=0.4)) == b"ok"
    assert 0.18 < asyncio.get_running_loop().time() - began < 0.4
    listener.close()
    for open_socket in (full, *fillers):
        open_socket.close()


async def test_name_without_addresses(transports, get) -> None:
    with pytest.raises(Unavailable, match=r"provider.example could not be resolved"):
        await transports(resolve=Names([])).send(get("http://provider.example/"))


async def test_name_that_the_system_does_not_know(transport, get) -> None:
    with pytest.raises(Unavailable, match=r"could not be resolved"):
        await transport.send(get("http://nobody.invalid/"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.example/v1/x?y=1", ("https://a.example", "/v1/x?y=1")),
        ("http://a.example", ("http://a.example", "/")),
        ("http://a", ("http://a", "/")),
        ("http://a/", ("http://a", "/")),
        ("http://a?b=/c", ("http://a", "/?b=/c")),
        ("http://a#b/c", ("http://a", "/")),
        ("http://a/b#c", ("http://a", "/b")),
        ("https://[::1]:8443/v1", ("https://[::1]:8443", "/v1")),
    ],
)
def test_url_is_split(url: str, expected: tuple[str, str]) -> None:
    assert split_url(url) == expected


@pytest.mark.parametrize(
    ("text", "secure", "host", "port", "authority"),
    [
        ("https://API.Example", True, "api.example", 443, "api.example"),
        ("HTTP://a.example:", False, "a.example", 80, "a.example"),
        ("http://a.example:80", False, "a.example", 80, "a.example"),
        ("https://a.example:80", True, "a.example", 80, "a.example:80"),
        ("https://my_host-1.example.:8443", True, "my_host-1.example.", 8443, "my_host-1.example.:8443"),
        ("https://[2001:DB8::1]", True, "2001:db8::1", 443, "[2001:db8::1]"),
        ("http://[::1]:8080", False, "::1", 8080, "[::1]:8080"),
        ("https://bücher.example", True, "xn--bcher-kva.example", 443, "xn--bcher-kva.example"),
    ],
)
def test_origin(text: str, secure: bool, host: str, port: int, authority: str) -> None:
    origin = parse_origin(text)
    assert (origin.secure, origin.host, origin.port, origin.authority) == (secure, host, port, authority)


@pytest.mark.parametrize(
    "text",
    [
        *("", "a.example", "//a.example", "ftp://a.example", "http://", "http://:80", "https:///"),
        *("http://user@a.example", "http://user:secret@a.example", "http://a.example:99999", "http://a.example:0"),
        *(
            "http://a.example:8x",
            "http://a b",
            "http://a\r\nb",
            "http://[::1",
            "http://[x]",
            "http://a\\b",
            "http://%41",
        ),
        *("http://" + "a" * 300, "http://a..bücher", "http://fe80::1", "http://[fe80::1%25eth0]"),
        *("http://.a.example", "http://a..example", "http://.", "http://[::::]", "http://" + "a" * 64 + ".example"),
    ],
)
def test_no_origin(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_origin(text)
    assert "secret" not in caught.value.message


async def test_messages_keep_secrets(serve, transports, get) -> None:
    """The key in a query, in a header, in the URL's user name, in the body."""

    async def talk(line) -> None:
        await line.read_request()
        await line.write([b"<secret>", b"", b"HTTP/1.1 200 OK\r\nContent-Length: -secret\r\n\r\n"][line.number - 1])

    server = await serve(talk)
    transport = transports(resolve=Names([]), environ={"HTTPS_PROXY": "socks5://user:secret@proxy.example"})
    fields = {"headers": ((b"x-api-key", b"secret"),), "body": b"secret", "method": "POST"}
    messages = []
    for url in (
        *[f"{server.url}/secret?key=secret"] * 3,
        "http://provider.example/secret?key=secret",
        "https://provider.example/secret?key=secret",
        "http://user:secret@provider.example/",
    ):
        with pytest.raises(GatewayError) as caught:
            await transport.send(get(url, **fields))
        messages.append(f"{caught.value} {caught.value.__cause__}")
    assert len(messages) == 6
    assert not any("secret" in message for message in messages), messages
