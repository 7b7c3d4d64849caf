"""A caller of the gateway host's WebSocket, for tests: a real client, and what comes back sorted by event id."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from conftest import Gateway

Message = dict[str, Any]


def chat(text: str, **more: Any) -> Message:
    """A step for OpenAI."""
    query = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], **more}
    return {"provider": "openai", "endpoint": "chat/completions", "headers": {}, "query": query}


def create(event_id: Any, step: Message) -> Message:
    return {"type": "universal.create", "request": {"eventId": event_id, **step}}


def url(gateway: Gateway, gateway_id: str = "default", slash: str = "") -> str:
    base = gateway.running.base_url.replace("http://", "ws://")
    return f"{base}/v1/{gateway.running.account_id}/{gateway_id}{slash}"


class Socket:
    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def ask(self, message: Any) -> None:
        await self.connection.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def next(self) -> Message:
        async with asyncio.timeout(10):
            message: Message = json.loads(await self.connection.recv())
        return message

    async def answer(self, message: Any) -> Message:
        """The next message after this one."""
        await self.ask(message)
        return await self.next()

    async def answers(self, count: int) -> dict[str, list[Message]]:
        """All messages by event id, until so many requests have their last one."""
        found: dict[str, list[Message]] = defaultdict(list)
        while count:
            message = await self.next()
            found[message["metadata"]["eventId"]].append(message)
            count -= message["type"] == "universal.done" or (
                "response" in message and message["type"].endswith("created")
            )
        return found

    async def closed(self) -> tuple[int, str]:
        """Waits for the gateway to close: with which code, and why."""
        async with asyncio.timeout(10):
            await self.connection.wait_closed()
        return self.connection.close_code or 0, self.connection.close_reason or ""


@asynccontextmanager
async def opened(gateway: Gateway, headers: dict[str, str] | None = None, **more: Any) -> AsyncIterator[Socket]:
    shown = {"cf-aig-authorization": gateway.headers["authorization"]} if headers is None else headers
    async with connect(more.pop("address", url(gateway)), additional_headers=shown, **more) as connection:
        yield Socket(connection)


async def refused(gateway: Gateway, headers: dict[str, str], **more: Any) -> tuple[int, Message]:
    """Status and body of a handshake that fails."""
    try:
        async with opened(gateway, headers, **more):
            raise AssertionError("the socket was opened")
    except InvalidStatus as error:
        return error.response.status_code, json.loads(error.response.body or b"null")


def problem(message: Message) -> tuple[str | None, int, int]:
    """Event id, status and code of an error of ours, in the shape E2."""
    assert message["type"] == "universal.created"
    metadata, body = message["metadata"], message["response"]
    assert (body["success"], body["name"], body["httpCode"]) == (False, "AiGatewayError", metadata["status"])
    (listed,) = body["error"]
    return metadata.get("eventId"), metadata["status"], listed["code"]
