"""What a call claims of the limits that hold for it, all at once, and what became of it."""

from __future__ import annotations

from typing import Literal

import msgspec

Measure = Literal["requests", "tokens", "in_flight"]
"""What is counted: calls in a window, tokens in a window, calls at a time."""

Technique = Literal["fixed", "sliding"]

LEASE_SECONDS = 60.0
"""How long a call that is in flight counts as such when nobody says that it still is."""


class Claim(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`key` names one counter, of one measure, window and technique; whoever shares it shares the limit. Its parts,
    with slashes between them: account, gateway, rule, and where each value has a counter of its own the value's.
    `window_seconds` 0 for `in_flight`. `amount`: how much of it the call takes now (1, or the tokens that it is
    expected to use)."""

    key: str
    measure: Measure
    limit: int
    amount: int = 1
    window_seconds: int = 0
    technique: Technique = "fixed"


class Standing(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One limit after a claim: what is left of it, and when more is, of one that was refused enough for it (seconds
    from now)."""

    claim: Claim
    remaining: int
    reset_seconds: float


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """What an admitted call holds, until it is settled, all of it or claim by claim. `id` is the call's."""

    id: str
    claims: tuple[Claim, ...]


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """`ticket` None: `refused` is the standing of the limit that said no, of several the one that does so for longest,
    and nothing was taken of any. `full`: it is not the limit, there is no room to count one thing more. `tightest`: of
    those that count in windows the one with the smallest share left, None where there is none."""

    ticket: Ticket | None
    tightest: Standing | None = None
    refused: Standing | None = None
    full: bool = False
