"""What else an answer holds: sources, searches, signatures of every vendor, and thinking for those who asked for it."""

from __future__ import annotations

import json

import pytest

from isthmus.core.chat.event import (
    Cited,
    Finished,
    HostedToolUsed,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from isthmus.core.chat.part import Citation, HostedToolUse, Opaque, SearchResult
from isthmus.core.chat.request import Chat
from isthmus.core.chat.usage import Usage
from isthmus.wire.anthropic_messages import DIALECT
from isthmus.wire.anthropic_messages.parts.signatures import NOTHING
from isthmus.wire.body import Body
from isthmus.wire.sealed import seal, seal_id

STARTED = Started(id="x", model="gpt")
STOP = Finished(reason="stop")
THEIRS = Opaque(origin="openai", data="gAAA=")
SEALED = seal(THEIRS, "anthropic")


def own(data):
    return Opaque(origin="anthropic", data=data)


def content(events):
    """The blocks that a caller puts together from a stream."""
    blocks = []
    for event in events:
        if event["type"] == "content_block_start":
            blocks.append(dict(event["content_block"]))
            blocks[-1]["input"] = "" if "input" in blocks[-1] else None
        elif event["type"] == "content_block_delta":
            block, delta = blocks[event["index"]], event["delta"]
            if delta["type"] == "text_delta":
                block["text"] += delta["text"]
            elif delta["type"] == "thinking_delta":
                block["thinking"] += delta["thinking"]
            elif delta["type"] == "signature_delta":
                block["signature"] = delta["signature"]
            elif delta["type"] == "input_json_delta":
                block["input"] += delta["partial_json"]
            else:
                block["citations"] = [*(block["citations"] or ()), delta["citation"]]
    for block in blocks:
        given = block.pop("input")
        if given is not None:
            block["input"] = json.loads(given or "{}")
    return blocks


@pytest.fixture
def both(stream, whole):
    """The blocks of an answer, which a streamed and a whole one have alike."""

    def written(*events, **more):
        blocks = whole(STARTED, *events, STOP, **more)["content"]
        assert content(stream(STARTED, *events, STOP, **more)) == blocks
        return blocks

    return written


def again(*blocks):
    """What a caller's next turn says of such an answer."""
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": list(blocks)}]
    asked = {"model": "m", "max_tokens": 9, "messages": messages}
    return DIALECT.read_request(Body(json.dumps(asked).encode())).messages[1].parts


def test_sources_belong_to_the_text_before_them(both):
    page = Citation(url="https://example.com", title="T", quote="q", start=0, end=3, opaque=own("Eo8B"))
    file = Citation(title="D", quote="q", document=1, location="page", first=2, last=3)
    first, second = both(
        TextDelta(text="So"),
        TextDelta(text="."),
        Cited(citation=page),
        Cited(citation=file),
        TextDelta(text="And"),
        Cited(citation=Citation(url="https://example.org")),
        Cited(citation=Citation(title="Neither page nor document")),
        Cited(citation=Citation(document=0, quote="w")),
    )
    assert first["text"] == "So." and first["citations"] == [
        {
            "type": "web_search_result_location", "cited_text": "q", "url": "https://example.com", "title": "T",
            "encrypted_index": "Eo8B",
        },
        {
            "type": "page_location", "cited_text": "q", "document_index": 1, "document_title": "D", "file_id": None,
            "start_page_number": 2, "end_page_number": 3,
        },
    ]  # fmt: skip
    assert second["text"] == "And" and [one["type"] for one in second["citations"]] == [
        "web_search_result_location",
        "content_block_location",
    ]
    assert second["citations"][0]["encrypted_index"] == NOTHING
    assert again(second)[0].citations[0].opaque is None


def test_a_source_whose_text_has_been_left(stream, whole):
    """A streamed block that has ended takes no more; in a whole answer it still can."""
    call = (ToolCallStarted(index=0, id="a", name="f"), ToolCallDelta(index=0, arguments="{}"))
    events = (STARTED, TextDelta(text="So."), *call, Cited(citation=Citation(url="https://example.com")), STOP)
    assert [block.get("citations") for block in content(stream(*events))] == [None, None]
    text, called = whole(*events)["content"]
    assert [one["url"] for one in text["citations"]] == ["https://example.com"] and "citations" not in called


def test_a_search_of_another_vendor_comes_back_to_it(both):
    use = HostedToolUse(
        id="ws_1-a",
        tool="web_search",
        input='{"query":"x"}',
        results=(SearchResult(url="https://example.com", title="T", age="May", opaque=THEIRS),),
        opaque=THEIRS,
    )
    call, found, _ = both(HostedToolUsed(use=use), TextDelta(text="So."))
    assert call["id"] == found["tool_use_id"] == "srvtoolu_ws_1a" and call["input"]["query"] == "x"
    assert found["content"] == [
        {
            "type": "web_search_result", "url": "https://example.com", "title": "T", "encrypted_content": SEALED,
            "page_age": "May",
        }
    ]  # fmt: skip
    (read,) = again(call, found)
    assert (read.input, read.opaque, read.results) == (use.input, THEIRS, use.results)


@pytest.mark.parametrize("asked", ["no json", "[]"])
def test_a_search_that_failed(both, asked):
    failed = HostedToolUse(id="ws", tool="web_search", input=asked, error="rate_limit")
    call, found = both(HostedToolUsed(use=failed))
    assert found["content"] == {"type": "web_search_tool_result_error", "error_code": "unavailable"}
    assert call["input"]["query"] == asked and again(call, found)[0].opaque is None


def test_a_search_without_an_id_is_given_one(whole):
    use = HostedToolUse(id="-", tool="web_search")
    call, found = whole(STARTED, HostedToolUsed(use=use), STOP)["content"]
    assert call["id"] == found["tool_use_id"] and len(call["id"]) > 20


def test_tools_that_anthropic_has_no_block_for_are_passed_over(both):
    used = HostedToolUsed(use=HostedToolUse(id="ci_1", tool="code_interpreter", opaque=THEIRS))
    (block,) = both(TextDelta(text="A"), used, TextDelta(text="B"))
    assert block["text"] == "AB"


def test_anthropics_own_blocks_are_given_as_they_were(both):
    ran = [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
    ]
    use = HostedToolUse(id="srvtoolu_1", tool="web_search", opaque=own(json.dumps(ran)))
    assert both(HostedToolUsed(use=use)) == [{"caller": {"type": "direct"}} | block for block in ran]


THOUGHT = (ReasoningDelta(text="Hm"), ReasoningDelta(text=".", signature=THEIRS))
BOTH_KINDS = ["thinking", "redacted_thinking"]
HIDDEN = ReasoningDelta(redacted=True, signature=THEIRS)


def test_signatures_of_other_vendors_come_back_to_them(both):
    thought, hidden, bare, unsigned = both(
        *THOUGHT, HIDDEN, ReasoningDelta(signature=own("EqQB")), ReasoningDelta(text="Ah")
    )
    assert thought == {"type": "thinking", "thinking": "Hm.", "signature": SEALED}
    assert hidden == {"type": "redacted_thinking", "data": SEALED}
    assert bare["signature"] == "EqQB" and unsigned["signature"] == NOTHING
    assert [part.signature for part in again(thought, hidden, bare, unsigned)] == [THEIRS, THEIRS, own("EqQB"), None]


@pytest.mark.parametrize(
    ("summary", "kinds", "text"),
    [(None, [], None), ("none", BOTH_KINDS, ""), ("auto", BOTH_KINDS, "Hm.")],
)
def test_thinking_is_for_those_who_asked_for_it(both, summary, kinds, text):
    blocks = both(*THOUGHT, HIDDEN, chat=Chat(model="m", messages=(), summary=summary))
    assert [block["type"] for block in blocks] == kinds
    assert text is None or (blocks[0]["thinking"], blocks[0]["signature"]) == (text, SEALED)


def test_thinking_that_is_omitted_and_not_signed_leaves_nothing(both):
    assert both(ReasoningDelta(text="Hm."), chat=Chat(model="m", messages=(), summary="none")) == []


def test_a_calls_signature_travels_in_its_id(both):
    signature = Opaque(origin="google", data="CiQB+/")
    call = ToolCallStarted(index=0, id="a.1", name="f", signature=signature)
    (block,) = both(call, ToolCallDelta(index=0, arguments="{}"), chat=Chat(model="m", messages=()))
    assert block["id"] == seal_id("a_2e1", signature)
    (read,) = again(block)
    assert (read.id, read.signature) == ("a_2e1", signature)


def test_free_text_is_wrapped(both):
    custom = (
        ToolCallStarted(index=0, id="a", name="patch", custom=True),
        ToolCallDelta(index=0, arguments='*** "'),
        ToolCallDelta(index=0, arguments='x"'),
    )
    assert both(*custom, TextDelta(text="Ok"))[0]["input"] == {"input": '*** "x"'}


def test_usage_of_every_class(stream, whole):
    usage = Usage(
        input_tokens=100,
        output_tokens=20,
        cache_read_tokens=60,
        cache_write_tokens=30,
        cache_write_1h_tokens=12,
        reasoning_tokens=5,
        web_searches=2,
        service_tier="priority",
    )
    told = whole(STARTED, STOP, UsageReported(usage=usage))["usage"]
    assert told["cache_creation"] == {"ephemeral_5m_input_tokens": 18, "ephemeral_1h_input_tokens": 12}
    assert told["server_tool_use"] == {"web_search_requests": 2, "web_fetch_requests": 0}
    assert told["service_tier"] == "priority"
    end = stream(STARTED, STOP, UsageReported(usage=usage))[-2]["usage"]
    assert end == {name: told[name] for name in end}
