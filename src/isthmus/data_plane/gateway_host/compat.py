"""`/compat/chat/completions` (data-plane 7.2): chat completions whose model is named by its provider."""

from __future__ import annotations

from isthmus.core.attempt import Target
from isthmus.core.call import Call
from isthmus.core.native import NativeAsked
from isthmus.core.reply import Reply
from isthmus.core.snapshot import Models
from isthmus.errors import InvalidRequest, NotFound
from isthmus.policies.admit import check_credential, check_token

BAD_FORMAT = 2019
INVALID_PROVIDER = 2008
PLATFORM = "workers-ai/"
DYNAMIC = "dynamic"


def compat_target(call: Call) -> Target:
    """With the caller's own key where it brought one; models of the installation's own are for its tokens alone. Raises
    `InvalidRequest`: 2019 where the model's name has no provider, 2008 where there is none of that name."""
    name = call.model.removeprefix(PLATFORM)
    provider, _, model = name.partition("/")
    if not provider or not model:
        raise InvalidRequest(
            "Chat completion bad format: name the model provider/model, such as openai/gpt-5.5.",
            code=BAD_FORMAT,
            param="model",
        )
    if provider.lower() == DYNAMIC:
        raise _invalid(f"this gateway has no dynamic routes yet, and so none named {model[:64]!r}. Name a model.")
    models = call.snapshot.models_of(call.account_id)
    if name.startswith("@"):
        check_token(call)
        return models.resolve(name, "openai_chat")
    check_credential(call)
    if call.token is None and _asks_no_key(models, provider):
        check_token(call)
    try:
        return models.resolve(name, "openai_chat", call.own_key)
    except NotFound:
        raise _invalid(f"there is none named {provider[:64]!r}.") from None


def _asks_no_key(models: Models, provider: str) -> bool:
    """Whether it is a server of the operator's own, which whoever reaches it may use."""
    try:
        return models.native(NativeAsked(provider=provider, method="POST", rest="chat/completions")).keyless
    except InvalidRequest:  # not there, or one of the clouds, whose paths are others
        return False


async def not_compat(call: Call) -> Reply:
    """There are no lists of models here, no embeddings, no responses."""
    raise _invalid("`compat` has the address chat/completions alone; models are listed at …/ai/v1/models.")


def _invalid(what: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid provider: {what}", code=INVALID_PROVIDER, param="model")
