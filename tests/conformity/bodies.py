"""Bodies that schemathesis makes of a vendor's schema, right ones and wrong ones: the same at every run."""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.core import NOT_SET

from conformity.documents import operation

SAID: dict[str, Any] = {"role": "user", "content": "Say hello."}
CONTENTS: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "Say hello."}]}]}
# What it takes to be answered, by path.
HELLO: dict[str, dict[str, Any]] = {
    "/chat/completions": {"messages": [SAID]},
    "/completions": {"prompt": "Say hello.", "n": 1, "best_of": 1},
    "/responses": {"input": "Say hello."},
    "/v1/messages": {"messages": [SAID], "max_tokens": 64},
    "/v1/messages/count_tokens": {"messages": [SAID]},
    "/generateContent": CONTENTS,
    "/streamGenerateContent": CONTENTS,
    "/countTokens": CONTENTS,
}


@cache
def bodies(vendor: str, path: str, mode: GenerationMode, count: int) -> tuple[Any, ...]:
    """Values, or bytes where the body is to be no JSON. None twice."""
    found: dict[str, Any] = {}

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation(vendor, path).as_strategy(generation_mode=mode))
    def collect(case: Any) -> None:
        if case.body is not NOT_SET:
            found[repr(case.body)] = case.body

    collect()
    return tuple(found.values())


def addressed(body: Any, path: str, model: str, place: int) -> Any:
    """The same with a model that there is. Two of three also say something: what most schemas let pass as a
    conversation no provider does, and what stands beside it would never be looked at; one of three of it alone."""
    if not isinstance(body, dict):
        return body
    named = {"model": model} if not path.endswith(("Content", "Tokens")) else {}
    if place % 3 == 0:
        return body | named if "model" in body else body
    kept = body if place % 3 == 1 else dict(itertools.islice(body.items(), place % 4))
    return kept | named | HELLO[path]
