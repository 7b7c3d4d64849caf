"""The receipt: what became of the fields that a target lacks, told in a header and in the log row, and refused before
anything is sent where the caller wants no loss."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_plane.callers import (
    AT,
    BEDROCK,
    CHAT,
    COHERE,
    GEMINI,
    MESSAGES,
    RESPONSES,
    ask,
    asked,
    path,
    providers,
    refusal,
)
from isthmus.core.chat.fidelity import Note
from isthmus.data_plane.send import FIDELITY_MAX_CHARACTERS, receipt
from isthmus.simulator import Simulator

few = settings(max_examples=150, deadline=None, database=None)
STRICT = {"cf-aig-fidelity": "strict"}
NAME_MAX = 256
_ITEM = re.compile(r'(lost|emulated);field="([^"\\]*)";why="([^"\\]*)"')
_MORE = re.compile(r"more;count=([1-9][0-9]*)")


def items(told: str) -> list[tuple[str, str, str]]:
    """A structured list of tokens with parameters (RFC 9651), read by its grammar and no more kindly."""
    found: list[tuple[str, str, str]] = []
    at = 0
    while at < len(told):
        item = _ITEM.match(told, at) or _MORE.match(told, at)
        assert item is not None, told[at : at + 80]
        found.append((item[1], item[2], item[3]) if item.re is _ITEM else ("more", item[1], ""))
        at = item.end()
        if at < len(told):
            assert told.startswith(", ", at), told[at : at + 80]
            at += 2
            assert at < len(told)
    return found


notes = st.builds(
    Note, field=st.text(max_size=300), fate=st.sampled_from(["lost", "emulated"]), why=st.text(max_size=40)
)


@few
@given(st.lists(notes, min_size=1, max_size=60))
def test_the_form_of_the_receipt(given_notes: list[Note]) -> None:
    told = receipt(given_notes)
    assert all(0x20 <= byte <= 0x7E for byte in told) and len(told) <= FIDELITY_MAX_CHARACTERS + 20
    found = items(told.decode())
    more = int(found.pop()[1]) if found[-1][0] == "more" else 0
    assert len(found) + more == len(given_notes)
    for (fate, field, why), note in zip(found, given_notes, strict=False):
        assert fate == note.fate and len(field) == min(len(note.field), NAME_MAX) and len(why) == len(note.why)
        for shown, meant in zip(field + why, note.field[:NAME_MAX] + note.why, strict=True):
            assert shown == meant or (shown == "?" and (meant in '"\\' or not " " <= meant <= "~"))


def test_the_bound_of_the_receipt() -> None:
    one = Note(field="x" * 80, fate="lost", why="y" * 10)
    whole = [one] * (FIDELITY_MAX_CHARACTERS // (len(receipt([one])) + 2))
    assert b"more" not in receipt(whole)
    told = receipt([*whole, one, one, one]).decode()
    assert told.endswith(", more;count=3") and len(items(told)) == len(whole) + 1


# Over the wire.


class Strict:
    def __init__(self, gateway: Any, simulator: Simulator) -> None:
        self.gateway = gateway
        self.simulator = simulator

    async def row(self, answer: httpx.Response) -> dict[str, Any]:
        found = await self.gateway.manage("GET", f"gateways/default/logs/{answer.headers['cf-aig-log-id']}")
        row: dict[str, Any] = found.json()["result"]
        return row


@pytest.fixture
async def strict(start_gateway: Any, simulator: Simulator, tmp_path: Path) -> Strict:
    gateway = await start_gateway(config_file=providers(tmp_path, f"{simulator.base_url}/", after="v1/"))
    return Strict(gateway, simulator)


MARKED = {
    "role": "user",
    "content": [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}],
}

# Caller, target, what is asked besides, and the fields that are lost in the caller's own spelling.
LOSSES: list[tuple[str, str, dict[str, Any], set[str]]] = [
    (CHAT, MESSAGES, {"seed": 7, "logit_bias": {"1": 2}}, {"seed", "logit_bias"}),
    (CHAT, MESSAGES, {"frequency_penalty": 0.5, "nobodys": 1}, {"frequency_penalty", "nobodys"}),
    (CHAT, BEDROCK, {"seed": 7, "prompt_cache_key": "k"}, {"seed", "prompt_cache_key"}),
    (CHAT, RESPONSES, {"stop": ["x"], "seed": 7}, {"stop", "seed"}),
    (RESPONSES, MESSAGES, {"truncation": "auto"}, {"truncation"}),
    (RESPONSES, GEMINI, {"truncation": "auto", "text": {"verbosity": "low"}}, {"truncation", "text.verbosity"}),
    (RESPONSES, COHERE, {"text": {"verbosity": "low"}}, {"text.verbosity"}),
    (MESSAGES, CHAT, {"top_k": 5}, {"top_k"}),
    (MESSAGES, RESPONSES, {"stop_sequences": ["x"], "top_k": 5}, {"stop_sequences", "top_k"}),
    (MESSAGES, GEMINI, {"metadata": {"user_id": "u1"}}, {"metadata.user_id"}),
    (GEMINI, MESSAGES, {"generationConfig": {"seed": 7}}, {"generationConfig.seed"}),
    (GEMINI, CHAT, {"generationConfig": {"topK": 5}}, {"generationConfig.topK"}),
    (GEMINI, RESPONSES, {"generationConfig": {"stopSequences": ["x"]}}, {"generationConfig.stopSequences"}),
    (
        GEMINI,
        BEDROCK,
        {"safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_LOW_AND_ABOVE"}]},
        {"safetySettings"},
    ),
]


async def test_what_is_lost_is_told_in_the_header_and_in_the_row(strict: Strict) -> None:
    for caller, dialect, more, lost in LOSSES:
        for stream in (False, True):
            answer = await ask(strict.gateway, caller, AT[dialect], "hi", stream=stream, **more)
            assert answer.status_code == 200, (caller, dialect, answer.text)
            told = items(answer.headers["cf-aig-fidelity"])
            assert {field for fate, field, _ in told if fate == "lost"} == lost, (caller, dialect, told)
            row = await strict.row(answer)
            assert row["success"] is True
            assert [(note["fate"], note["field"], note["why"]) for note in row["notes"]] == told


async def test_strict_callers_are_refused_before_anything_is_sent(strict: Strict) -> None:
    for caller, dialect, more, lost in LOSSES:
        for stream in (False, True):
            body = asked(caller, AT[dialect], "hi", stream=stream, **more)
            answer = await strict.gateway.post(path(caller, AT[dialect], stream), body, headers=STRICT)
            assert answer.status_code == 400, (caller, dialect, answer.text)
            code, message = refusal(caller, answer)
            assert code == 7000
            for field in lost:
                assert f"`{field}`" in message
            if caller in (CHAT, RESPONSES):
                assert answer.json()["error"]["param"] in lost
            row = await strict.row(answer)
            assert (row["status_code"], row["success"], row["end"]) == (400, False, "refused")
            assert {note["field"] for note in row["notes"] if note["fate"] == "lost"} == lost
            # And so says the header of the refusal.
            assert {field for fate, field, _ in items(answer.headers["cf-aig-fidelity"]) if fate == "lost"} == lost
    assert not strict.simulator.requests


async def test_strict_callers_who_lose_nothing_are_served(strict: Strict) -> None:
    for caller, target in ((CHAT, MESSAGES), (RESPONSES, CHAT), (MESSAGES, GEMINI), (GEMINI, BEDROCK), (CHAT, COHERE)):
        answer = await ask(strict.gateway, caller, AT[target], "hi", headers=STRICT)
        assert answer.status_code == 200, (caller, target, answer.text)
        assert "lost" not in answer.headers.get("cf-aig-fidelity", "")


async def test_a_relay_loses_nothing(strict: Strict) -> None:
    """Whatever the provider makes of it: it gets every byte."""
    relayed: list[tuple[str, str, dict[str, Any]]] = [
        (CHAT, "openai/gpt-4o", {"seed": 7, "logit_bias": {"1": 2}, "n": 2}),
        (RESPONSES, "openai/gpt-4o", {"truncation": "auto"}),
        (MESSAGES, AT[MESSAGES], {"top_k": 5}),
        (GEMINI, AT[GEMINI], {"generationConfig": {"seed": 7, "topK": 5}}),
    ]
    for caller, model, more in relayed:
        for stream in (False, True):
            answer = await ask(strict.gateway, caller, model, "hi", stream=stream, headers=STRICT, **more)
            assert answer.status_code == 200, (caller, answer.text)
            assert "cf-aig-fidelity" not in answer.headers
            assert "notes" not in await strict.row(answer)


@pytest.mark.parametrize("value", ["strict", "Strict", "STRICT"])
async def test_how_strictness_is_spelled(strict: Strict, value: str) -> None:
    answer = await ask(strict.gateway, CHAT, AT[MESSAGES], "hi", headers={"cf-aig-fidelity": value}, seed=7)
    assert answer.status_code == 400


@pytest.mark.parametrize("value", ["", "loose", "true", "strict;x=1", "strict, strict"])
async def test_18_other_words_ask_for_nothing(strict: Strict, value: str) -> None:
    answer = await ask(strict.gateway, CHAT, AT[MESSAGES], "hi", headers={"cf-aig-fidelity": value}, seed=7)
    assert answer.status_code == 200 and "seed" in answer.headers["cf-aig-fidelity"]


async def test_what_is_emulated_is_told_and_no_loss(strict: Strict) -> None:
    wish = {"response_format": {"type": "json_object"}}
    answer = await ask(strict.gateway, CHAT, AT[MESSAGES], "Some JSON, please.", headers=STRICT, **wish)
    assert answer.status_code == 200, answer.text
    told = items(answer.headers["cf-aig-fidelity"])
    assert [(fate, field) for fate, field, _ in told] == [("emulated", "response_format")]
    assert (await strict.row(answer))["notes"] == [{"field": "response_format", "fate": "emulated", "why": told[0][2]}]
    answer = await ask(strict.gateway, MESSAGES, AT[CHAT], MARKED, headers=STRICT)
    assert answer.status_code == 200, answer.text
    assert [(fate, field) for fate, field, _ in items(answer.headers["cf-aig-fidelity"])] == [
        ("emulated", "cache_control")
    ]


async def test_names_of_fields_break_no_header_and_no_row(strict: Strict) -> None:
    """They are the caller's own text."""
    name = 'a"\r\nset-cookie: b=c\\\u2028é' + "x" * 2000
    answer = await ask(strict.gateway, CHAT, AT[MESSAGES], "hi", **{name: 1})
    assert answer.status_code == 200 and "set-cookie" not in answer.headers
    ((fate, field, _),) = items(answer.headers["cf-aig-fidelity"])
    assert fate == "lost" and field.startswith("a???set-cookie: b=c???xxx") and len(field) == NAME_MAX
    ((note),) = (await strict.row(answer))["notes"]
    assert note["field"] == name
    answer = await ask(strict.gateway, CHAT, AT[MESSAGES], "hi", headers=STRICT, **{name: 1})
    assert answer.status_code == 400 and "set-cookie" not in answer.headers


async def test_many_losses_end_in_how_many_more_there_were(strict: Strict) -> None:
    names = {f"nobodys_{number}": 1 for number in range(200)}
    answer = await ask(strict.gateway, CHAT, AT[MESSAGES], "hi", **names)
    assert answer.status_code == 200
    told = items(answer.headers["cf-aig-fidelity"])
    assert told[-1] == ("more", str(200 - len(told) + 1), "")
    assert {note["field"] for note in (await strict.row(answer))["notes"]} == set(names)


async def test_the_receipt_of_a_refusal_by_the_provider(strict: Strict) -> None:
    """What was lost may be why."""
    answer = await ask(strict.gateway, CHAT, AT[MESSAGES], "[[sim: fault=429]] hi", seed=7)
    assert answer.status_code == 429
    assert "seed" in answer.headers["cf-aig-fidelity"]
    assert [note["field"] for note in (await strict.row(answer))["notes"]] == ["seed"]
