"""Starts a gateway, serves, and takes it down."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from isthmus.clock import SystemClock
from isthmus.configuration.read import load_declared
from isthmus.configuration.sense import without_effect
from isthmus.control_plane.bootstrap import Given, bootstrap, make_directory
from isthmus.data_plane.server import ServerLimits, server
from isthmus.house import House, known
from isthmus.settings import OperatorError, Settings
from isthmus.storage.encryption import Encryption, encryption_of
from isthmus.storage.open import Storage, open_storage
from isthmus.storage.protocols import StorageError

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]

logger = logging.getLogger("isthmus")


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway that serves. `api_token` None: the account has tokens, and none that is kept here. `aclose` lets calls
    in flight end, then stops everything."""

    base_url: str
    account_id: str
    api_token: str | None
    token_is_new: bool
    aclose: Callable[[], Awaitable[None]]


async def start(settings: Settings, environment: Mapping[str, str]) -> Running:
    """Ready to serve when it returns. Raises `OperatorError`."""
    listener = _listen(settings)
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        declared = load_declared(settings.config_file, known())
        directory = Path(settings.data_directory)
        make_directory(directory)
        storage = await open_storage(directory, settings.database_url, encryption=_encryption(settings, directory))
        stack.push_async_callback(storage.aclose)
        await _check_key(storage)
        base_url = f"http://{settings.host}:{listener.getsockname()[1]}"
        given = Given(
            account_id=settings.account_id,
            api_token=settings.api_token,
            base_url=base_url,
            on_loopback=settings.on_loopback,
        )
        first = await bootstrap(storage.configs, directory, given, SystemClock())
        house = await House.build(settings, environment, declared, storage, stack)
        await _serve(house, settings, listener, stack)
        house.reload_on_hangup()
        for line in (*without_effect(declared), *house.without_effect()):
            logger.warning("%s", line)
        return Running(
            base_url=base_url,
            account_id=first.account_id,
            api_token=first.api_token,
            token_is_new=first.generated,
            aclose=stack.pop_all().aclose,
        )


def _encryption(settings: Settings, directory: Path) -> Encryption:
    """Raises `OperatorError`."""
    try:
        return encryption_of(settings.state_encryption == "on", settings.secret_key, directory)
    except StorageError as error:
        raise OperatorError(str(error)) from None


async def _check_key(storage: Storage) -> None:
    """Raises `OperatorError` where what is stored was written with another key than this server has."""
    try:
        await storage.states.check_key()
    except StorageError as error:
        raise OperatorError(str(error)) from None


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # The protocol is named because asyncio sets TCP_NODELAY only where it is; without, heads and bodies wait 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise OperatorError(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}") from None
    return listener


async def _serve(house: House, settings: Settings, listener: socket.socket, stack: AsyncExitStack) -> None:
    limits = ServerLimits(
        head_max_bytes=settings.header_max_bytes,
        head_seconds=settings.header_read_seconds,
        keep_alive_seconds=settings.keep_alive_seconds,
    )
    listening = server(house.app(), limits, settings.drain_seconds)
    listening.config.load()
    listening.lifespan = listening.config.lifespan_class(listening.config)
    await listening.startup(sockets=[listener])
    ticking = asyncio.create_task(listening.main_loop())

    async def stop() -> None:
        listening.exit()
        await ticking
        await asyncio.gather(listening.shutdown(sockets=[listener]), house.runs.drain(settings.drain_seconds))

    stack.push_async_callback(stop)


def serve(settings: Settings, after_start: Callable[[Running], Awaitable[None]] | None = None) -> int:
    """Runs until SIGTERM or SIGINT; calls in flight get `drain_seconds` to end. The exit code."""
    _write_log(settings)
    return uvloop.run(_until_stopped(settings, after_start))


def _write_log(settings: Settings) -> None:
    """The program's own log, on stderr."""
    handler = logging.StreamHandler()
    if settings.log_format == "json":
        handler.setFormatter(JsonLines())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(settings.log_level.upper())
    logging.getLogger("uvicorn").setLevel(logging.ERROR)


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        row = {"time": record.created, "level": record.levelname, "logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            row["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(row).decode()


async def _until_stopped(settings: Settings, after_start: Callable[[Running], Awaitable[None]] | None) -> int:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    running = await start(settings, os.environ)
    if running.token_is_new:
        print(
            f"account {running.account_id}\ntoken   {running.api_token}\n(shown once; kept in bootstrap.json)",
            flush=True,
        )
    logger.info("ready at %s", running.base_url)
    gc.collect()
    gc.freeze()  # what is here stays: later collections need not walk it
    greeting = None if after_start is None else asyncio.ensure_future(after_start(running))
    await stopped.wait()
    if greeting is not None:
        greeting.cancel()
    await running.aclose()
    return 0
