"""What is kept can be purged again, by whatever address it came to be: by the caller's own key, by the key that the
answer tells, by its model.
"""

from __future__ import annotations

from typing import Any

import pytest

from data_plane.caching.doors import DOORS, Door
from data_plane.caching.served import CACHED, Served, status

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def purged(served: Served, **body: Any) -> int:
    answer = await served.gateway.manage("POST", f"gateways/{CACHED}/cache/purge", body)
    assert answer.status_code == 200, answer.text
    found: int = answer.json()["result"]["purged"]
    return found


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
async def test_purged_by_key_and_by_model(served: Served, door: Door) -> None:
    text = f"Tell of the purge of {door.name}."
    own: dict[str, Any] = {"cf-aig-cache-key": f"key of {door.name}"}
    keyed = await door.ask(served, text, False, headers=own)
    plain = await door.ask(served, text, False)
    assert (keyed.status_code, status(keyed), plain.status_code, status(plain)) == (200, "MISS", 200, "MISS")
    assert await purged(served, keys=[own["cf-aig-cache-key"]]) == 1
    assert status(await door.ask(served, text, False, headers=own)) == "MISS"
    assert status(await door.ask(served, text, False)) == "HIT"
    told = [each.headers["cf-aig-cache-key"] for each in (keyed, plain)]
    assert await purged(served, keys=told) == 2
    assert status(await door.ask(served, text, False)) == "MISS"
    row = await served.row_of(plain)
    assert await purged(served, models=[row["model"].upper(), f"{row['provider']}/{row['model']}".upper()]) >= 1
    assert status(await door.ask(served, text, False)) == "MISS"
