"""A text completions request to `Chat`, where the prompt is all that a user says; and one that is passed on."""

from __future__ import annotations

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.request import Chat, Message, Text
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.body import Body
from isthmus.wire.openai_chat.relay import addressed
from isthmus.wire.openai_completions import schema
from isthmus.wire.protocol import Relayed

DEFAULT_MAX_TOKENS = 16
"""How long an answer may be where nobody says: OpenAI's own number."""

ECHO = "echo"
"""The note that says that the caller wants the prompt back before the answer; the writer of the answer does it."""


def read_request(body: Body) -> Chat:
    """Raises `InvalidRequest`, or `Unsupported` for what a chat model cannot do."""
    asked, unknown = schema.REQUEST.read(body)
    receipt = Receipt()
    for name in unknown:
        receipt.lost(name, "no other dialect has it")
    prompt = _read_prompt(asked.prompt)
    _refuse(asked)
    _read_best_of(asked, receipt)
    if asked.echo:
        receipt.emulated(ECHO, "the gateway puts the prompt before the answer")
    return Chat(
        model=asked.model or "",
        messages=(Message(role="user", parts=(Text(text=prompt),)),),
        max_tokens=DEFAULT_MAX_TOKENS if asked.max_tokens is None else asked.max_tokens,
        temperature=asked.temperature,
        top_p=asked.top_p,
        top_k=asked.top_k,
        stop=(asked.stop,) if isinstance(asked.stop, str) else asked.stop or (),
        seed=asked.seed,
        frequency_penalty=asked.frequency_penalty,
        presence_penalty=asked.presence_penalty,
        logit_bias=asked.logit_bias or None,
        choices=asked.n or 1,
        logprobs=asked.logprobs is not None,
        top_logprobs=asked.logprobs or None,
        user=asked.user,
        stream=asked.stream is True,
        include_usage=asked.stream_options is not None and asked.stream_options.include_usage is True,
        unplaced=receipt.notes(),
    )


def relay_request(body: Body, model: str) -> Relayed:
    changed, hide = addressed(body, model)
    return Relayed(body=changed, filter=hide)


def _read_prompt(prompt: schema.Prompt | None) -> str:
    if isinstance(prompt, tuple):
        if any(not isinstance(each, str) for each in prompt):
            raise Unsupported(
                "`prompt`: tokens can be sent to models that speak completions themselves only: send text.",
                param="prompt",
            )
        if len(prompt) > 1:
            raise Unsupported(
                "`prompt`: several prompts can be sent to models that speak completions themselves only: send one a "
                "request.",
                param="prompt",
            )
        prompt = str(prompt[0]) if prompt else None
    if not prompt:
        raise InvalidRequest("`prompt` is required: a text to answer.", param="prompt")
    return prompt


def _refuse(asked: schema.Request) -> None:
    if asked.suffix:
        raise Unsupported(
            "`suffix`: this model answers a text, it does not fill a gap in one. Leave it out, or choose a model that "
            "speaks completions itself.",
            param="suffix",
        )
    if asked.max_tokens == 0:
        raise Unsupported("`max_tokens` must be at least 1: this model says something in any case.", param="max_tokens")
    if asked.echo and asked.logprobs is not None:
        raise Unsupported(
            "`echo` goes without `logprobs` here: this model does not tell how likely the prompt's tokens are.",
            param="echo",
        )


def _read_best_of(asked: schema.Request, receipt: Receipt) -> None:
    wanted = asked.n or 1
    if not asked.best_of or asked.best_of == wanted:
        return
    if asked.best_of < wanted:
        raise InvalidRequest("`best_of` must not be less than `n`.", param="best_of")
    if asked.stream:
        raise InvalidRequest("`best_of` goes without `stream`: the best is known at the end only.", param="best_of")
    receipt.lost("best_of", "no more answers are made than are returned")
