"""One log row a call, whatever happened to it: answered, refused, failed, cut, or left by its caller."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import msgspec

from isthmus.core.call import Call
from isthmus.core.entry import LogEntry
from isthmus.core.refusal import cut_short, note, refuse
from isthmus.core.reply import Reply
from isthmus.core.stage import Handler, Stage
from isthmus.errors import GatewayError, InternalError

logger = logging.getLogger("isthmus")

Append = Callable[[LogEntry], None]

# No model counts so far: what a provider says beyond it is no count, and no database could keep it.
TOKENS_MAX = 2**53

KEY_MIN_CHARACTERS = 8
HIDDEN = "[the caller's key]"


def record(append: Append, body_max_bytes: int) -> Stage:
    """`append` keeps a row so that it outlives this process, without waiting. Bodies are kept to `body_max_bytes`."""

    async def stage(call: Call, call_next: Handler) -> Reply:
        try:
            reply = await call_next(call)
        except GatewayError as error:
            reply = refuse(call, error)
        except asyncio.CancelledError:
            note(call, cut_short(call))
            write(call)
            raise
        except Exception:
            logger.exception("call %s failed", call.id)
            reply = refuse(call, InternalError("The gateway failed. Its log says why, under this request's id."))
        reply.when_done(lambda: write(call))
        return reply

    def write(call: Call) -> None:
        if collects(call):
            append(entry_of(call, body_max_bytes))

    return stage


def collects(call: Call) -> bool:
    """Whether this call leaves a row: it has a gateway, which collects logs unless the caller says otherwise."""
    gateway, wish = call.gateway, call.options.collect_log
    if gateway is None:
        return False
    return gateway.settings.collect_logs if wish is None else wish


def entry_of(call: Call, body_max_bytes: int) -> LogEntry:
    target, usage, error, options = call.target, call.usage, call.error, call.options
    gateway = call.gateway
    assert gateway is not None
    user_agent = call.headers.get(b"user-agent")
    content_type = call.headers.get(b"content-type")
    first_byte = call.first_byte_at
    sent, given = (call.sent, call.answer) if options.collect_log_payload else (b"", None)
    head = given.head() if given is not None else b""
    return LogEntry(
        id=call.id,
        account_id=call.account_id,
        gateway_id=gateway.id,
        created_at=call.started_at,
        end=call.end or "failed",
        provider=target.provider if target is not None else "",
        model=target.name if target is not None else call.model[:200],
        path=call.path[:512],
        status_code=call.status,
        success=call.end == "completed",
        duration_ms=round((time.monotonic() - call.started_monotonic) * 1000),
        first_byte_ms=None if first_byte is None else round((first_byte - call.started_monotonic) * 1000),
        event_id=call.event_id,
        request_type=call.endpoint.request_type,
        model_type=call.model_type,
        request_content_type=None if content_type is None else content_type[:128].decode("latin-1"),
        response_content_type=None if call.content_type is None else call.content_type[:128].decode("latin-1"),
        tokens_in=None if usage is None else _count(usage.input_tokens),
        tokens_out=None if usage is None else _count(usage.output_tokens),
        cached_tokens=None if usage is None else _count(usage.cache_read_tokens),
        cache_write_tokens=None if usage is None else _count(usage.cache_write_tokens),
        reasoning_tokens=None if usage is None else _count(usage.reasoning_tokens),
        finish_reason=call.finish_reason,
        streamed=call.stream,
        cached=call.cached,
        step=call.step,
        metadata=options.metadata,
        user_agent=None if user_agent is None else user_agent[:256].decode("latin-1"),
        authentication=call.token is not None,
        wholesale=target is not None and not target.platform and call.own_key is None,
        error_code=None if error is None else error.code,
        error_message=_message(call),
        notes=_notes(call),
        request_size=call.request_size,
        response_size=call.answer.size,
        request_body=_without_key(call, sent[:body_max_bytes]) or None,
        response_body=_without_key(call, head) or None,
        request_complete=len(sent) <= body_max_bytes and len(sent) == call.request_size,
        response_complete=len(head) == call.answer.size,
    )


def _notes(call: Call) -> str | None:
    notes = (*call.options.notices, *call.notes)
    return msgspec.json.encode(notes).decode() if notes else None


def _message(call: Call) -> str | None:
    """What went wrong: at last, and in the attempts before that. A call that was answered may have had such too."""
    told = [] if call.error is None else [call.error.message]
    told += [f"before it, {failure}" for failure in call.failures]
    text = "; ".join(told)
    key = _key(call)
    return (text if key is None else text.replace(key, HIDDEN))[:1000] or None


def _without_key(call: Call, body: bytes) -> bytes:
    """A provider that refuses a caller's own key may repeat it, and a row is read by others than this caller."""
    key = _key(call)
    return body if key is None else body.replace(key.encode("latin-1", "ignore"), HIDDEN.encode())


def _key(call: Call) -> str | None:
    """The caller's own, without the word in front of it; None where there is none that could be told from a word."""
    key = (call.own_key or "").rpartition(" ")[2]
    return key if len(key) >= KEY_MIN_CHARACTERS else None


def _count(tokens: int) -> int | None:
    return tokens if 0 <= tokens <= TOKENS_MAX else None
