"""What a finished answer says of itself, between Cohere's words and ours: why it stopped, what it used, how likely its
tokens were; and the same found at the end of a relayed answer."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from isthmus.core.chat.event import Finished, FinishReason, Summary, TokenLogprob
from isthmus.core.chat.usage import Usage
from isthmus.wire.cohere_chat import schema
from isthmus.wire.cohere_chat.errors import MESSAGE_MAX_CHARS

# How many events from a stream's end are looked at: the last one tells the reason and the usage.
LAST_EVENTS = 3
END = "message-end"
_END_BYTES = END.encode()
_NEVER = -9999.0  # OpenAI's word for a token too unlikely to have a number; JSON has no infinity

_READ: dict[str, FinishReason] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "USER_CANCEL": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR": "error",
    "TIMEOUT": "error",
    "ERROR_TOXIC": "content_filter",
    "ERROR_LIMIT": "context_length",
}
_WRITTEN: dict[FinishReason, str] = {
    "stop": "COMPLETE",
    "length": "MAX_TOKENS",
    "context_length": "MAX_TOKENS",
    "tool_calls": "TOOL_CALL",
    "content_filter": "ERROR",
    "refusal": "COMPLETE",
    "pause": "COMPLETE",
    "malformed_tool_call": "ERROR",
    "error": "ERROR",
}
_PLAIN: frozenset[FinishReason] = frozenset(("stop", "length", "tool_calls"))
_DATA = re.compile(rb"^data:[ \t]*(\{[^\r\n]*)", re.MULTILINE)

_decode_head = msgspec.json.Decoder(schema.AnswerHead).decode
_decode_event = msgspec.json.Decoder(schema.StreamEvent).decode


def finish_reason(given: str | None) -> FinishReason:
    """A reason nobody knows is a stop."""
    return _READ.get((given or "").upper(), "stop")


def finished(given: str | None, called: bool, error: str | None = None) -> Finished:
    """Whether tools were `called` is seen in the answer; its reason may say less."""
    reason = finish_reason(given)
    if reason in ("stop", "tool_calls"):
        reason = "tool_calls" if called else "stop"
    if reason in _PLAIN:
        return Finished(reason=reason)
    return Finished(reason=reason, detail=(error or given or "")[:MESSAGE_MAX_CHARS])


def written_reason(finished: Finished | None) -> str:
    if finished is None:
        return "COMPLETE"
    if finished.reason == "stop" and finished.stop_sequence is not None:
        return "STOP_SEQUENCE"
    return "TIMEOUT" if finished.detail == "TIMEOUT" else _WRITTEN[finished.reason]


def read_usage(given: schema.AnsweredUsage) -> Usage:
    counts = given.tokens or given.billed_units or schema.Counts()
    read = _count(counts.input_tokens)
    return Usage(
        input_tokens=read,
        output_tokens=_count(counts.output_tokens),
        cache_read_tokens=min(_count(given.cached_tokens), read),
    )


def written_usage(usage: Usage) -> dict[str, Any]:
    """What was billed is not known here: it is told as what was used."""
    counts = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    return {"billed_units": counts, "tokens": counts, "cached_tokens": usage.cache_read_tokens}


def read_logprobs(given: schema.Logprobs | None) -> tuple[TokenLogprob, ...]:
    """Of several tokens the first one has the text of all: Cohere does not tell where each begins."""
    if given is None or not given.logprobs:
        return ()
    texts = [given.text or "", *("" for _ in given.logprobs[1:])]
    return tuple(TokenLogprob(token=text, logprob=logprob) for text, logprob in zip(texts, given.logprobs, strict=True))


def written_logprobs(tokens: Iterable[TokenLogprob]) -> dict[str, Any]:
    """`token_ids` is required, and another vendor's are not known."""
    given = tuple(tokens)
    return {
        "text": "".join(one.token for one in given),
        "token_ids": [],
        "logprobs": [one.logprob if math.isfinite(one.logprob) else _NEVER for one in given],
    }


# --- relayed answers ------------------------------------------------------------------------------------------------


def summarize(answer: bytes, whole: bool) -> Summary:
    """Cohere's answers do not name their model."""
    if not whole:
        return _of_stream(answer)
    try:
        head = _decode_head(answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Summary()
    return Summary(
        usage=None if head.usage is None else read_usage(head.usage),
        finish_reason=finish_reason(head.finish_reason) if head.finish_reason else None,
        failed=bytes(head.message).startswith(b'"'),
    )


def stream_ended(events: bytes) -> bool:
    return _END_BYTES in events and any(_event(found.group(1)).type == END for found in _DATA.finditer(events))


def has_failed(event: schema.StreamEvent) -> bool:
    """An error has no event of its own: a stream ends with it, and has used nothing then."""
    if event.type == "" and event.message is not None:
        return True
    delta = event.delta
    return event.type == END and delta is not None and bool(delta.error) and delta.usage is None


def _of_stream(answer: bytes) -> Summary:
    for line in _last_lines(answer):
        event = _event(line)
        if has_failed(event):
            return Summary(failed=True)
        if event.type == END and event.delta is not None:
            usage, reason = event.delta.usage, event.delta.finish_reason
            return Summary(
                usage=None if usage is None else read_usage(usage),
                finish_reason=finish_reason(reason) if reason else None,
            )
    return Summary()


def _last_lines(answer: bytes) -> Iterator[bytes]:
    """The data of the last events, the last first. No JSON holds a line break, so that a line's start is one."""
    end = len(answer)
    for _ in range(LAST_EVENTS):
        at = max(answer.rfind(b"\ndata:", 0, end), answer.rfind(b"\rdata:", 0, end))
        if at < 0 and not answer.startswith(b"data:"):
            return
        # At the very start no line break comes before it, and -1 is where one would be.
        yield re.split(rb"[\r\n]", answer[at + 6 : end].lstrip(b" \t"), maxsplit=1)[0]
        if at < 0:
            return
        end = at


def _event(line: bytes) -> schema.StreamEvent:
    try:
        return _decode_event(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return schema.StreamEvent()


def _count(given: float | None) -> int:
    return int(given) if given is not None and math.isfinite(given) and given > 0 else 0
