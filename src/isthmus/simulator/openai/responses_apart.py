"""What Responses does with an input but answer it: counts it, and compacts it."""

from __future__ import annotations

from typing import Any

from isthmus.simulator.exchange import EPOCH_SECONDS, Answer, Exchange, Rejection, whole
from isthmus.simulator.openai import responses_rules, rules
from isthmus.simulator.openai.responses_request import ResponsesRequest
from isthmus.simulator.openai.vendor import OPENAI, known_model
from isthmus.simulator.seeds import identifier
from isthmus.simulator.shape import read_shape

_COUNTED = frozenset(
    "model input previous_response_id tools text reasoning truncation instructions conversation tool_choice "
    "parallel_tool_calls".split()
)
_COMPACTED = frozenset(
    "model input previous_response_id instructions prompt_cache_key prompt_cache_retention service_tier".split()
)
_SUMMARY_TOKENS = 20


def count(exchange: Exchange) -> Answer:
    exchange.settle()
    _, tokens = _read(exchange, _COUNTED)
    return whole(OPENAI, exchange, {"object": "response.input_tokens", "input_tokens": tokens})


def compact(exchange: Exchange) -> Answer:
    exchange.settle()
    reading, tokens = _read(exchange, _COMPACTED)
    item = {
        "id": identifier(exchange.ids, "cmp_", 40),
        "type": "compaction",
        "encrypted_content": exchange.world.seed.seal("What was said, summed up."),
    }
    said = [raw for raw in reading.raw_items if isinstance(raw, dict) and raw.get("role") == "user"]
    return whole(
        OPENAI,
        exchange,
        {
            "id": identifier(exchange.ids, "resp_", 40),
            "object": "response.compaction",
            "created_at": EPOCH_SECONDS,
            "output": [*said, item],
            "usage": {
                "input_tokens": tokens,
                "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                "output_tokens": _SUMMARY_TOKENS,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": tokens + _SUMMARY_TOKENS,
            },
        },
    )


def _read(exchange: Exchange, known: frozenset[str]) -> tuple[responses_rules.Reading, int]:
    raw: Any = exchange.raw
    for name in raw:
        if name not in known:
            raise Rejection(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    request: ResponsesRequest = read_shape(raw, ResponsesRequest)
    model = known_model(exchange, request.model)
    reading = responses_rules.check(exchange, request, model)
    instructions = [request.instructions] if request.instructions else []
    blocks = [*raw.get("tools", ()), *instructions, *reading.raw_items]
    return reading, rules.prompt_tokens(exchange, model, blocks)[0]
