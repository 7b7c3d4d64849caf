"""What is sent to Anthropic of media, tools, thinking and everything that other vendors made."""

from __future__ import annotations

import base64
import json

import pytest

from isthmus.core.chat.model import Model
from isthmus.core.chat.request import (
    Audio,
    CacheMark,
    Chat,
    Citation,
    CustomTool,
    Document,
    HostedToolUse,
    Image,
    Message,
    Opaque,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    VendorTool,
    Video,
    WebSearch,
)
from isthmus.errors import Unsupported
from isthmus.wire.anthropic_messages import DIALECT

HELLO = Message(role="user", parts=(Text(text="Hello."),))
TOOL = Tool(name="f", parameters={"type": "object"})
MARK = CacheMark()
CLAUDE = Model(name="claude")
ADAPTIVE = Model(name="claude", thinking="adaptive")


def own(data):
    return Opaque(origin="anthropic", data=data)


def theirs(data):
    return Opaque(origin="openai", data=data)


def user(*parts):
    return Message(role="user", parts=parts)


def assistant(*parts):
    return Message(role="assistant", parts=parts)


@pytest.fixture
def write(validate):
    """The body, and its receipt: "l:field" for what was lost, "e:field" for what was brought about by other means."""

    def written(*messages, model=CLAUDE, schema="CreateMessageParams", **fields):
        out = DIALECT.write_request(Chat(model="ours", messages=messages or (HELLO,), **fields), model)
        asked = json.loads(out.body)
        validate(schema, asked)
        assert out.fetch == ()
        return asked, tuple(f"{note.fate[0]}:{note.field}" for note in out.notes)

    return written


@pytest.mark.parametrize(
    ("part", "written", "noted"),
    [
        (Document(base64="JVBERi0=", media_type="application/pdf", name="a.pdf"),
         {"source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}, "title": "a.pdf"}, ()),
        (Document(text="Hi", context="C", cite=True, cache=CacheMark(ttl="1h")),
         {"source": {"type": "text", "media_type": "text/plain", "data": "Hi"}, "context": "C",
          "citations": {"enabled": True}, "cache_control": {"type": "ephemeral", "ttl": "1h"}}, ()),
        (Document(url="https://example.com/a"), {"source": {"type": "url", "url": "https://example.com/a"}}, ()),
        (Document(base64=base64.b64encode("grün".encode()).decode(), media_type="text/markdown"),
         {"source": {"type": "text", "media_type": "text/plain", "data": "grün"}}, ("e:messages.document",)),
        (Document(text="Hi", name="n" * 501),
         {"source": {"type": "text", "media_type": "text/plain", "data": "Hi"}, "title": "n" * 500},
         ("l:messages.document.name",)),
    ],
)  # fmt: skip
def test_documents(write, part, written, noted):
    asked, named = write(user(part))
    assert asked["messages"][0]["content"] == [{"type": "document"} | written] and named == noted
    asked, named = write(
        HELLO, assistant(ToolCall(id="a", name="f", arguments="")),
        Message(role="tool", parts=(ToolResult(call_id="a", parts=(part,)),)),
    )  # fmt: skip
    assert asked["messages"][2]["content"][0]["content"] == [{"type": "document"} | written] and named == noted


@pytest.mark.parametrize("kind", [Image, Document])
def test_files(write, kind):
    asked, named = write(user(kind(file=own("file_1"))), schema="BetaCreateMessageParams")
    assert asked["messages"][0]["content"][0]["source"] == {"type": "file", "file_id": "file_1"} and named == ()


@pytest.mark.parametrize(
    "part",
    [
        Audio(base64="UklGRg==", media_type="audio/wav"),
        Video(url="https://example.com/a.mp4"),
        Document(
            base64="UEsDBA==", media_type="application/vnd.openxmlformats-officedocument.wordprocessingml.document"
        ),
        Document(base64="////", media_type="text/plain"),
        Document(file=theirs("file-1")),
        Image(file=theirs("file-1")),
        Image(base64="Qk0=", media_type="image/bmp"),
    ],
)
def test_content_that_would_make_it_another_question_is_refused(part):
    for message in (user(part), Message(role="tool", parts=(ToolResult(call_id="a", parts=(part,)),))):
        with pytest.raises(Unsupported) as refused:
            DIALECT.write_request(Chat(model="m", messages=(message,)), Model(name="claude"))
        assert refused.value.param == "messages"


def test_several_answers_are_refused():
    with pytest.raises(Unsupported) as refused:
        DIALECT.write_request(Chat(model="m", messages=(HELLO,), choices=2), Model(name="claude"))
    assert refused.value.param == "choices"


def test_what_other_vendors_made_is_left_out_and_said(write):
    google = Opaque(origin="google", data="s")
    asked, named = write(
        HELLO,
        assistant(
            Reasoning(text="Hm.", signature=theirs("x")),
            Reasoning(text="", redacted=True, signature=theirs("x")),
            HostedToolUse(id="ws_1", tool="web_search", opaque=theirs("{}")),
            HostedToolUse(id="ws_2", tool="web_search", opaque=own("no json")),
            Text(text="So.", citations=(Citation(url="https://example.com", start=0, end=3),)),
            ToolCall(id="a", name="f", arguments="{}", signature=google),
        ),
        Message(role="tool", parts=(ToolResult(call_id="a", parts=(Text(text="1"),)),)),
    )
    assert asked["messages"][1]["content"] == [
        {"type": "text", "text": "So."},
        {"type": "tool_use", "id": "a", "name": "f", "input": {}},
    ]
    assert named == ("l:messages.reasoning", "l:messages.hosted_tool_use", "l:messages.citations")


def test_what_anthropic_made_goes_back_to_it(write):
    blocks = [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
    ]
    page = Citation(url="https://example.com", title="T" * 600, quote="q", opaque=own("Eo8B"))
    asked, named = write(
        HELLO,
        assistant(
            Reasoning(text="Hm.", signature=own("s")),
            Reasoning(text="", redacted=True, signature=own("d")),
            HostedToolUse(id="srvtoolu_1", tool="web_search", opaque=own(json.dumps(blocks))),
            Text(text="So.", citations=(page, Citation(document=1, title="D" * 300))),
        ),
        HELLO,
    )
    thought, hidden, call, found, said = asked["messages"][1]["content"]
    assert thought == {"type": "thinking", "thinking": "Hm.", "signature": "s"}
    assert hidden == {"type": "redacted_thinking", "data": "d"}
    assert [call, found] == blocks
    assert said["citations"] == [
        {
            "type": "web_search_result_location", "cited_text": "q", "url": "https://example.com", "title": "T" * 512,
            "encrypted_index": "Eo8B",
        },
        {
            "type": "content_block_location", "cited_text": "", "document_index": 1, "document_title": "D" * 255,
            "start_block_index": 0, "end_block_index": 1,
        },
    ]  # fmt: skip
    assert named == ()


def test_tools_of_every_kind(write):
    computer = {"type": "bash_20250124", "name": "bash"}
    asked, named = write(
        tools=(
            Tool(name="f", parameters={"type": "object"}, cache=MARK),
            CustomTool(name="patch", description="Patch."),
            WebSearch(
                max_uses=2, allowed_domains=("a.com",), blocked_domains=("b.com",), location={"city": "Oslo"},
                context_size="high", cache=MARK,
            ),
            VendorTool(type="bash_20250124", name="bash", definition=own(json.dumps(computer))),
            VendorTool(type="code_interpreter", definition=theirs("{}")),
        ),
        tool_choice=ToolChoice(mode="named", name="bash_20250124"),
    )  # fmt: skip
    function, custom, search, bash = asked["tools"]
    assert function["cache_control"] == {"type": "ephemeral"}
    assert custom["name"] == "patch" and custom["input_schema"]["required"] == ["input"]
    assert search == {
        "type": "web_search_20250305", "name": "web_search", "max_uses": 2, "allowed_domains": ["a.com"],
        "user_location": {"type": "approximate", "city": "Oslo"}, "cache_control": {"type": "ephemeral"},
    }  # fmt: skip
    assert bash == computer and asked["tool_choice"] == {"type": "tool", "name": "bash"}
    assert named == (
        "e:tools.custom",
        "l:tools.web_search.blocked_domains",
        "l:tools.web_search.context_size",
        "l:tools.code_interpreter",
    )


def test_calls_of_custom_tools_are_calls_of_functions(write):
    call = ToolCall(id="a", name="patch", arguments='*** "x"', custom=True)
    asked, named = write(HELLO, assistant(call), tools=(CustomTool(name="patch"),))
    assert asked["messages"][1]["content"][0]["input"] == {"input": '*** "x"'} and named == ("e:tools.custom",)


FOREIGN = VendorTool(type="code_interpreter", definition=theirs("{}"))


@pytest.mark.parametrize(
    ("tools", "choice"),
    [
        ((TOOL, FOREIGN), ToolChoice(mode="named", name="code_interpreter")),
        ((FOREIGN,), ToolChoice(mode="required")),
    ],
)
def test_a_tool_that_is_insisted_on_and_not_there(tools, choice):
    with pytest.raises(Unsupported) as refused:
        DIALECT.write_request(Chat(model="m", messages=(HELLO,), tools=tools, tool_choice=choice), Model(name="c"))
    assert refused.value.param == "tool_choice"


def test_tools_that_may_be_chosen_are_the_only_ones_sent(write):
    tools = (TOOL, Tool(name="g"), WebSearch(), FOREIGN)
    asked, named = write(tools=tools, tool_choice=ToolChoice(mode="required", allowed=("g", "web_search")))
    assert [tool["name"] for tool in asked["tools"]] == ["g", "web_search"]
    assert asked["tool_choice"] == {"type": "any"} and named == ("e:tool_choice.allowed",)
    assert write(tools=(FOREIGN,))[0].keys() == write()[0].keys()


def test_four_cache_marks_and_no_more(write):
    system = Message(role="system", parts=(Text(text="A", cache=MARK), Text(text="B")))
    marked = user(*(Text(text=str(number), cache=MARK) for number in range(3)))
    tool = Tool(name="f", parameters={"type": "object"}, cache=MARK)
    asked, named = write(system, user(*marked.parts[:2]), tools=(tool,))
    assert json.dumps(asked).count("cache_control") == 4 and named == ()
    assert asked["system"] == [
        {"type": "text", "text": "A", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "B"},
    ]
    asked, named = write(system, marked, tools=(tool,), cache=CacheMark(ttl="5m"))
    assert "cache_control" not in asked["tools"][0] and "cache_control" not in asked["system"][0]
    assert all("cache_control" in block for block in asked["messages"][0]["content"])
    assert asked["cache_control"] == {"type": "ephemeral", "ttl": "5m"} and named == ("l:cache_control",)


def test_marks_inside_results_count(write):
    inner = tuple(Text(text=str(number), cache=MARK) for number in range(5))
    result = ToolResult(call_id="a", parts=inner, cache=MARK)
    asked, named = write(
        HELLO, assistant(ToolCall(id="a", name="f", arguments="{}")), Message(role="tool", parts=(result,))
    )
    block = asked["messages"][2]["content"][0]
    assert ["cache_control" in part for part in block["content"]] == [False, False, True, True, True]
    assert "cache_control" in block and named == ("l:cache_control",)


@pytest.mark.parametrize(
    ("fields", "thinking", "effort", "noted"),
    [
        ({}, None, None, ()),
        ({"effort": "none"}, {"type": "disabled"}, None, ()),
        ({"effort": "minimal"}, {"type": "disabled"}, None, ()),
        ({"effort": "xhigh"}, {"type": "adaptive"}, "xhigh", ()),
        ({"thinking_budget": 0}, {"type": "disabled"}, None, ()),
        ({"thinking_budget": -1}, {"type": "adaptive"}, None, ()),
        ({"thinking_budget": 2000}, {"type": "adaptive"}, "medium", ()),
        ({"thinking_budget": 20000}, {"type": "adaptive"}, "high", ()),
        ({"effort": "low", "summary": "auto"}, {"type": "adaptive", "display": "summarized"}, "low", ()),
        ({"effort": "low", "summary": "detailed"}, {"type": "adaptive", "display": "summarized"}, "low",
         ("e:summary",)),
        ({"effort": "low", "summary": "none"}, {"type": "adaptive", "display": "omitted"}, "low", ()),
        ({"summary": "auto"}, {"type": "adaptive", "display": "summarized"}, None, ()),
        ({"summary": "none"}, None, None, ()),
        ({"effort": "low", "tools": (TOOL,), "tool_choice": ToolChoice(mode="required")}, {"type": "disabled"}, None,
         ("l:effort",)),
        ({"effort": "low", "temperature": 0.5, "top_k": 3}, {"type": "adaptive"}, "low",
         ("l:temperature", "l:top_k")),
    ],
)  # fmt: skip
def test_models_that_are_told_an_effort(write, fields, thinking, effort, noted):
    asked, named = write(model=ADAPTIVE, **fields)
    assert asked.get("thinking") == thinking and asked.get("output_config", {}).get("effort") == effort
    assert named == noted


def test_a_begun_answer_is_not_thought_about(write):
    asked, named = write(HELLO, assistant(Text(text="So")), model=ADAPTIVE, effort="low")
    assert asked["thinking"] == {"type": "disabled"} and named == ("l:effort",)


def test_an_adaptive_model_thinks_on_in_a_tool_loop_of_another(write):
    call = assistant(ToolCall(id="a", name="f", arguments="{}"))
    result = Message(role="tool", parts=(ToolResult(call_id="a", parts=(Text(text="1"),)),))
    asked, named = write(HELLO, call, result, model=ADAPTIVE, effort="low")
    assert asked["thinking"] == {"type": "adaptive"} and named == ()


@pytest.mark.parametrize(
    ("fields", "noted"),
    [
        ({"effort": "high"}, ("l:effort",)),
        ({"thinking_budget": 2000}, ("l:thinking_budget",)),
        ({"thinking_budget": -1}, ("l:thinking_budget",)),
        ({"effort": "none"}, ()),
        ({"thinking_budget": 0}, ()),
        ({"summary": "auto"}, ("l:summary",)),
    ],
)
def test_models_that_do_not_think(write, fields, noted):
    asked, named = write(model=Model(name="claude", thinking="none"), **fields)
    assert asked == write()[0] and named == noted


@pytest.mark.parametrize(
    ("fields", "most", "max_tokens", "budget"),
    [
        ({}, 8192, 8192, None),
        ({"max_tokens": 100}, 8192, 100, None),
        ({"max_tokens": 9000}, 8192, 8192, None),
        ({"effort": "max"}, 8192, 8192, 6144),
        ({"thinking_budget": 9000}, 8192, 8192, 6144),
        ({"thinking_budget": -1}, 64000, 64000, 4096),
        ({"thinking_budget": -1}, None, 8192, 4096),
    ],
)
def test_the_most_that_a_model_can_answer(write, fields, most, max_tokens, budget):
    asked, _ = write(model=Model(name="claude", max_output_tokens=most), **fields)
    assert asked["max_tokens"] == max_tokens and asked.get("thinking", {}).get("budget_tokens") == budget


@pytest.mark.parametrize(
    ("refuses", "fields", "noted"),
    [
        ({"temperature", "top_p", "top_k"}, {"temperature": 0.5, "top_p": 0.5, "top_k": 3},
         ("l:temperature", "l:top_p", "l:top_k")),
        ({"temperature", "top_p"}, {"temperature": 1.0, "top_p": 0.99}, ()),
        ({"temperature", "no such field"}, {}, ()),
        ({"effort"}, {"effort": "low"}, ("l:effort",)),
        ({"stop"}, {"stop": ("x",)}, ("l:stop",)),
    ],
)  # fmt: skip
def test_what_a_model_refuses_is_left_out(write, refuses, fields, noted):
    asked, named = write(model=Model(name="claude", refuses=frozenset(refuses)), **fields)
    assert asked == write()[0] and sorted(named) == sorted(noted)


def test_what_a_model_refuses_while_it_thinks(write):
    model = Model(name="claude", thinking="adaptive", refuses_thinking=frozenset(("stop",)))
    assert write(model=model, stop=("x",), effort="low")[1] == ("l:stop",)
    assert write(model=model, stop=("x",))[0]["stop_sequences"] == ["x"]
    always = Model(name="claude", always_thinks=True, refuses_thinking=frozenset(("stop",)))
    assert write(model=always, stop=("x",))[1] == ("l:stop",)


@pytest.mark.parametrize(
    ("fields", "thinking", "effort", "noted"),
    [
        ({"effort": "none"}, None, "low", ("l:effort",)),
        ({"thinking_budget": 0}, None, "low", ("l:thinking_budget",)),
        ({"effort": "minimal"}, None, "low", ()),
        ({"effort": "max"}, {"type": "adaptive"}, "high", ()),
        ({"effort": "high"}, {"type": "adaptive"}, "high", ()),
        ({}, None, None, ()),
    ],
)
def test_models_that_always_think_and_lack_levels(write, fields, thinking, effort, noted):
    levels = frozenset(("low", "medium", "high"))
    model = Model(name="claude", thinking="adaptive", always_thinks=True, efforts=levels)
    asked, named = write(model=model, **fields)
    assert asked.get("thinking") == thinking and asked.get("output_config", {}).get("effort") == effort
    assert named == noted


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (ToolChoice(mode="required"), "Call one of the tools now."),
        (ToolChoice(mode="named", name="f"), "Call the tool `f` now."),
    ],
)
def test_models_that_cannot_be_forced_are_told(write, choice, said):
    model = Model(name="claude", forces_tools=False)
    asked, named = write(model=model, tools=(TOOL,), tool_choice=choice, parallel_tool_calls=False)
    assert asked["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True} and asked["system"] == said
    assert named == ("e:tool_choice",)
    assert "system" not in write(model=model, tools=(TOOL,), tool_choice=ToolChoice(mode="auto"))[0]


@pytest.mark.parametrize(
    ("tier", "written", "noted"),
    [
        ("auto", "auto", ()),
        ("default", "standard_only", ()),
        ("flex", None, ("l:service_tier",)),
        ("priority", None, ("l:service_tier",)),
    ],
)
def test_service_tiers(write, tier, written, noted):
    asked, named = write(service_tier=tier)
    assert asked.get("service_tier") == written and named == noted
