"""One management call as its handler sees it: path parameters, query, the token that speaks, and the body on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import msgspec

from isthmus.core.account import Token
from isthmus.errors import CallerLeft, InvalidRequest, TimedOutReading, TooLarge
from isthmus.validation.fields import one_problem

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class BodyLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller may send, and how long it may take over it."""

    body_max_bytes: int = 1024 * 1024
    read_seconds: float = 60.0


class ApiRequest:
    """`query` holds the pairs in the order sent: filters need it. `origin`: scheme and host, as the caller has them."""

    __slots__ = ("_limits", "_receive", "origin", "parameters", "query", "token")

    def __init__(
        self,
        parameters: Mapping[str, str],
        query: list[tuple[str, str]],
        token: Token,
        receive: Receive,
        limits: BodyLimits,
    ) -> None:
        self.parameters = parameters
        self.query = query
        self.token = token
        self.origin = ""
        self._receive = receive
        self._limits = limits

    @property
    def account_id(self) -> str:
        return self.parameters["account_id"]

    @property
    def gateway_id(self) -> str:
        return self.parameters["gateway_id"]

    def may_see(self, gateway_id: str) -> bool:
        """A token may be bound to some gateways."""
        return self.token.gateways is None or gateway_id in self.token.gateways

    def asked(self, name: str) -> str | None:
        """The last value of a query key; empty counts as not given."""
        values = [value for key, value in self.query if key == name and value]
        return values[-1] if values else None

    async def json_object(self) -> dict[str, object]:
        """The body. Raises where it is no JSON object, too large, or slow to come."""
        try:
            async with asyncio.timeout(self._limits.read_seconds):
                body = await self._read()
        except TimeoutError:
            raise TimedOutReading("The request body did not arrive in time") from None
        try:
            value = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidRequest(f"The request body is not valid JSON: {error}", code=7001) from None
        except RecursionError:
            raise InvalidRequest("The request body is nested too deeply", code=7001) from None
        if not isinstance(value, dict):
            raise one_problem("Expected object", "body")
        return value

    async def _read(self) -> bytes:
        most = self._limits.body_max_bytes
        body = bytearray()
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise CallerLeft("The caller left while sending")
            body += message.get("body", b"")
            if len(body) > most:
                raise TooLarge(f"The request body is larger than {most} bytes")
            if not message.get("more_body", False):
                return bytes(body)
