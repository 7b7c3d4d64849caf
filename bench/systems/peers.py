"""Other gateways, compared where their programs happen to be installed. A new one is one entry of `PEERS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from bench.systems.server import Launch, Server, free_port
from bench.systems.stack import find_program, write_config


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """How a gateway is started and asked. `arguments` is given its configuration and its port."""

    name: str
    program: str
    config: str
    arguments: Callable[[Path, int], Sequence[str | Path]]
    ready_path: str
    ready_seconds: float = 90.0
    chat_path: str = "/v1/chat/completions"
    headers: Mapping[str, str]


_KEY = "sk-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
PEERS = (
    Peer(
        name="litellm",
        program="litellm",
        config="litellm.yaml",
        arguments=lambda config, port: ["--config", config, "--host", "127.0.0.1", "--port", str(port)],
        ready_path="/health/liveliness",
        headers={"Authorization": f"Bearer {_KEY}"},
    ),
)


def installed_peers() -> list[Peer]:
    return [peer for peer in PEERS if find_program(peer.program)]


def start_peer(peer: Peer, directory: Path, upstream_port: int) -> Server:
    port = free_port()
    config = write_config(peer.config, directory / peer.config, upstream_port=upstream_port, key=_KEY)
    return Server(
        Launch(
            name=peer.name,
            command=[find_program(peer.program) or peer.program, *peer.arguments(config, port)],
            port=port,
            directory=directory,
            ready_path=peer.ready_path,
            ready_seconds=peer.ready_seconds,
        )
    )
