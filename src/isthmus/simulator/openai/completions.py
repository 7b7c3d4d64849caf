"""Text completions, answered: a `text_completion`, or a stream of them."""

from __future__ import annotations

from itertools import chain, zip_longest
from typing import Any

from isthmus.simulator import text as texts
from isthmus.simulator.exchange import EPOCH_SECONDS, Answer, Exchange, spoiled, sse, streamed, whole
from isthmus.simulator.openai import completions_request as asking
from isthmus.simulator.openai.completions_request import CompletionRequest
from isthmus.simulator.openai.logprobs import token_logprobs
from isthmus.simulator.openai.vendor import OPENAI, completing_model, error_body
from isthmus.simulator.script import Ask, Draft, write
from isthmus.simulator.seeds import hexadecimal, identifier
from isthmus.simulator.shape import read_shape

_DONE = b"data: [DONE]\n\n"
_FINISH = {"stop_sequence": "stop", "refusal": "stop"}


def respond(exchange: Exchange) -> Answer:
    request: CompletionRequest = read_shape(exchange.raw, CompletionRequest)
    model = completing_model(exchange, request.model)
    prompts = asking.prompts(request)
    asking.check(request, model, prompts)
    given = sum(map(texts.count, prompts))
    if prompts:
        prompts[-1] = exchange.settle(prompts[-1])
    answers = [
        (prompt, write(_ask(exchange, request, prompt), exchange.world.seed, choice))
        for prompt in prompts
        for choice in range(request.n or 1)
    ]
    head = {
        "id": identifier(exchange.ids, "cmpl-", 29),
        "object": "text_completion",
        "created": EPOCH_SECONDS,
        "model": model.answers_as,
        "system_fingerprint": hexadecimal(exchange.world.seed.rng(model.name), "fp_", 10),
    }
    spoken = sum(draft.output_tokens for _, draft in answers)
    usage = {"prompt_tokens": given, "completion_tokens": spoken, "total_tokens": given + spoken}
    told = [_Choice(exchange, request, index, *answer) for index, answer in enumerate(answers)]
    if not request.stream or exchange.fault.kind == "not_streamed":
        choices = [choice.whole() for choice in told]
        return whole(OPENAI, exchange, {**head, "choices": choices, "usage": usage})
    events = _events(request, head, told, usage)
    return streamed(OPENAI, exchange, spoiled(events, exchange.fault, lambda _: [_error(exchange)]))


def _error(exchange: Exchange) -> bytes:
    return sse({"error": error_body(OPENAI.trouble(exchange))})


def _ask(exchange: Exchange, request: CompletionRequest, prompt: str) -> Ask:
    stops = (request.stop,) if isinstance(request.stop, str) else tuple(request.stop or ())
    return Ask(text=prompt, max_tokens=asking.max_tokens(request), stops=stops, fault=exchange.fault)


def _events(
    request: CompletionRequest, head: dict[str, Any], told: list[_Choice], usage: dict[str, Any]
) -> list[bytes]:
    options = request.stream_options
    metered = options is not None and options.include_usage is True
    if metered:
        head = {**head, "usage": None}
    parts = chain.from_iterable(zip_longest(*(choice.parts() for choice in told)))
    events = [sse({**head, "choices": [part]}) for part in parts if part is not None]
    if metered:
        events.append(sse({**head, "choices": [], "usage": usage}))
    return [*events, _DONE]


class _Choice:
    """One choice of one answer, in both forms."""

    def __init__(self, exchange: Exchange, request: CompletionRequest, index: int, prompt: str, draft: Draft) -> None:
        self._ids = exchange.ids
        self._top = request.logprobs
        self._index = index
        self._draft = draft
        echoed = [prompt] if request.echo and prompt else []
        self._offset = 0 if echoed else len(prompt)
        self._pieces = [*echoed, *draft.deltas]

    def whole(self) -> dict[str, Any]:
        said = [self._logprobs(piece) for piece in self._pieces]
        together = {name: list(chain.from_iterable(each[name] for each in said if each)) for name in _NAMES}
        return self._part("".join(self._pieces), None if self._top is None else together, self._finish())

    def parts(self) -> list[dict[str, Any]]:
        return [
            *(self._part(piece, self._logprobs(piece)) for piece in self._pieces),
            self._part("", None, self._finish()),
        ]

    def _finish(self) -> str:
        return _FINISH.get(self._draft.ending, self._draft.ending)

    def _part(self, text: str, logprobs: dict[str, Any] | None, finish: str | None = None) -> dict[str, Any]:
        return {"text": text, "index": self._index, "logprobs": logprobs, "finish_reason": finish}

    def _logprobs(self, piece: str) -> dict[str, Any] | None:
        if self._top is None:
            return None
        found: dict[str, Any] = {name: [] for name in _NAMES}
        for row in token_logprobs(piece, self._ids, max(1, self._top)):
            found["tokens"].append(row["token"])
            found["token_logprobs"].append(row["logprob"])
            found["top_logprobs"].append({each["token"]: each["logprob"] for each in row["top_logprobs"]})
            found["text_offset"].append(self._offset)
            self._offset += len(row["token"])
        return found


_NAMES = ("tokens", "token_logprobs", "top_logprobs", "text_offset")
