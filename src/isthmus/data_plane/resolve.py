"""Who is asked: the target that a call's model stands for. What policies decide by is known from here on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from isthmus.core.attempt import Target
from isthmus.core.call import Call
from isthmus.core.reply import Reply
from isthmus.core.stage import Handler, Stage
from isthmus.policies.authenticate import check_model


def resolve(target_of: Callable[[Call], Target]) -> Stage:
    def stage(call: Call, call_next: Handler) -> Awaitable[Reply]:
        call.target = target_of(call)
        check_model(call.token, *call.model_names)
        return call_next(call)

    return stage


def named_target(call: Call) -> Target:
    """By the name that the body gives the model, or the path."""
    assert call.dialect is not None
    return call.snapshot.models_of(call.account_id).resolve(call.model, call.dialect)
