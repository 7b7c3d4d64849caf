"""Made-up log probabilities, in the form both of OpenAI's dialects give them."""

from __future__ import annotations

import random
from typing import Any

from isthmus.simulator import text as texts

_OTHERS = " the| a| of|.|,| and| to| in|\n| is| it| on| that| as| for| was| by| with| an| at".split("|")


def token_logprobs(text: str, rng: random.Random, top: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for token in texts.pieces(text):
        first = -round(rng.random() / 2, 6)
        others = [_row(other, first - 1 - rank) for rank, other in enumerate(_OTHERS[: max(0, top - 1)])]
        ranked = [_row(token, first), *others] if top else []
        rows.append({**_row(token, first), "top_logprobs": ranked})
    return rows


def _row(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}
