"""`kill -9` in the middle of streams: what was received can be had again, and says that it was cut short."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx

from data_plane.callers import CHAT, MESSAGES, complete, in_band
from data_plane.odd_provider import OddProvider
from data_plane.runs.paced import Listener, begin, paced, resume
from data_plane.test_kill import ACCOUNT, TOKEN, Server

TEXTS = ("One ", "two ", "three ", "four.")
MODELS = {CHAT: "openai/gpt-4o", MESSAGES: "anthropic/claude-haiku-4.5"}


def told(client: httpx.AsyncClient) -> Any:
    """What `begin` and `resume` want of a gateway."""
    headers = {"authorization": f"Bearer {TOKEN}"}
    return SimpleNamespace(client=client, account=f"/client/v4/accounts/{ACCOUNT}", headers=headers)


async def test_what_outlives_kill_9(provider: OddProvider, tmp_path: Path) -> None:
    server = Server(tmp_path, SimpleNamespace(openai_url=provider.url, anthropic_url=provider.url))
    await server.start()
    cut: list[tuple[str, int, Listener]] = []
    ended: list[tuple[str, Listener]] = []
    try:
        async with httpx.AsyncClient(base_url=server.url) as client:
            gateway = told(client)
            for caller, model in MODELS.items():
                events = len(paced(caller, *TEXTS).events)
                for blocks in (*range(1, events), events, events + 1):
                    answer = paced(caller, *TEXTS)
                    provider.answer = answer.answer
                    answer.allow(blocks)
                    listener = await begin(gateway, caller, model)
                    if blocks > events:
                        await listener.rest()
                        ended.append((caller, listener))
                        continue
                    # A caller of chat who did not ask for usage is not given its event.
                    given = blocks - (caller == CHAT and blocks >= events - 1)
                    await listener.blocks(given)
                    if blocks == events:
                        ended.append((caller, listener))
                    else:
                        cut.append((caller, given, listener))
            server.kill()
        await server.start()
        asked = len(provider.requests)
        async with httpx.AsyncClient(base_url=server.url) as client:
            gateway = told(client)
            for caller, blocks, listener in cut:
                back = await (await resume(gateway, listener.run_id, blocks)).rest()
                assert "stopped" in in_band(caller, (listener.received + back).decode())
                again = await (await resume(gateway, listener.run_id, 0)).rest()
                assert again == listener.received + back
            for caller, listener in ended:
                whole = await (await resume(gateway, listener.run_id, 0)).rest()
                assert whole == listener.received and complete(caller, whole.decode())
        assert len(provider.requests) == asked
    finally:
        server.kill()
