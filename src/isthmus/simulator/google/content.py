"""`generateContent`, answered: whole, as a stream of events or as a list that grows; and the count of a prompt."""

from __future__ import annotations

from itertools import chain, zip_longest
from typing import Any

import msgspec

from isthmus.simulator.exchange import Answer, Exchange, Respond, spoiled
from isthmus.simulator.google import rules, turns, vendor
from isthmus.simulator.google.candidate import Candidate, Manner, check_words
from isthmus.simulator.google.counting import PromptUsage, count_prompt, rows
from isthmus.simulator.google.errors import GoogleRejection, error_body
from isthmus.simulator.google.proto import read
from isthmus.simulator.google.schemas import as_json_schema
from isthmus.simulator.google.vendor import Google
from isthmus.simulator.models import Model
from isthmus.simulator.script import Ask, Draft, Tool, heard, write
from isthmus.simulator.seeds import identifier

_LEVEL_TOKENS = {"minimal": 8, "low": 32, "medium": 64, "high": 128}
_UNASKED_TOKENS = 48
_MOST_THINKING_TOKENS = 128
_CREATED = "2026-05-28T20:26:40.000000Z"  # `EPOCH_SECONDS`


def generate(exchange: Exchange) -> Answer:
    return _respond(exchange, streamed=False)


def stream(exchange: Exchange) -> Answer:
    return _respond(exchange, streamed=True)


def count(exchange: Exchange) -> Answer:
    google = vendor.of(exchange)
    model = google.known_model(exchange)
    raw = read(google.package, "CountTokensRequest", exchange.raw)
    request = raw.get("generateContentRequest", raw)
    if request is not raw and "contents" in raw:
        raise GoogleRejection("Only one of contents and generate_content_request may be set.")
    request = {**request, "contents": request.get("contents", [])}
    _check(exchange, google, request, model)
    exchange.settle(_heard(request["contents"])[0])
    prompt = count_prompt(exchange, model, request, searches=False)
    return google.whole(exchange, {"totalTokens": prompt.total, "promptTokensDetails": rows(prompt.tokens)})


METHODS: dict[str, Respond] = {"generateContent": generate, "streamGenerateContent": stream, "countTokens": count}


def _check(exchange: Exchange, google: Google, request: dict[str, Any], model: Model) -> None:
    turns.check_turns(request["contents"], model, google, exchange.world.seed)
    rules.check(request, model, google)


def _respond(exchange: Exchange, streamed: bool) -> Answer:
    google = vendor.of(exchange)
    model = google.known_model(exchange)
    request = {"contents": [], **read(google.package, "GenerateContentRequest", exchange.raw)}
    _check(exchange, google, request, model)
    text = exchange.settle(_heard(request["contents"])[0], streamed)
    fault = exchange.fault
    check_words(fault, google.is_vertex)
    searches = any("googleSearch" in tool for tool in request.get("tools", ()))
    prompt = count_prompt(exchange, model, request, searches)
    answer = _Answer(exchange, google, model, request, prompt)
    if fault.block_reason is not None:
        bodies = [answer.blocked(fault.block_reason)]
    else:
        config = request.get("generationConfig", {})
        ask = _ask(exchange, request, model, text)
        drafts = [write(ask, exchange.world.seed, choice) for choice in range(config.get("candidateCount", 1))]
        manner = _manner(exchange, google, model, config, text if searches else None)
        one_by_one = streamed and fault.kind != "not_streamed"
        bodies = answer.chunks(drafts, manner) if one_by_one else [answer.whole(drafts, manner)]
    if not streamed or fault.kind == "not_streamed":
        return google.whole(exchange, bodies[0])
    return _streamed(exchange, google, bodies)


def _streamed(exchange: Exchange, google: Google, bodies: list[dict[str, Any]]) -> Answer:
    """With `alt=sse` events, which end in CRLF twice; without, one list, an item at a time."""
    trouble = error_body(google.trouble(exchange)) if exchange.fault.error_event_after is not None else {}
    if vendor.asks_for_sse(exchange.request):
        events = [_sse(body) for body in bodies]
        events = spoiled(events, exchange.fault, lambda _: [_sse(trouble)])
        kind = "text/event-stream"
    else:
        events = [_item(place, body, place == len(bodies) - 1) for place, body in enumerate(bodies)]
        events = spoiled(events, exchange.fault, lambda place: [_item(place, trouble, True)])
        kind = "application/json; charset=UTF-8"
    headers = (("content-type", kind), ("content-disposition", "attachment"), *google.headers(exchange))
    return Answer(headers=headers, events=tuple(events))


def _sse(body: dict[str, Any]) -> bytes:
    return b"data: %s\r\n\r\n" % msgspec.json.encode(body)


def _item(place: int, body: dict[str, Any], is_last: bool) -> bytes:
    shown = msgspec.json.format(msgspec.json.encode(body), indent=2)
    return (b",\r\n" if place else b"[") + shown + (b"\n]\n" if is_last else b"\n")


def _heard(contents: list[dict[str, Any]]) -> tuple[str, int]:
    return heard(
        (
            "user" if turns.said_by_user(content) else "model",
            "\n".join(part["text"] for part in content["parts"] if "text" in part and not part.get("thought")),
        )
        for content in contents
    )


def _ask(exchange: Exchange, request: dict[str, Any], model: Model, text: str) -> Ask:
    config = request.get("generationConfig", {})
    choice = request.get("toolConfig", {}).get("functionCallingConfig", {})
    allowed = choice.get("allowedFunctionNames", ())
    schema, kind = _schema(config), config.get("responseMimeType")
    if kind == "text/x.enum" and schema is not None:
        text, schema = f"echo: {exchange.world.seed.rng('enum', text).choice(schema['enum'])}", None
    return Ask(
        text=text,
        answers=_heard(request["contents"])[1],
        results=tuple(_result(response) for response in turns.held(request["contents"][-1], "functionResponse")),
        tools=tuple(tool for tool in _functions(request) if not allowed or tool.name in allowed),
        choice={"ANY": "required", "NONE": "none"}.get(choice.get("mode", "AUTO"), "auto"),
        json_schema=schema,
        json_object=kind == "application/json" and schema is None,
        max_tokens=config.get("maxOutputTokens"),
        stops=tuple(config.get("stopSequences", ())),
        reasoning_tokens=_thinking_tokens(config.get("thinkingConfig", {}), model),
        fault=exchange.fault,
    )


def _schema(config: dict[str, Any]) -> dict[str, Any] | None:
    if "responseSchema" in config:
        return as_json_schema(config["responseSchema"])
    text = config.get("responseFormat", {}).get("text", {})
    given = next((config[name] for name in rules.JSON_SCHEMAS if name in config), text.get("schema"))
    return given if isinstance(given, dict) else None


def _functions(request: dict[str, Any]) -> list[Tool]:
    declared = chain.from_iterable(tool.get("functionDeclarations", ()) for tool in request.get("tools", ()))
    return [
        Tool(
            name=function["name"],
            schema=function.get("parametersJsonSchema")
            or as_json_schema(function.get("parameters", {"type": "OBJECT"})),
        )
        for function in declared
    ]


def _result(response: dict[str, Any]) -> str:
    said = response.get("response", {})
    found = next((said[name] for name in ("output", "result", "error") if name in said), said)
    return found if isinstance(found, str) else msgspec.json.encode(found).decode()


def _thinking_tokens(config: dict[str, Any], model: Model) -> int:
    level: str = config.get("thinkingLevel", "").lower()
    budget: int = config.get("thinkingBudget", -1)
    if not model.thinking:
        return 0
    if level in _LEVEL_TOKENS:
        return _LEVEL_TOKENS[level]
    if budget >= 0:
        return min(budget, _MOST_THINKING_TOKENS)
    return _LEVEL_TOKENS[model.efforts[0]] if model.efforts else _UNASKED_TOKENS


def _manner(exchange: Exchange, google: Google, model: Model, config: dict[str, Any], query: str | None) -> Manner:
    newer = "level" in model.thinking
    return Manner(
        is_vertex=google.is_vertex,
        shows_thoughts=config.get("thinkingConfig", {}).get("includeThoughts", False),
        has_ids=newer and not google.is_vertex,
        signs=newer,
        logprobs=config.get("logprobs", 0) if config.get("responseLogprobs") else None,
        query=query,
        fault=exchange.fault,
    )


class _Answer:
    """The candidates of one answer, in both forms, and what they cost."""

    def __init__(
        self, exchange: Exchange, google: Google, model: Model, request: dict[str, Any], prompt: PromptUsage
    ) -> None:
        self._exchange = exchange
        self._is_vertex = google.is_vertex
        self._prompt = prompt
        self._tier = request.get("serviceTier", "unspecified")
        self._tail: dict[str, Any] = {
            "modelVersion": model.answers_as,
            "responseId": identifier(exchange.ids, "", 22),
        }
        if google.is_vertex:
            self._tail["createTime"] = _CREATED

    def blocked(self, reason: str) -> dict[str, Any]:
        return {"promptFeedback": {"blockReason": reason}, "usageMetadata": self._usage(0, 0, {}), **self._tail}

    def whole(self, drafts: list[Draft], manner: Manner) -> dict[str, Any]:
        candidates = self._candidates(drafts, manner)
        thought = sum(draft.reasoning_tokens for draft in drafts)
        spoken = sum(
            draft.output_tokens - draft.reasoning_tokens
            for draft, candidate in zip(drafts, candidates, strict=True)
            if not candidate.is_silenced
        )
        usage = self._usage(thought, spoken, {"TEXT": spoken})
        return {"candidates": [c.whole() for c in candidates], "usageMetadata": usage, **self._tail}

    def chunks(self, drafts: list[Draft], manner: Manner) -> list[dict[str, Any]]:
        """Each tells what has been spent so far; Vertex tells it at the end."""
        candidates = self._candidates(drafts, manner)
        rounds = list(zip_longest(*(candidate.pieces() for candidate in candidates)))
        spent = [(0, 0)] * len(drafts)
        bodies: list[dict[str, Any]] = []
        for number, pieces in enumerate(rounds, 1):
            spent = [piece[1:] if piece else before for piece, before in zip(pieces, spent, strict=True)]
            thought, spoken = (sum(column) for column in zip(*spent, strict=True))
            is_last = number == len(rounds)
            usage = self._usage(thought, spoken, {"TEXT": spoken} if is_last else {})
            if self._is_vertex and not is_last:
                usage = {"trafficType": "ON_DEMAND"}
            said = [piece[0] for piece in pieces if piece]
            bodies.append({"candidates": said, "usageMetadata": usage, **self._tail})
        return bodies

    def _candidates(self, drafts: list[Draft], manner: Manner) -> list[Candidate]:
        exchange = self._exchange
        return [
            Candidate(index, draft, manner, exchange.ids, exchange.world.seed) for index, draft in enumerate(drafts)
        ]

    def _usage(self, thought: int, spoken: int, details: dict[str, int]) -> dict[str, Any]:
        """What is nought is left out. The total is of everything, thoughts and what a search brought in too."""
        usage = self._prompt.as_usage()
        if spoken:
            usage["candidatesTokenCount"] = spoken
        if thought:
            usage["thoughtsTokenCount"] = thought
        usage["totalTokenCount"] = self._prompt.total + self._prompt.search + thought + spoken
        if self._is_vertex:
            usage["trafficType"] = "ON_DEMAND"
            if spoken and details:
                usage["candidatesTokensDetails"] = rows(details)
        elif self._tier != "unspecified":
            usage["serviceTier"] = self._tier
        return usage
