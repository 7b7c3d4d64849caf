"""The composition root: the only file that knows every implementation. Builds a running gateway, takes it down."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from isthmus.catalogue.card import ModelCard
from isthmus.catalogue.catalogue import load
from isthmus.clock import SystemClock
from isthmus.configuration.declared import Declared
from isthmus.configuration.read import load_declared
from isthmus.configuration.sense import Known, without_effect
from isthmus.control_plane.bootstrap import Given, bootstrap, make_directory
from isthmus.control_plane.models.listing import ErrorWriters
from isthmus.control_plane.models.reachable import Reachable, hosted_card
from isthmus.control_plane.publish import DeclaredGateways, Publisher
from isthmus.control_plane.routes import ControlPlaneOptions, ModelParts, control_plane
from isthmus.core.account import PERMISSIONS, Token
from isthmus.core.snapshot import Snapshot
from isthmus.data_plane.count_tokens import TokenCounter
from isthmus.data_plane.egress import Egress
from isthmus.data_plane.ingress import DataPlane, IngressLimits
from isthmus.data_plane.outbound.count_at_provider import CountAtProvider
from isthmus.data_plane.outbound.dispatch import Dispatcher
from isthmus.data_plane.outbound.fetch_media import MediaFetcher, MediaLimits
from isthmus.data_plane.outbound.prepare import Preparation
from isthmus.data_plane.outbound.sender import Sender
from isthmus.data_plane.pipeline import Parts, pipeline
from isthmus.data_plane.send import EgressLimits
from isthmus.data_plane.server import ServerLimits, server
from isthmus.errors import InternalError
from isthmus.health import health
from isthmus.local import weights
from isthmus.policies.authenticate import verify
from isthmus.providers.built_in import BUILT_IN
from isthmus.providers.custom import account_models
from isthmus.providers.models import ModelTable
from isthmus.settings import OperatorError, Settings
from isthmus.storage.open import Storage, open_storage
from isthmus.storage.protocols import Configuration, StorageError
from isthmus.targets import PROVIDER_PATHS, local_models, model_table
from isthmus.transport.http import HttpTransport
from isthmus.transport.limits import TransportLimits
from isthmus.transport.protocol import Timeouts
from isthmus.validation.effect import unbuilt
from isthmus.wire.registry import DIALECTS

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]

logger = logging.getLogger("isthmus")

ABOUT_MODELS = ("v1/models", "v1/v1/models", "models/")
"""Below `/ai/`: they tell of models and call none."""


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway that serves. `api_token` None: the account has tokens, and none that is kept here. `aclose` lets calls
    in flight end, then stops everything."""

    base_url: str
    account_id: str
    api_token: str | None
    token_is_new: bool
    aclose: Callable[[], Awaitable[None]]


def known() -> Known:
    return Known(providers=frozenset(row.slug for row in BUILT_IN), dialects=frozenset(PROVIDER_PATHS))


async def start(settings: Settings, environment: Mapping[str, str]) -> Running:
    """Ready to serve when it returns. Raises `OperatorError`."""
    listener = _listen(settings)
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        declared = load_declared(settings.config_file, known())
        directory = Path(settings.data_directory)
        make_directory(directory)
        storage = await open_storage(directory, settings.database_url)
        stack.push_async_callback(storage.aclose)
        base_url = f"http://{settings.host}:{listener.getsockname()[1]}"
        given = Given(
            account_id=settings.account_id,
            api_token=settings.api_token,
            base_url=base_url,
            on_loopback=settings.on_loopback,
        )
        first = await bootstrap(storage.configs, directory, given, SystemClock())
        house = await _House.build(settings, environment, declared, storage, stack)
        await _serve(house.app(), settings, listener, stack)
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


class _House:
    """What the two planes share: configuration, models, records."""

    def __init__(
        self, settings: Settings, environment: Mapping[str, str], declared: Declared, storage: Storage
    ) -> None:
        self._settings = settings
        self._environment = environment
        self._storage = storage
        self._declared = declared
        self._catalogue = load()
        self._local = local_models(declared, Path(settings.data_directory))
        self._transport = HttpTransport(
            limits=TransportLimits(max_connections_per_origin=settings.max_connections_per_origin),
            extra_ca_files=(settings.extra_ca,) if settings.extra_ca else (),
            environ=environment,
        )
        self._models = self._model_table(declared)
        self._bypass = (
            settings.platform_models_without_gateway or declared.platform_models_without_gateway
        ) == "bypass"
        self._publisher = Publisher(storage.configs, self._compile, SystemClock(), _gateways(declared))

    @classmethod
    async def build(
        cls,
        settings: Settings,
        environment: Mapping[str, str],
        declared: Declared,
        storage: Storage,
        stack: AsyncExitStack,
    ) -> _House:
        house = cls(settings, environment, declared, storage)
        stack.push_async_callback(house._local.aclose)
        stack.push_async_callback(house._transport.aclose)
        await house._publisher.start()
        stack.push_async_callback(house._publisher.aclose)
        return house

    def app(self) -> App:
        settings = self._settings
        timeouts = Timeouts(
            connect_seconds=settings.connect_timeout_seconds,
            first_byte_seconds=settings.first_byte_timeout_seconds,
            idle_seconds=settings.idle_timeout_seconds,
        )
        media = MediaLimits(
            max_bytes=settings.media_max_bytes, allow_private_address=settings.media_private_addresses == "allow"
        )
        preparation = Preparation(DIALECTS, MediaFetcher(self._transport, media))
        sender = Sender(self._transport, DIALECTS, timeouts)
        parts = Parts(
            clock=SystemClock(),
            dispatch=Dispatcher(preparation, sender, DIALECTS),
            count_tokens=TokenCounter(preparation, CountAtProvider(preparation, sender)),
            ensure_default=self._ensure_default,
            refresh=self._refresh,
            append=self._storage.logs.append,
            log_body_bytes=settings.log_body_bytes,
            bypass_platform_models=self._bypass,
        )
        egress = EgressLimits(
            answer_max_bytes=settings.answer_max_bytes,
            stream_max_bytes=settings.stream_max_bytes,
            stream_max_seconds=settings.stream_max_seconds,
            log_body_bytes=settings.log_body_bytes,
            keep_alive_seconds=settings.stream_keep_alive_seconds,
        )
        ingress = IngressLimits(
            body_max_bytes=settings.body_max_bytes,
            read_seconds=settings.request_read_seconds,
            concurrent_calls=settings.max_concurrent_calls,
        )
        calls = DataPlane(pipeline(parts), Egress(DIALECTS, egress), lambda: self._publisher.current, ingress)
        options = ControlPlaneOptions(max_gateways_per_account=settings.max_gateways_per_account)
        management = control_plane(
            self._publisher, self._storage.logs, self._authenticate, options, self._model_parts()
        )
        return _both_planes(calls, management, health(self._storage))

    def _model_parts(self) -> ModelParts:
        errors = ErrorWriters(openai=DIALECTS["openai_chat"], anthropic=DIALECTS["anthropic_messages"])
        return ModelParts(reachable=Reachable(self._catalogue, self), errors=errors)

    def reachable(self) -> list[str]:
        """As `Installation` has it."""
        return self._models.reachable()

    def hosted(self) -> list[ModelCard]:
        """As `Installation` has it: what isthmus.toml declares, and the local models whose weights are here."""
        directory = Path(self._settings.data_directory)
        local = {
            row.model: row.context_tokens for row in weights.CATALOGUE if weights.path_of(row, directory).is_file()
        }
        declared = {name: entry.context_tokens for name, entry in self._declared.models.items()}
        return [hosted_card(name, context_tokens) for name, context_tokens in {**local, **declared}.items()]

    def without_effect(self) -> list[str]:
        """Settings that are stored and do nothing yet."""
        return [
            f"gateway {gateway.id}: {field} is stored but has no effect yet"
            for gateway in self._publisher.configuration.gateways
            if not gateway.declared
            for field in unbuilt(gateway.settings)
        ]

    def reload_on_hangup(self) -> None:
        loop = asyncio.get_running_loop()
        tasks: set[asyncio.Task[None]] = set()

        def reload() -> None:
            task = loop.create_task(self._reload())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        if hasattr(signal, "SIGHUP") and threading.current_thread() is threading.main_thread():
            loop.add_signal_handler(signal.SIGHUP, reload)

    async def _reload(self) -> None:
        """isthmus.toml once more: providers, models at providers, gateways. A new local file needs a new start."""
        before = self._models, self._declared
        try:
            declared = load_declared(self._settings.config_file, known())
            self._declared = declared
            self._models = self._model_table(declared)
            await self._publisher.declare(_gateways(declared))
            logger.info("configuration read again")
        except (OperatorError, ValueError, StorageError) as error:
            self._models, self._declared = before
            logger.error("configuration not read again, the old one stays: %s", error)

    def _model_table(self, declared: Declared) -> ModelTable:
        return model_table(declared, self._environment, self._local, self._transport, self._catalogue.traits)

    def _compile(self, configuration: Configuration) -> Snapshot:
        return Snapshot(
            version=configuration.version,
            accounts={account.id: account for account in configuration.accounts},
            tokens={token.digest: token for token in configuration.tokens},
            gateways={(gateway.account_id, gateway.id): gateway for gateway in configuration.gateways},
            models=self._models,
            account_models=account_models(configuration.custom_providers, self._models, self._catalogue.traits),
        )

    async def _ensure_default(self, account_id: str) -> Snapshot:
        try:
            return await self._publisher.ensure_default(account_id)
        except StorageError as error:
            raise InternalError("The store does not answer, and the account has no gateway yet.", status=503) from error

    async def _refresh(self) -> Snapshot:
        """A store that does not answer leaves things as they are: known tokens go on working."""
        with suppress(StorageError):
            await self._publisher.refresh()
        return self._publisher.current

    def _authenticate(self, headers: Mapping[str, str], account_id: str | None, permissions: frozenset[str]) -> Token:
        scheme, _, secret = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            secret = ""
        needed = permissions or frozenset(PERMISSIONS)
        return verify(self._publisher.current, secret.strip(), account_id, needed, SystemClock.now())


def _both_planes(calls: App, management: App, answers_health: App) -> App:
    async def app(scope: Scope, receive: Any, send: Any) -> None:
        path: str = scope["path"]
        if path.startswith("/client/v4/accounts/") and "/ai/" in path and "/ai-gateway/" not in path:
            if scope["method"] in ("GET", "HEAD") and path.partition("/ai/")[2].startswith(ABOUT_MODELS):
                await management(scope, receive, send)
            else:
                await calls(scope, receive, send)
        elif path.startswith("/health/"):
            await answers_health(scope, receive, send)
        else:
            await management(scope, receive, send)

    return app


def _gateways(declared: Declared) -> DeclaredGateways:
    return DeclaredGateways(settings=declared.gateways, declared_at=declared.declared_at)


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


async def _serve(app: App, settings: Settings, listener: socket.socket, stack: AsyncExitStack) -> None:
    limits = ServerLimits(
        head_max_bytes=settings.header_max_bytes,
        head_seconds=settings.header_read_seconds,
        keep_alive_seconds=settings.keep_alive_seconds,
    )
    listening = server(app, limits, settings.drain_seconds)
    listening.config.load()
    listening.lifespan = listening.config.lifespan_class(listening.config)
    await listening.startup(sockets=[listener])
    ticking = asyncio.create_task(listening.main_loop())

    async def stop() -> None:
        listening.exit()
        await ticking
        await listening.shutdown(sockets=[listener])

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
