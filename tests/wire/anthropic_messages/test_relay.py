"""Requests passed on in Anthropic's own words: byte for byte, but for what other vendors signed."""

from __future__ import annotations

import json

import pytest

from isthmus.core.chat.part import Opaque
from isthmus.wire.anthropic_messages import DIALECT
from isthmus.wire.anthropic_messages.parts.signatures import NOTHING
from isthmus.wire.body import Body
from isthmus.wire.sealed import is_marked, seal, seal_id

THEIRS = Opaque(origin="openai", data="gAAA=")
SEALED = seal(THEIRS, "anthropic")
SIGNED_ID = seal_id("call_1", Opaque(origin="google", data="CiQB+/"))
CALL = {"type": "tool_use", "id": SIGNED_ID, "name": "f", "input": {"x": 1}}
RESULT = {"type": "tool_result", "tool_use_id": SIGNED_ID, "content": "1"}
TEXT = {"type": "text", "text": "So."}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "EqQB"}


def relayed(*messages, **fields):
    data = json.dumps({"model": "ours", "messages": list(messages), "odd": 1.0, **fields}).encode()
    sent = DIALECT.relay_request(Body(data), "claude").body
    assert not is_marked(sent)
    return sent


def user(*blocks):
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks):
    return {"role": "assistant", "content": list(blocks)}


def test_a_relayed_body_changes_in_its_model_only():
    data = b'{ "model" : "anthropic/m",\t"max_tokens":1e2, "options":{"a":1}, "messages":[ ], "unknown":1.0 }'
    relayed = DIALECT.relay_request(Body(data), 'x"y')
    assert relayed.body == b'{ "model" : "x\\"y",\t"max_tokens":1e2, "messages":[ ], "unknown":1.0 }'
    assert relayed.filter is None
    assert DIALECT.relay_request(Body(b'{"model":"a","gateway":{"id":"g"}}'), "b").body == b'{"model":"b"}'


def test_ids_are_opened_in_their_place():
    """Only these bytes go: the messages are not written anew."""
    data = b'{"model": "ours", "messages" : [ {"role":"user", "content":[ %s ]} ], "b": 1e2}'
    call = b'{ "type":"tool_result", "tool_use_id" : "%s" }'
    sent = DIALECT.relay_request(Body(data % (call % SIGNED_ID.encode())), "claude").body
    assert sent == data.replace(b"ours", b"claude") % (call % b"call_1")


def test_thinking_that_others_signed_is_left_out():
    theirs = {"type": "thinking", "thinking": "Hm.", "signature": SEALED}
    nobodys = {"type": "thinking", "thinking": "Hm.", "signature": NOTHING}
    hidden = {"type": "redacted_thinking", "data": SEALED}
    sent = json.loads(
        relayed(user(TEXT), assistant(theirs, nobodys), user(TEXT), assistant(hidden, THOUGHT, TEXT), user(TEXT))
    )
    assert sent["messages"] == [user(TEXT), user(TEXT), assistant(THOUGHT, TEXT), user(TEXT)]
    assert sent["odd"] == 1.0 and b'"odd": 1.0' in relayed(user(TEXT), assistant(theirs, TEXT))


def test_searches_and_pages_of_others_are_left_out():
    call = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"isthmus": SEALED}}
    found = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
    own = {"type": "web_search_result_location", "encrypted_index": "Eo8B", "url": "https://example.com"}
    said = TEXT | {"citations": [own, own | {"encrypted_index": SEALED}]}
    theirs = TEXT | {"citations": [own | {"encrypted_index": NOTHING}]}
    mine = call | {"id": "srvtoolu_2", "input": {"query": "x"}}
    sent = json.loads(relayed(user(TEXT), assistant(call, found, said, theirs, mine)))
    assert sent["messages"][1] == assistant(TEXT | {"citations": [own]}, TEXT | {"citations": None}, mine)


@pytest.mark.parametrize(
    ("turn", "stated", "sent"),
    [
        (assistant(CALL), {"type": "enabled", "budget_tokens": 1024}, {"type": "disabled"}),
        (assistant(CALL), {"type": "adaptive"}, {"type": "adaptive"}),
        (assistant(CALL), None, None),
        (assistant(THOUGHT, CALL), {"type": "enabled", "budget_tokens": 9}, {"type": "enabled", "budget_tokens": 9}),
    ],
)  # fmt: skip
def test_a_tool_loop_whose_thinking_is_gone_goes_on_without(turn, stated, sent):
    """Anthropic refuses a budget where the turn that called does not begin with thinking of its own."""
    fields = {} if stated is None else {"thinking": stated}
    assert json.loads(relayed(user(TEXT), turn, user(RESULT), **fields)).get("thinking") == sent


BUDGET = {"type": "enabled", "budget_tokens": 1024}
PLAIN_CALL = CALL | {"id": "call_1"}
PLAIN_RESULT = RESULT | {"tool_use_id": "call_1"}


@pytest.mark.parametrize(
    ("turns", "thinks"),
    [
        ((assistant(PLAIN_CALL),), False),
        ((assistant(TEXT, PLAIN_CALL),), False),
        (({"role": "assistant", "content": "So."}, assistant(PLAIN_CALL)), False),
        ((assistant(THOUGHT, PLAIN_CALL),), True),
        ((assistant({"type": "redacted_thinking", "data": "x"}, PLAIN_CALL),), True),
        ((assistant(THOUGHT), assistant(PLAIN_CALL)), True),
        ((assistant(PLAIN_CALL), user(PLAIN_RESULT), assistant(TEXT)), True),
        ((assistant(TEXT | {"text": '"tool_use"'}),), True),
    ],
)
def test_a_tool_loop_that_began_elsewhere_without_thinking(turns, thinks):
    """An answer of a vendor that signs nothing leaves no mark behind."""
    asked = {"model": "ours", "thinking": BUDGET, "messages": [user(TEXT), *turns, user(PLAIN_RESULT)], "odd": 1.0}
    data = json.dumps(asked, indent=1).encode()
    relayed = DIALECT.relay_request(Body(data), "claude")
    plainly = data.replace(b'"ours"', b'"claude"')
    if thinks:
        assert relayed.body == plainly and relayed.notes == ()
        return
    budget = json.dumps(asked, indent=1)
    budget = budget[budget.index("{", 1) : budget.index("}") + 1]
    assert relayed.body == plainly.replace(budget.encode(), b'{"type":"disabled"}')
    assert [(note.fate, note.field) for note in relayed.notes] == [("lost", "thinking")]


def test_what_is_left_out_is_told():
    thought = {"type": "thinking", "thinking": "Hm.", "signature": SEALED}
    search = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"isthmus": SEALED}}
    page = {"type": "web_search_result_location", "encrypted_index": SEALED, "url": "https://example.com"}
    turn = assistant(thought, search, TEXT | {"citations": [page]})
    data = json.dumps({"model": "ours", "messages": [user(TEXT), turn, user(TEXT)]})
    notes = DIALECT.relay_request(Body(data.encode()), "claude").notes
    assert {note.field for note in notes} == {"messages.hosted_tool_use", "messages.reasoning", "messages.citations"}
    assert {note.fate for note in notes} == {"lost"}


@pytest.mark.parametrize("messages", [5, [5], [{"content": 5}], [{"content": [5, {"type": []}]}], [{"content": []}]])
def test_nonsense_is_left_to_anthropic(messages):
    data = json.dumps({"model": "ours", "messages": messages, "x": SIGNED_ID}).encode()
    assert json.loads(DIALECT.relay_request(Body(data), "claude").body)["messages"] == messages
