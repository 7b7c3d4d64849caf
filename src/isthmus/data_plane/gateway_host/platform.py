"""`/workers-ai/…` (data-plane 8): the models that this installation serves itself."""

from __future__ import annotations

from isthmus.core.attempt import Target
from isthmus.core.call import Call
from isthmus.errors import NotFound
from isthmus.policies.admit import check_token

PLATFORM = "workers-ai/"


def platform_target(call: Call) -> Target:
    """For the installation's tokens alone. Raises `NotFound` for a model that is not its own."""
    check_token(call)
    name = call.model.removeprefix(PLATFORM)
    if not name.startswith("@") and call.address.model is None:
        raise NotFound(f"Model not found: {name[:200]}. Here are models of this installation's own: @cf/author/model.")
    assert call.dialect is not None
    return call.snapshot.models_of(call.account_id).resolve(name, call.dialect)
