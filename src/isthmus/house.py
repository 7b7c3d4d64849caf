"""The composition root, the one file that knows every implementation: the two planes over one configuration, one set of
models and one of records."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

from msgspec import structs

from isthmus import limits
from isthmus.catalogue.card import ModelCard
from isthmus.catalogue.catalogue import load
from isthmus.catalogue.names import slug_of
from isthmus.clock import SteadyClock, SystemClock
from isthmus.configuration.declared import Declared
from isthmus.configuration.read import load_declared
from isthmus.configuration.sense import Known
from isthmus.control_plane.cache.invalidate import Invalidation
from isthmus.control_plane.cache.resource import CacheParts
from isthmus.control_plane.models.listing import ErrorWriters
from isthmus.control_plane.models.reachable import Reachable, hosted_card
from isthmus.control_plane.publish import DeclaredGateways, Publisher
from isthmus.control_plane.routes import ControlPlaneOptions, ModelParts, control_plane
from isthmus.core.account import PERMISSIONS, Token
from isthmus.core.snapshot import Snapshot
from isthmus.data_plane.caching.cache import AnswerCache, AnswerCacheParts
from isthmus.data_plane.caching.key import named_keys
from isthmus.data_plane.caching.replay import Replay
from isthmus.data_plane.caching.semantic.answers import SemanticAnswers, SemanticParts
from isthmus.data_plane.caching.semantic.embedder import LocalEmbedder
from isthmus.data_plane.count_tokens import TokenCounter
from isthmus.data_plane.egress import Egress
from isthmus.data_plane.gateway_host.native import Native
from isthmus.data_plane.ingress import DataPlane
from isthmus.data_plane.outbound.count_at_provider import CountAtProvider
from isthmus.data_plane.outbound.dispatch import Dispatcher
from isthmus.data_plane.outbound.embed import EmbeddingsDispatcher
from isthmus.data_plane.outbound.fetch_media import MediaFetcher
from isthmus.data_plane.outbound.prepare import Preparation
from isthmus.data_plane.outbound.sender import Sender
from isthmus.data_plane.pipeline import Parts, pipeline
from isthmus.data_plane.routes import resumes
from isthmus.data_plane.runs.store import RunLimits, RunStore
from isthmus.data_plane.state.background import Backgrounds
from isthmus.data_plane.state.compact import Compactor
from isthmus.data_plane.state.keeper import Keeper
from isthmus.data_plane.state.sweeper import Sweeper
from isthmus.errors import InternalError
from isthmus.health import health, is_hello
from isthmus.local import embedding, weights
from isthmus.policies.authenticate import verify
from isthmus.providers.built_in import BUILT_IN
from isthmus.providers.custom import account_models
from isthmus.providers.models import ModelTable
from isthmus.settings import OperatorError, Settings
from isthmus.storage.memory.cache import MemoryCache
from isthmus.storage.memory.counters import MemoryCounters
from isthmus.storage.memory.vectors import MemoryVectors
from isthmus.storage.open import Storage
from isthmus.storage.protocols import Configuration, StorageError
from isthmus.targets import PROVIDER_PATHS, embeddings_address, local_models, model_table
from isthmus.transport.http import HttpTransport
from isthmus.transport.limits import TransportLimits
from isthmus.validation.effect import idle
from isthmus.wire.embeddings.registry import PROVIDERS as EMBEDDINGS
from isthmus.wire.registry import DIALECTS

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]

logger = logging.getLogger("isthmus")

ABOUT_MODELS = ("v1/models", "v1/v1/models", "models/")
"""Below `/ai/`: they tell of models and call none."""


OLDER = ("/v1/", "/openai/", "/anthropic/", "/google/")
"""The gateway host, and the short addresses."""

SHORT_LISTS = ("/openai/v1/models", "/anthropic/v1/models")


def known() -> Known:
    return Known(providers=frozenset(row.slug for row in BUILT_IN), dialects=frozenset(PROVIDER_PATHS))


class House:
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
        self.runs = _runs(settings)
        self._egress = Egress(DIALECTS, limits.egress_limits(settings), self.runs, settings.resumable_streams)
        self._keeper = Keeper(storage.states, SystemClock(), limits.state_limits(settings))
        self.backgrounds = Backgrounds(self._keeper, self.runs, self._egress.deliver)
        self._bypass = (
            settings.platform_models_without_gateway or declared.platform_models_without_gateway
        ) == "bypass"
        self.cache = MemoryCache(settings.cache_max_bytes)
        parts = SemanticParts(
            store=self.cache,
            index=MemoryVectors(settings.semantic_cache_max_bytes),
            embedder=LocalEmbedder(self._transport, embeddings_address(self._local), SystemClock()),
            deliver=Egress(DIALECTS, limits.egress_limits(settings)).deliver,
            dialects=DIALECTS,
        )
        self._semantic = SemanticAnswers(parts)
        self._invalidation = Invalidation(self.cache)
        self._publisher = Publisher(
            storage.configs,
            self._compile,
            SystemClock(),
            _gateways(declared),
            on_change=self._invalidation.configured,
        )

    @classmethod
    async def build(
        cls,
        settings: Settings,
        environment: Mapping[str, str],
        declared: Declared,
        storage: Storage,
        stack: AsyncExitStack,
    ) -> House:
        house = cls(settings, environment, declared, storage)
        stack.push_async_callback(house._local.aclose)
        stack.push_async_callback(house._transport.aclose)
        stack.push_async_callback(house._semantic.aclose)
        stack.push_async_callback(house._keeper.aclose)  # after the runs, which keep what they end with
        await house.backgrounds.mend()
        house.runs.start()
        stack.push_async_callback(house.runs.aclose)
        sweeper = Sweeper(storage.states, SystemClock())
        sweeper.start()
        stack.push_async_callback(sweeper.aclose)
        await house._publisher.start()
        stack.push_async_callback(house._publisher.aclose)
        return house

    def app(self) -> App:
        settings = self._settings
        preparation = Preparation(DIALECTS, MediaFetcher(self._transport, limits.media_limits(settings)))
        sender = Sender(self._transport, {**DIALECTS, **EMBEDDINGS}, limits.timeouts(settings))
        dispatch = Dispatcher(preparation, sender, DIALECTS)
        parts = Parts(
            clock=SystemClock(),
            steady_clock=SteadyClock(),
            dispatch=dispatch,
            embed=EmbeddingsDispatcher(sender, settings.answer_max_bytes),
            count_tokens=TokenCounter(preparation, CountAtProvider(preparation, sender)),
            ensure_default=self._ensure_default,
            refresh=self._refresh,
            append=self._storage.logs.append,
            cache=AnswerCache(
                AnswerCacheParts(
                    store=self.cache,
                    replay=Replay(preparation, DIALECTS),
                    read_chat=preparation.chat,
                    clock=SystemClock(),
                    current=lambda: self._publisher.current,
                ),
                limits.cache_limits(settings),
            ),
            semantic=self._semantic,
            counters=MemoryCounters(),
            slug_of=slug_of,
            runs=self.runs,
            log_body_bytes=settings.log_body_bytes,
            bypass_platform_models=self._bypass,
            keeper=self._keeper,
            backgrounds=self.backgrounds,
            compact=Compactor(preparation, sender, dispatch, SystemClock()),
            native=Native(sender, DIALECTS, limits.native_limits(settings)),
        )
        ingress = limits.ingress_limits(settings)
        calls = DataPlane(
            pipeline(parts), self._egress, lambda: self._publisher.current, ingress, limits.socket_limits(settings)
        )
        return _both_planes(calls, self._management(), health(self._storage))

    def _management(self) -> App:
        settings = self._settings
        options = ControlPlaneOptions(
            max_gateways_per_account=settings.max_gateways_per_account,
            public_url=settings.public_url,
            providers=frozenset(row.slug for row in BUILT_IN) | frozenset(self._declared.providers),
        )
        more = {"semantic": self._semantic.shown}
        cache = CacheParts(store=self.cache, max_bytes=settings.cache_max_bytes, keys_of=named_keys, more=more)
        return control_plane(
            self._publisher, self._storage.logs, self._authenticate, options, self._model_parts(), cache
        )

    def _model_parts(self) -> ModelParts:
        errors = ErrorWriters(openai=DIALECTS["openai_chat"], anthropic=DIALECTS["anthropic_messages"])
        return ModelParts(reachable=Reachable(self._catalogue, self), errors=errors)

    def reachable(self) -> list[str]:
        """As `Installation` has it."""
        return self._models.reachable()

    def embedding(self) -> list[str]:
        """As `Installation` has it."""
        return self._models.embedding()

    def hosted(self) -> list[ModelCard]:
        """As `Installation` has it: what isthmus.toml declares, and the local models whose weights are here."""
        directory = Path(self._settings.data_directory)
        local = {
            row.model: row.context_tokens for row in weights.CATALOGUE if weights.path_of(row, directory).is_file()
        }
        declared = {name: entry.context_tokens for name, entry in self._declared.models.items()}
        cards = [hosted_card(name, context_tokens) for name, context_tokens in {**local, **declared}.items()]
        if embedding.weights() is not None and embedding.NAME not in declared:
            cards.append(hosted_card(embedding.NAME, embedding.CONTEXT_TOKENS, embeds=True))
        return cards

    def without_effect(self) -> list[str]:
        """Settings that are stored and do nothing yet."""
        return [
            f"gateway {gateway.id}: {field} {why}"
            for gateway in self._publisher.configuration.gateways
            if not gateway.declared
            for field, why in idle(gateway.settings).items()
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
            accounts = self._publisher.configuration.accounts
            await self._invalidation.declared(accounts, _leading(before[1]), _leading(declared))
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
        if is_hello(scope):
            await answers_health(scope, receive, send)
        elif path.startswith("/client/v4/accounts/") and "/ai/" in path and "/ai-gateway/" not in path:
            if scope["method"] in ("GET", "HEAD") and path.partition("/ai/")[2].startswith(ABOUT_MODELS):
                await management(scope, receive, send)
            else:
                await calls(scope, receive, send)
        elif resumes(path):
            await calls(scope, receive, send)
        elif path.startswith(OLDER):
            if scope["method"] in ("GET", "HEAD") and path.startswith(SHORT_LISTS):
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


def _leading(declared: Declared) -> dict[str, object]:
    """Where declared providers lead: another key to the same place changes no answer."""
    return {slug: structs.replace(each, credential=None) for slug, each in declared.providers.items()}


def _runs(settings: Settings) -> RunStore:
    limits = RunLimits(
        max_bytes=settings.resume_max_bytes,
        max_runs=settings.resume_max_runs,
        life_seconds=settings.resume_seconds,
        away=settings.resume_away,
    )
    return RunStore(Path(settings.data_directory) / "runs", limits, DIALECTS, SystemClock())
