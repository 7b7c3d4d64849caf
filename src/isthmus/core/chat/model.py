"""What is known of one model at one provider, as far as writing a request for it depends on that."""

from __future__ import annotations

from typing import Literal

import msgspec

from isthmus.core.chat.request import Effort

Modality = Literal["text", "image", "document", "audio", "video"]

Thinking = Literal[
    "none",  # the model does not think, and refuses to be asked
    "budget",  # it is given a number of tokens to think with
    "adaptive",  # it is told an effort, and finds the number itself
]


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """`name` is the provider's own. What is None or empty is not known, and then nothing is refused on its account.

    `max_output_tokens` and `context_tokens` count tokens. `input` holds the kinds of content that the model takes.
    `refuses` names fields of `Chat` ("temperature") that the provider answers with an error for this model,
    `refuses_thinking` those that it so answers while the model thinks. `always_thinks`: asking it not to is refused.
    `efforts` are the levels that it takes, but for "none". `forces_tools` False: a `tool_choice` that forces a call is
    refused.
    """

    name: str
    max_output_tokens: int | None = None
    context_tokens: int | None = None
    input: frozenset[Modality] | None = None
    thinking: Thinking | None = None
    refuses: frozenset[str] = frozenset()
    refuses_thinking: frozenset[str] = frozenset()
    always_thinks: bool = False
    efforts: frozenset[Effort] = frozenset()
    forces_tools: bool = True
