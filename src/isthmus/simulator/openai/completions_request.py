"""What text completions take: the shape of a request, as OpenAI's published schema has it, and the rules that no shape
can say."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from isthmus.simulator import text as texts
from isthmus.simulator.exchange import Rejection
from isthmus.simulator.models import Model
from isthmus.simulator.openai.chat_request import Fraction, Penalty, StreamOptions, Temperature
from isthmus.simulator.shape import Strict

DEFAULT_MAX_TOKENS = 16
FILLS_GAPS = "gpt-3.5-turbo-instruct"
_Tokens = Annotated[list[int], Meta(min_length=1)]


class CompletionRequest(Strict, frozen=True, kw_only=True):
    model: str
    prompt: str | list[str | int | _Tokens] | None
    suffix: str | None = None
    max_tokens: Annotated[int, Meta(ge=0)] | None = None
    temperature: Temperature | None = None
    top_p: Fraction | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    best_of: Annotated[int, Meta(ge=0, le=20)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None
    echo: bool | None = None
    stop: str | Annotated[list[str], Meta(min_length=1, max_length=4)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    logit_bias: dict[str, Annotated[int, Meta(ge=-100, le=100)]] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    user: str | UnsetType = UNSET


def prompts(request: CompletionRequest) -> list[str]:
    """Each of them as text. Raises `Rejection` for a mixture."""
    prompt = request.prompt
    if not isinstance(prompt, list):
        return [prompt or ""]
    kinds = {type(each) for each in prompt}
    if len(kinds) > 1:
        raise Rejection("Invalid type for 'prompt': expected one kind of items.", param="prompt", code="invalid_type")
    if kinds == {int}:
        return [" ".join(map(str, prompt))]
    return [each if isinstance(each, str) else str(each) for each in prompt]


def check(request: CompletionRequest, model: Model, asked: list[str]) -> None:
    """Raises `Rejection`."""
    wanted, best_of = request.n or 1, request.best_of
    if request.stream_options is not None and not request.stream:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise Rejection(message, param="stream_options")
    if best_of is not None and best_of < wanted:
        raise Rejection(
            "You requested that the server return more choices than it will generate (HINT: you must set 'n' "
            f"(currently {wanted}) to be at most 'best_of' (currently {best_of}), or omit either parameter if you "
            "don't specifically want to use them.)",
            param="best_of",
        )
    if best_of is not None and best_of > wanted and request.stream:
        raise Rejection("Only one choice can be streamed when 'best_of' is greater than 'n'.", param="best_of")
    if request.suffix and model.name != FILLS_GAPS:
        raise Rejection("This model does not support the 'suffix' parameter.", param="suffix")
    if request.suffix and request.echo:
        raise Rejection("Setting 'echo' and 'suffix' at the same time is not yet supported.", param="echo")
    given, most = max(map(texts.count, asked), default=0), max_tokens(request)
    if given + most > model.context_tokens:
        raise Rejection(
            f"This model's maximum context length is {model.context_tokens} tokens, however you requested "
            f"{given + most} tokens ({given} in your prompt; {most} for the completion). Please reduce your prompt; or "
            "completion length.",
            code="context_length_exceeded",
        )


def max_tokens(request: CompletionRequest) -> int:
    return DEFAULT_MAX_TOKENS if request.max_tokens is None else request.max_tokens
