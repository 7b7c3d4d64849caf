"""Any conversation from every caller's dialect into every provider's: what the one can say and the other can hold comes
back equal, what differs is noted, and nothing raises but a refusal that names the field."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from fidelity.table import CALLERS, model
from isthmus.core.chat.fidelity import Note
from isthmus.core.chat.request import Chat, ToolChoice
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.body import Body
from isthmus.wire.registry import DIALECTS
from wire.pairs.meaning import meaning, touched
from wire.pairs.strategies import chats

# What the body does not say: it is in the path, or a wish for nothing.
IN_ITS_OWN_WAY: dict[str, set[str]] = {
    "gemini": {"stream"},
    "bedrock_converse": {"stream"},
}
TAKE_SIGNATURES = ("openai_responses", "anthropic_messages", "gemini", "bedrock_converse")
PAIRS = list(itertools.product(CALLERS, DIALECTS))


def asked_by(caller: str, chat: Chat) -> Chat | None:
    """The chat as this caller says it; None where he cannot."""
    dialect = DIALECTS[caller]
    try:
        written = dialect.write_request(chat, model(caller))
        return None if written.fetch else dialect.read_request(Body(written.body))
    except (Unsupported, InvalidRequest) as error:
        assert error.message and error.status == 400
        return None


def differences(target: str, asked: Chat, back: Chat, notes: tuple[Note, ...]) -> dict[str, Any]:
    """What came out otherwise than it went in, and of which no note tells."""
    origin = DIALECTS[target].origin if target in TAKE_SIGNATURES else ""
    wanted, found = meaning(asked, origin), meaning(back, origin)
    free = touched(notes) | IN_ITS_OWN_WAY.get(target, set())
    if asked.max_tokens is None:
        free.add("max_tokens")  # some providers want to be told a number, or have one that is usual
    if target == "workers_ai" and wanted["effort"] == "none":
        free.add("effort")  # platform models think no more than they are asked to
    if target == "gemini" and asked.tool_choice is not None and asked.tool_choice.mode in ("required", "named"):
        free.add("strict")  # calls that are forced are held to their schemas always
    if not back.tools and asked.tool_choice == ToolChoice(mode="none"):
        free.add("tool_choice")  # there is none left to be called
    if found["tool_choice"] == ToolChoice(mode="required") and len(back.tools) == 1 and asked.tool_choice is not None:
        if asked.tool_choice.name == getattr(
            back.tools[0], "name", None
        ):  # no other can be called: that is how some name it
            free.add("tool_choice")
    return {name: (wanted[name], found[name]) for name in wanted if name not in free and wanted[name] != found[name]}


@pytest.mark.parametrize(("caller", "target"), PAIRS)
@settings(max_examples=25, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(chat=chats())
def test_what_one_says_and_the_other_holds_comes_back(caller: str, target: str, chat: Chat) -> None:
    asked = asked_by(caller, chat)
    if asked is None:
        return
    dialect = DIALECTS[target]
    try:
        written = dialect.write_request(asked, model(target))
    except (Unsupported, InvalidRequest) as error:
        assert error.message and error.status == 400
        return
    assert dialect.write_request(asked, model(target)) == written, "a request is written the same each time"
    if written.fetch:
        return
    back = dialect.read_request(Body(written.body))
    assert back.unplaced == (), "a dialect's writer writes what its reader reads"
    different = differences(target, asked, back, written.notes)
    assert not different, (different, written.notes)
