"""Publishing: whatever is configured, by the API, by isthmus.toml or by another process, is compiled into one immutable
snapshot beside the running one and swapped in by assigning one reference, which is all that the data plane reads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Generic, TypeVar

import msgspec
from msgspec import structs

from isthmus.clock import Clock
from isthmus.control_plane.envelope import NOT_FOUND
from isthmus.core.gateway import DEFAULT_ID, DEFAULT_SETTINGS, Gateway, GatewaySettings
from isthmus.errors import InvalidRequest, NotFound
from isthmus.storage.protocols import Configs, Configuration
from isthmus.validation.fields import one_problem

POLL_SECONDS = 1.0
CHANGE_ATTEMPTS = 5
"""How often a change is made anew when other processes keep changing the same gateway."""

SMALLEST_STEP_SECONDS = 0.001
"""Between two changes of a gateway: its time of change tells one from the other, and answers show milliseconds."""

S = TypeVar("S")
log = logging.getLogger(__name__)


class DeclaredGateways(msgspec.Struct, frozen=True, kw_only=True):
    """From isthmus.toml: they stand in every account, before stored ones of the same id, and the API cannot change
    them. `declared_at` in epoch seconds."""

    settings: Mapping[str, GatewaySettings]
    declared_at: float


OnChange = Callable[[Configuration, Configuration], Awaitable[None]]
"""(the one before, the one that serves now)"""

NOTHING_DECLARED = DeclaredGateways(settings={}, declared_at=0.0)


class Publisher(Generic[S]):
    """`current` and `configuration` are there once `start` has returned, and always belong together.

    `compile_snapshot` raises `ValueError`, or a `GatewayError`, where the configuration cannot be served; what was
    current stays, and the caller gets the reason. `on_change` has returned before whoever made a change is answered;
    where it raises, it is told again with the next refresh.
    """

    current: S
    configuration: Configuration

    def __init__(
        self,
        configs: Configs,
        compile_snapshot: Callable[[Configuration], S],
        clock: Clock,
        declared: DeclaredGateways = NOTHING_DECLARED,
        poll_seconds: float = POLL_SECONDS,
        on_change: OnChange | None = None,
    ) -> None:
        self._configs = configs
        self._compile = compile_snapshot
        self._clock = clock
        self._declared = declared
        self._poll_seconds = poll_seconds
        self._on_change = on_change
        self._gateways: dict[tuple[str, str], Gateway] = {}
        self._refreshing = asyncio.Lock()
        self.changing = asyncio.Lock()
        """Held by whoever reads the configuration in order to change it."""
        self._making_default: dict[str, asyncio.Task[None]] = {}
        self._poll_task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """The first snapshot; from then on changes by other processes are seen within `poll_seconds`."""
        self._publish(await self._configs.load())
        self._told = self.configuration
        self._poll_task = asyncio.create_task(self._poll())

    async def aclose(self) -> None:
        if self._poll_task is not None:
            self._poll_task.cancel()
            await asyncio.gather(self._poll_task, return_exceptions=True)
            self._poll_task = None

    async def refresh(self) -> S:
        """Gives the snapshot that holds everything stored before the call. One runs at a time; who waited for another
        mostly finds that there is nothing left to do."""
        async with self._refreshing:
            if await self._configs.version() != self.configuration.version:
                self._publish(await self._configs.load())
            await self._tell()
            return self.current

    async def declare(self, declared: DeclaredGateways) -> None:
        """isthmus.toml was read again."""
        async with self._refreshing:
            before = self._declared
            self._declared = declared
            try:
                self._publish(await self._configs.load())
            except BaseException:
                self._declared = before
                raise
            await self._tell()

    def gateway(self, account_id: str, gateway_id: str) -> Gateway:
        """Raises `NotFound`."""
        found = self._gateways.get((account_id, gateway_id))
        if found is None:
            raise NotFound("Not Found", code=NOT_FOUND)
        return found

    async def ensure_default(self, account_id: str) -> S:
        """Gives a snapshot in which the account has its gateway `default`: made where it is missing, and once however
        many callers come at the same time."""
        if (account_id, DEFAULT_ID) in self._gateways:
            return self.current
        task = self._making_default.get(account_id)
        if task is None:
            task = asyncio.create_task(self._make_default(account_id))
            self._making_default[account_id] = task
            task.add_done_callback(lambda done: self._made_default(account_id, done))
        await asyncio.shield(task)  # a caller who leaves does not take it from the others
        return self.current

    async def add_gateway(
        self, account_id: str, gateway_id: str, settings: GatewaySettings, most_in_account: int | None = None
    ) -> Gateway:
        """A new one. Raises where the id is taken or the account has `most_in_account` already."""
        async with self.changing:
            if (account_id, gateway_id) in self._gateways:
                raise _taken(gateway_id)
            count = sum(1 for gateway in self.configuration.gateways if gateway.account_id == account_id)
            if most_in_account is not None and count >= most_in_account:
                raise one_problem(f"An account can have {most_in_account} gateways", "body", "id")
            now = self._clock.now()
            gateway = Gateway(id=gateway_id, account_id=account_id, settings=settings, created_at=now, modified_at=now)
            if not await self.commit(self._with(gateway), lambda configs: configs.add_gateway(gateway)):
                raise _taken(gateway_id)
            return gateway

    async def change_gateway(
        self, account_id: str, gateway_id: str, change: Callable[[GatewaySettings], GatewaySettings]
    ) -> Gateway:
        """Puts `change(settings)` in the place of the settings; made anew where another process came first."""
        async with self.changing:
            for _ in range(CHANGE_ATTEMPTS):
                old = self._changeable(account_id, gateway_id)
                now = max(self._clock.now(), old.modified_at + SMALLEST_STEP_SECONDS)
                new = structs.replace(old, settings=change(old.settings), modified_at=now)
                if await self.commit(self._with(new), partial(_put, new, old.modified_at)):
                    return new
            raise InvalidRequest("The gateway is being changed by others; try again", status=412, code=7001)

    async def remove_gateway(self, account_id: str, gateway_id: str) -> Gateway:
        """Answers what was removed."""
        async with self.changing:
            old = self._changeable(account_id, gateway_id)
            removed = await self._configs.remove_gateway(account_id, gateway_id)
            await self.refresh()
            if not removed:
                raise NotFound("Not Found", code=NOT_FOUND)
            return old

    async def commit(self, wanted: Configuration, write: Callable[[Configs], Awaitable[bool]]) -> bool:
        """Stores a change, whatever of, by one `write` of a store, with `changing` held; what `write` says. `wanted` is
        the configuration as it would be: if that cannot be served, the reason is raised and nothing is stored."""
        self._try(wanted)
        done = await write(self._configs)
        await self.refresh()
        return done

    def _changeable(self, account_id: str, gateway_id: str) -> Gateway:
        gateway = self.gateway(account_id, gateway_id)
        if gateway.declared:
            raise InvalidRequest(
                f"The gateway '{gateway_id}' is declared in isthmus.toml: change it there", status=409, code=7001
            )
        return gateway

    def _with(self, gateway: Gateway) -> Configuration:
        others = [each for each in self.configuration.gateways if not _same(each, gateway)]
        return structs.replace(self.configuration, gateways=(*others, gateway))

    def _try(self, wanted: Configuration) -> None:
        """Compiles what the change would give, and throws it away: nothing is stored that cannot be served."""
        try:
            self._compile(wanted)
        except ValueError as error:
            raise InvalidRequest(str(error), code=7001) from error

    def _publish(self, stored: Configuration) -> None:
        merged = self._merged(stored)
        current = self._compile(merged)
        self._gateways = {(gateway.account_id, gateway.id): gateway for gateway in merged.gateways}
        self.configuration = merged
        self.current = current

    async def _tell(self) -> None:
        """With `_refreshing` held."""
        told, now = self._told, self.configuration
        if told is not now and self._on_change is not None:
            await self._on_change(told, now)
        self._told = now

    def _merged(self, stored: Configuration) -> Configuration:
        declared = [
            Gateway(
                id=gateway_id,
                account_id=account.id,
                settings=settings,
                created_at=self._declared.declared_at,
                modified_at=self._declared.declared_at,
                declared=True,
            )
            for account in stored.accounts
            for gateway_id, settings in self._declared.settings.items()
        ]
        others = [gateway for gateway in stored.gateways if gateway.id not in self._declared.settings]
        return structs.replace(stored, gateways=(*declared, *others))

    async def _make_default(self, account_id: str) -> None:
        try:
            await self.add_gateway(account_id, DEFAULT_ID, DEFAULT_SETTINGS)
        except InvalidRequest:
            # another process, or a call of the API, made it meanwhile: that is as good
            if (account_id, DEFAULT_ID) not in self._gateways:
                raise

    def _made_default(self, account_id: str, done: asyncio.Task[None]) -> None:
        del self._making_default[account_id]
        if not done.cancelled():
            done.exception()  # seen: each caller has it from its own await, and all of them may have left

    async def _poll(self) -> None:
        complaint: str | None = None
        while True:
            await self._clock.sleep(self._poll_seconds)
            try:
                await self.refresh()
            except Exception as error:  # whatever it is, serving goes on with what is current
                if complaint != str(error):
                    complaint = str(error)
                    log.error("the configuration could not be read again, the last one stays: %s", error)
            else:
                if complaint is not None:
                    complaint = None
                    log.info("the configuration can be read again")


async def _put(gateway: Gateway, expected_modified_at: float, configs: Configs) -> bool:
    return await configs.put_gateway(gateway, expected_modified_at)


def _same(one: Gateway, other: Gateway) -> bool:
    return one.id == other.id and one.account_id == other.account_id


def _taken(gateway_id: str) -> InvalidRequest:
    return one_problem(f"A gateway with the id '{gateway_id}' already exists", "body", "id")
