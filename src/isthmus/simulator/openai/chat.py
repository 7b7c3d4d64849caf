"""Chat Completions, answered: a `chat.completion`, or its stream of chunks."""

from __future__ import annotations

from itertools import chain, zip_longest
from typing import Any

from isthmus.simulator.exchange import EPOCH_SECONDS, Answer, Exchange, spoiled, sse, streamed, whole
from isthmus.simulator.openai import chat_rules, rules
from isthmus.simulator.openai.chat_request import ChatRequest
from isthmus.simulator.openai.logprobs import token_logprobs
from isthmus.simulator.openai.vendor import OPENAI, conversing_model, error_body
from isthmus.simulator.script import Call, Draft, write
from isthmus.simulator.seeds import hexadecimal, identifier
from isthmus.simulator.shape import read_shape

_DONE = b"data: [DONE]\n\n"
_FINISH = {"stop_sequence": "stop", "refusal": "stop"}
_OBFUSCATION = "abcdefghijklmnopqrstuvwxyz"


def respond(exchange: Exchange) -> Answer:
    request: ChatRequest = read_shape(exchange.raw, ChatRequest)
    model = conversing_model(exchange, request.model, "v1/chat/completions")
    effort = chat_rules.check(request, model)
    ask = chat_rules.ask(exchange, request, effort)
    blocks = [*exchange.raw.get("tools", ()), *exchange.raw["messages"]]
    tokens = rules.prompt_tokens(exchange, model, blocks)
    name = "max_tokens" if request.max_tokens is not None else "max_completion_tokens"
    rules.check_room(model, tokens[0], ask.max_tokens, ("messages", name))
    drafts = [write(ask, exchange.world.seed, choice) for choice in range(request.n or 1)]
    answer = _ChatAnswer(exchange, request, drafts)
    head = {
        "id": identifier(exchange.ids, "chatcmpl-", 29),
        "created": EPOCH_SECONDS,
        "model": model.answers_as,
        "service_tier": rules.tier(request.service_tier),
        "system_fingerprint": hexadecimal(exchange.world.seed.rng(model.name), "fp_", 10),
    }
    usage = _usage(tokens, drafts)
    if not request.stream or exchange.fault.kind == "not_streamed":
        return whole(OPENAI, exchange, answer.completion(head, usage))
    events = answer.chunks(head, usage)
    return streamed(OPENAI, exchange, spoiled(events, exchange.fault, lambda _: [_error(exchange)]))


def _error(exchange: Exchange) -> bytes:
    return sse({"error": error_body(OPENAI.trouble(exchange))})


class _ChatAnswer:
    """The choices of one answer, in both forms."""

    def __init__(self, exchange: Exchange, request: ChatRequest, drafts: list[Draft]) -> None:
        self._ids = exchange.ids
        self._request = request
        self._drafts = drafts

    def completion(self, head: dict[str, Any], usage: dict[str, Any]) -> dict[str, Any]:
        choices = [self._choice(index, draft) for index, draft in enumerate(self._drafts)]
        return {**head, "object": "chat.completion", "choices": choices, "usage": usage}

    def _choice(self, index: int, draft: Draft) -> dict[str, Any]:
        refused = draft.ending == "refusal"
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None if refused or (draft.calls and not draft.text) else draft.text,
            "refusal": draft.text if refused else None,
            "annotations": [],
        }
        if draft.calls:
            message["tool_calls"] = [self._call(call) for call in draft.calls]
        said = list(chain.from_iterable(map(self._token_rows, draft.deltas)))
        return {
            "index": index,
            "message": message,
            "logprobs": self._logprobs(said, refused),
            "finish_reason": _FINISH.get(draft.ending, draft.ending),
        }

    def _call(self, call: Call) -> dict[str, Any]:
        ident = identifier(self._ids, "call_", 24)
        if call.tool.schema is None:
            return {"id": ident, "type": "custom", "custom": {"name": call.tool.name, "input": call.arguments}}
        function = {"name": call.tool.name, "arguments": call.arguments}
        return {"id": ident, "type": "function", "function": function}

    def _token_rows(self, text: str) -> list[dict[str, Any]]:
        return token_logprobs(text, self._ids, self._request.top_logprobs or 0) if self._request.logprobs else []

    def _logprobs(self, rows: list[dict[str, Any]], refused: bool) -> dict[str, Any] | None:
        if not self._request.logprobs:
            return None
        return {"content": None, "refusal": rows} if refused else {"content": rows, "refusal": None}

    def chunks(self, head: dict[str, Any], usage: dict[str, Any]) -> list[bytes]:
        options = self._request.stream_options
        head = {**head, "object": "chat.completion.chunk"}
        if options is not None and options.include_usage is True:
            head["usage"] = None
        obfuscated = options is not None and options.include_obfuscation is True
        per_choice = [self._deltas(index, draft) for index, draft in enumerate(self._drafts)]
        events: list[bytes] = []
        for choice in chain.from_iterable(zip_longest(*per_choice)):
            if choice is not None:
                chunk = {**head, "choices": [choice]}
                if obfuscated and choice["delta"]:
                    chunk["obfuscation"] = "".join(self._ids.choices(_OBFUSCATION, k=self._ids.randint(1, 12)))
                events.append(sse(chunk))
        if "usage" in head:
            events.append(sse({**head, "choices": [], "usage": usage}))
        return [*events, _DONE]

    def _deltas(self, index: int, draft: Draft) -> list[dict[str, Any]]:
        """One choice's part of each chunk: the role first, the reason for its end last."""
        refused = draft.ending == "refusal"
        silent = refused or (draft.calls and not draft.text)
        parts: list[dict[str, Any]] = []

        def add(delta: dict[str, Any], text: str = "", finish: str | None = None) -> None:
            logprobs = self._logprobs(self._token_rows(text), refused) if text else None
            parts.append({"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish})

        add({"role": "assistant", "content": None if silent else "", "refusal": "" if refused else None})
        for text in draft.deltas:
            add({"refusal" if refused else "content": text}, text)
        for number, call in enumerate(draft.calls):
            first, key = self._call(call), "function" if call.tool.schema is not None else "custom"
            field = "arguments" if key == "function" else "input"
            first[key] = {**first[key], field: ""}
            add({"tool_calls": [{"index": number, **first}]})
            for text in call.deltas:
                add({"tool_calls": [{"index": number, key: {field: text}}]})
        add({}, finish=_FINISH.get(draft.ending, draft.ending))
        return parts


def _usage(tokens: tuple[int, int], drafts: list[Draft]) -> dict[str, Any]:
    spoken = sum(draft.output_tokens for draft in drafts)
    return {
        "prompt_tokens": tokens[0],
        "completion_tokens": spoken,
        "total_tokens": tokens[0] + spoken,
        "prompt_tokens_details": {"cached_tokens": tokens[1], "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": sum(draft.reasoning_tokens for draft in drafts),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
