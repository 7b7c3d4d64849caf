"""A stage either answers, or calls the next one once and may wrap what comes back. It knows no other stage."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from isthmus.core.call import Call
from isthmus.core.reply import Reply

Handler = Callable[[Call], Awaitable[Reply]]
Stage = Callable[[Call, Handler], Awaitable[Reply]]


def compose(stages: Sequence[Stage], innermost: Handler) -> Handler:
    """The first stage is the outermost."""
    handler = innermost
    for stage in reversed(stages):
        handler = _around(stage, handler)
    return handler


def _around(stage: Stage, call_next: Handler) -> Handler:
    # A plain function, not a coroutine: it hands the stage's own coroutine on and costs no frame of its own.
    def handler(call: Call) -> Awaitable[Reply]:
        return stage(call, call_next)

    return handler
