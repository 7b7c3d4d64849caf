"""What is sent to Bedrock, and what is said of what could not be."""

from __future__ import annotations

import base64
import json

import pytest

from isthmus.core.chat.model import Model
from isthmus.core.chat.request import (
    AnswerFormat,
    Audio,
    CacheMark,
    Chat,
    CustomTool,
    Document,
    HostedToolUse,
    Image,
    Message,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    VendorTool,
    Video,
    WebSearch,
)
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.bedrock_converse import DIALECT
from isthmus.wire.bedrock_converse.blocks import BESIDE_DOCUMENTS, FAILED, OPENING
from isthmus.wire.bedrock_converse.parts.tools import CALL_NONE, CALL_ONE

CLAUDE = Model(name="us.anthropic.claude-haiku-4-5-20251001-v1:0")
OPUS = Model(
    name="arn:aws:bedrock:us-east-1:123456789012:inference-profile/global.anthropic.claude-opus-4-8",
    thinking="adaptive",
    efforts=frozenset(("low", "medium", "high", "max")),
    refuses=frozenset(("temperature", "top_p", "top_k")),
)
NOVA = Model(name="amazon.nova-lite-v1:0")
NOVA_2 = Model(name="us.amazon.nova-2-lite-v1:0")
GPT_OSS = Model(name="openai.gpt-oss-120b-1:0")
LLAMA = Model(name="us.meta.llama3-3-70b-instruct-v1:0")
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False, "$comment": "kept"}
WEATHER = Tool(name="get_weather", description="Weather", parameters=SCHEMA)


def said(*parts, role="user"):
    return Message(role=role, parts=tuple(Text(text=part) if isinstance(part, str) else part for part in parts))


def chat(*messages, **changes):
    return Chat(model="m", messages=messages or (said("Hi"),), **changes)


CALLED = (
    said("Weather?"),
    said(ToolCall(id="call_1", name="get_weather", arguments="{}"), role="assistant"),
    said(ToolResult(call_id="call_1", parts=(Text(text="mild"),)), role="tool"),
)


@pytest.fixture
def sent(validate):
    """The body, and what is noted: field → fate."""

    def write(asked, model=CLAUDE):
        written = DIALECT.write_request(asked, model)
        body = json.loads(written.body)
        if not written.fetch:
            validate("ConverseRequest", body)
        return body, {note.field: note.fate for note in written.notes}

    return write


def test_the_model_and_the_stream_are_not_in_the_body(sent):
    assert sent(chat(stream=True)) == ({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}, {})


def test_instructions_lose_their_place(sent):
    body, notes = sent(
        chat(said("A", role="system"), said("Hi"), said("B", role="developer"), said(" ", role="system"), said("Ho"))
    )
    assert body["system"] == [{"text": "A"}, {"text": "B"}]
    assert body["messages"] == [{"role": "user", "content": [{"text": "Hi"}, {"text": "Ho"}]}]
    assert notes == {"messages.system": "lost"}


@pytest.mark.parametrize(
    "messages", [(said("B", role="assistant"), said("Hi")), (said("A", role="system"),), (said(""),)]
)
def test_the_user_begins(sent, messages):
    body, notes = sent(chat(*messages))
    assert body["messages"][0] == {"role": "user", "content": [{"text": OPENING}]}
    assert notes == {"messages": "emulated"}


def test_an_answer_that_is_begun_ends_in_no_white_space(sent):
    assert sent(chat(said("Hi"), said("Well, \n", role="assistant")))[0]["messages"][1]["content"] == [
        {"text": "Well,"}
    ]


def test_images_by_bytes_and_by_place(sent):
    place = Opaque(origin="aws", data='{"uri":"s3://bucket/a.png","bucketOwner":"123456789012"}')
    body, notes = sent(
        chat(said(Image(base64=PNG, media_type="image/png", detail="high"), Image(file=place, media_type="image/png")))
    )
    assert body["messages"][0]["content"] == [
        {"image": {"format": "png", "source": {"bytes": PNG}}},
        {"image": {"format": "png", "source": {"s3Location": json.loads(place.data)}}},
    ]
    assert notes == {"messages.image.detail": "lost"}


def test_web_addresses_are_to_be_fetched():
    result = ToolResult(call_id="c", parts=(Image(url="https://a.example/2.png"),))
    asked = chat(
        said("Look", Image(url="https://a.example/1.png"), Document(url="https://a.example/3.pdf")),
        said(ToolCall(id="c", name="f", arguments=""), role="assistant"),
        said(result, role="tool"),
        said(Video(url="https://a.example/4.mp4")),
    )
    assert DIALECT.write_request(asked, CLAUDE).fetch == (
        "https://a.example/1.png",
        "https://a.example/3.pdf",
        "https://a.example/2.png",
        "https://a.example/4.mp4",
    )


@pytest.mark.parametrize(
    "part",
    [
        Image(base64="AA==", media_type="image/bmp"),
        Image(base64="AA=="),
        Image(file=Opaque(origin="anthropic", data="file_1"), media_type="image/png"),
        Document(file=Opaque(origin="openai", data="file-1")),
        Document(file=Opaque(origin="aws", data="no JSON")),
        Document(base64="AA==", media_type="application/zip"),
        Document(base64="/w==", media_type="text/x-odd"),
        Audio(base64="AA==", media_type="audio/midi"),
        Video(base64="AA==", media_type="video/x-odd"),
        ToolResult(call_id="c", parts=(Audio(base64="AA==", media_type="audio/wav"),)),
    ],
)
def test_content_that_bedrock_does_not_take(part):
    with pytest.raises(Unsupported) as refusal:
        DIALECT.write_request(chat(said("Look", part)), CLAUDE)
    assert refusal.value.param == "messages"


def test_sounds_and_films(sent):
    audio, video = Audio(base64="AA==", media_type="audio/wav"), Video(base64="AA==", media_type="video/mp4")
    content = sent(chat(said(audio, video)), NOVA)[0]["messages"][0]["content"]
    assert content == [
        {"audio": {"format": "wav", "source": {"bytes": "AA=="}}},
        {"video": {"format": "mp4", "source": {"bytes": "AA=="}}},
    ]


def test_documents(sent):
    pdf = base64.b64encode(b"%PDF-1.7").decode()
    body, notes = sent(
        chat(
            said(
                Document(base64=pdf, name="Report: 2026 — «final».pdf", cite=True, context="old"),
                Document(base64=pdf, media_type="application/pdf", name="Report 2026 final.pdf"),
                Document(text="Grass.", cache=CacheMark()),
                Document(base64="eA==", media_type="application/json"),
                Document(text=" "),
            )
        )
    )
    documents = [block["document"] for block in body["messages"][0]["content"] if "document" in block]
    assert documents == [
        {
            "name": "Report 2026 final",
            "format": "pdf",
            "source": {"bytes": pdf},
            "context": "old",
            "citations": {"enabled": True},
        },
        {"name": "Report 2026 final (2)", "format": "pdf", "source": {"bytes": pdf}},
        {"name": "document", "format": "txt", "source": {"bytes": base64.b64encode(b"Grass.").decode()}},
        {"name": "document (2)", "format": "txt", "source": {"bytes": "eA=="}},
    ]
    assert body["messages"][0]["content"][3] == {"cachePoint": {"type": "default"}}
    assert body["messages"][0]["content"][-1] == {"text": BESIDE_DOCUMENTS}
    assert notes == {"messages.document.name": "emulated", "messages.document": "emulated"}


def test_a_conversation_with_tools(sent):
    thought = Reasoning(text="hm", signature=Opaque(origin="anthropic", data="c2ln"))
    hidden = Reasoning(text="", redacted=True, signature=Opaque(origin="anthropic", data="c2ln"))
    calls = (
        ToolCall(id="call_1", name="get_weather", arguments='{"a": 1}'),
        ToolCall(id="functions.get_weather:1" + "x" * 60, name="get_weather", arguments=""),
        ToolCall(id="c3", name="get.weather", arguments="no JSON"),
    )
    image = Image(base64=PNG, media_type="image/png")
    body, notes = sent(
        chat(
            said("Go"),
            said(thought, hidden, "Wait.", *calls, role="assistant"),
            said(ToolResult(call_id="call_1", parts=(Text(text="x"), Text(text=" "), image)), role="tool"),
            said(ToolResult(call_id=calls[1].id, parts=(), is_error=True), role="tool"),
            said("And?"),
            said(ToolResult(call_id="c3", parts=()), role="tool"),
            tools=(WEATHER,),
        )
    )
    content = body["messages"][1]["content"]
    assert content[:3] == [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}},
        {"reasoningContent": {"redactedContent": "c2ln"}},
        {"text": "Wait."},
    ]
    uses = [block["toolUse"] for block in content[3:]]
    assert uses[0] == {"toolUseId": "call_1", "name": "get_weather", "input": {"a": 1}}
    assert uses[1]["input"] == {} and len(uses[1]["toolUseId"]) == 64
    assert uses[2] == {"toolUseId": "c3", "name": "get_weather", "input": {"unparsed_arguments": "no JSON"}}
    assert body["messages"][2]["content"] == [
        {
            "toolResult": {
                "toolUseId": "call_1",
                "content": [{"text": "x"}, {"image": {"format": "png", "source": {"bytes": PNG}}}],
            }
        },
        {"toolResult": {"toolUseId": uses[1]["toolUseId"], "content": [{"text": FAILED}], "status": "error"}},
        {"toolResult": {"toolUseId": "c3", "content": []}},
        {"text": "And?"},
    ]
    assert notes == {"messages.tool_calls": "emulated", "messages.tool_calls.name": "emulated"}


def test_ids_keep_their_dots_where_the_model_wrote_them(sent):
    call = ToolCall(id="functions.f:0", name="f", arguments="")
    result = ToolResult(call_id="functions.f:0", parts=())
    asked = chat(said("Go"), said(call, role="assistant"), said(result, role="tool"), tools=(Tool(name="f"),))
    for model, kept in ((Model(name="moonshot.kimi-k2-thinking"), True), (CLAUDE, False)):
        messages = sent(asked, model)[0]["messages"]
        ids = [messages[1]["content"][0]["toolUse"]["toolUseId"], messages[2]["content"][0]["toolResult"]["toolUseId"]]
        assert ids[0] == ids[1] and (ids[0] == "functions.f:0") is kept


@pytest.mark.parametrize(
    ("part", "model"),
    [
        (Reasoning(text="hm", signature=Opaque(origin="openai", data="x")), CLAUDE),
        (Reasoning(text="hm"), CLAUDE),
        (Reasoning(text="", redacted=True, signature=Opaque(origin="anthropic", data="no base64!")), CLAUDE),
        (Reasoning(text="hm", signature=Opaque(origin="anthropic", data="c2ln")), NOVA),
        (ToolCall(id="c", name="f", arguments="", signature=Opaque(origin="google", data="x")), CLAUDE),
    ],
)
def test_thinking_that_is_not_taken_back(sent, part, model):
    body, notes = sent(chat(said("Hi"), said(part, "Ho", role="assistant"), said("Go"), tools=(WEATHER,)), model)
    assert notes == {"messages.reasoning": "lost"}
    assert not any("reasoningContent" in block for block in body["messages"][1]["content"])


def test_what_an_assistant_said(sent):
    body, notes = sent(
        chat(
            said("Hi"),
            said(Refusal(text="No."), HostedToolUse(id="w", tool="web_search"), role="assistant"),
            Message(role="user", parts=(Text(text="Why?"),), name="ann"),
        )
    )
    assert body["messages"][1]["content"] == [{"text": "No."}]
    assert notes == {
        "messages.refusal": "emulated",
        "messages.hosted_tool_use": "lost",
        "messages.name": "lost",
    }


# --- tools ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "parallel", "expected", "extra"),
    [
        (None, None, None, None),
        (ToolChoice(mode="auto"), None, {"auto": {}}, None),
        (ToolChoice(mode="required"), True, {"any": {}}, None),
        (ToolChoice(mode="named", name="get_weather"), None, {"tool": {"name": "get_weather"}}, None),
        (None, False, None, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice(mode="required"), False, None, {"type": "any", "disable_parallel_tool_use": True}),
        (
            ToolChoice(mode="named", name="get_weather"),
            False,
            None,
            {"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True},
        ),
    ],
)
def test_choices_of_claude(sent, choice, parallel, expected, extra):
    body, notes = sent(chat(tools=(WEATHER,), tool_choice=choice, parallel_tool_calls=parallel))
    spec = {"name": "get_weather", "description": "Weather", "inputSchema": {"json": SCHEMA}}
    config = {"tools": [{"toolSpec": spec}]} | ({"toolChoice": expected} if expected else {})
    assert body["toolConfig"] == config
    assert body.get("additionalModelRequestFields", {}).get("tool_choice") == extra
    assert notes == {}


def test_one_call_at_a_time_is_told_to_others(sent):
    body, notes = sent(chat(tools=(WEATHER,), parallel_tool_calls=False), NOVA)
    assert body["system"] == [{"text": CALL_ONE}] and "additionalModelRequestFields" not in body
    assert notes == {"parallel_tool_calls": "emulated"}
    assert sent(chat(parallel_tool_calls=False), NOVA)[1] == {}


def test_no_calls_wanted(sent):
    body, notes = sent(chat(tools=(WEATHER,), tool_choice=ToolChoice(mode="none")))
    assert body.keys() == {"messages"} and notes == {"tool_choice": "emulated"}
    body, notes = sent(chat(*CALLED, tools=(WEATHER,), tool_choice=ToolChoice(mode="none"), parallel_tool_calls=False))
    assert body["system"] == [{"text": CALL_NONE}] and len(body["toolConfig"]["tools"]) == 1
    assert "additionalModelRequestFields" not in body and notes == {"tool_choice": "emulated"}


def test_calls_of_tools_that_are_not_offered_any_more(sent):
    body, notes = sent(chat(*CALLED))
    assert body["toolConfig"] == {
        "tools": [{"toolSpec": {"name": "get_weather", "inputSchema": {"json": {"type": "object"}}}}]
    }
    assert body["system"] == [{"text": CALL_NONE}] and notes == {"tools": "emulated"}


def test_a_model_that_cannot_be_made_to_call(sent):
    model = Model(name=CLAUDE.name, forces_tools=False)
    body, notes = sent(chat(tools=(WEATHER,), tool_choice=ToolChoice(mode="named", name="get_weather")), model)
    assert "toolChoice" not in body["toolConfig"] and "get_weather" in body["system"][0]["text"]
    assert notes == {"tool_choice": "emulated"}


def test_tools_of_other_kinds(sent):
    tools = (
        WEATHER,
        CustomTool(name="run", description="Runs it"),
        WebSearch(),
        VendorTool(type="code_interpreter", definition=Opaque(origin="openai", data="{}")),
    )
    call = ToolCall(id="c", name="run", arguments='print("x")', custom=True)
    result = ToolResult(call_id="c", parts=(Text(text="x"),), custom=True)
    body, notes = sent(chat(said("Go"), said(call, role="assistant"), said(result, role="tool"), tools=tools))
    names = [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]]
    assert names == ["get_weather", "run"]
    assert body["messages"][1]["content"][0]["toolUse"]["input"] == {"input": 'print("x")'}
    assert notes == {"tools.custom": "emulated", "tools.web_search": "lost", "tools.code_interpreter": "lost"}
    for name in ("code_interpreter", "web_search", "unknown"):
        with pytest.raises(Unsupported):
            sent(chat(tools=tools, tool_choice=ToolChoice(mode="named", name=name)))


def test_a_narrowed_choice(sent):
    tools = (WEATHER, Tool(name="b", parameters={"properties": {}}), WebSearch())
    body, notes = sent(chat(tools=tools, tool_choice=ToolChoice(mode="required", allowed=("b",))))
    assert [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]] == ["b"]
    assert body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"] == {"type": "object", "properties": {}}
    assert notes == {"tool_choice.allowed": "emulated"}


@pytest.mark.parametrize("name", ["a.b", "x" * 65, "", "a\n"])
def test_names_that_bedrock_refuses(name):
    with pytest.raises(Unsupported) as refusal:
        DIALECT.write_request(chat(tools=(Tool(name=name),)), CLAUDE)
    assert refusal.value.param == "tools"


def test_strict_tools(sent):
    strict = Tool(name="f", strict=True)
    assert sent(chat(tools=(strict,)))[0]["toolConfig"]["tools"][0]["toolSpec"]["strict"] is True
    body, notes = sent(chat(tools=(strict,)), LLAMA)
    assert "strict" not in body["toolConfig"]["tools"][0]["toolSpec"] and notes == {"tools.strict": "lost"}


# --- the rest ---------------------------------------------------------------------------------------------------------


def test_sampling_is_bounded(sent):
    body, notes = sent(chat(max_tokens=10**6, temperature=1.7, top_p=-1.0), Model(name="x.y", max_output_tokens=500))
    assert body["inferenceConfig"] == {"maxTokens": 500, "temperature": 1.0, "topP": 0.0}
    assert notes == {"temperature": "emulated", "top_p": "emulated"}


def test_claude_is_not_given_both_samplings_for_nothing(sent):
    assert sent(chat(temperature=1, top_p=0.5))[0]["inferenceConfig"] == {"topP": 0.5}
    assert sent(chat(temperature=0.5, top_p=1))[0]["inferenceConfig"] == {"temperature": 0.5}


def test_refused_fields(sent):
    body, notes = sent(chat(temperature=0.5, top_p=1, top_k=4), OPUS)
    assert "inferenceConfig" not in body and notes == {"temperature": "lost", "top_k": "lost"}


def test_stop_sequences(sent):
    body, notes = sent(chat(stop=("END", " ", "")))
    assert body["inferenceConfig"] == {"stopSequences": ["END"]}
    assert body["additionalModelResponseFieldPaths"] == ["/stop_sequence"]
    assert notes == {"stop": "lost"}
    body, notes = sent(chat(stop=tuple("abcde")), NOVA)
    assert body["inferenceConfig"] == {"stopSequences": list("abcd")} and notes == {"stop": "lost"}
    assert "additionalModelResponseFieldPaths" not in body


@pytest.mark.parametrize(
    ("model", "changes", "extra", "noted"),
    [
        (CLAUDE, {"top_k": 5}, {"top_k": 5}, {}),
        (NOVA, {"top_k": 500}, {"inferenceConfig": {"topK": 128}}, {"top_k": "emulated"}),
        (LLAMA, {"top_k": 5, "effort": "low"}, None, {"top_k": "lost", "effort": "lost"}),
        (LLAMA, {"effort": "none"}, None, {}),
        (NOVA, {"effort": "low"}, None, {"effort": "lost"}),
        (NOVA_2, {"effort": "none"}, {"reasoningConfig": {"type": "disabled"}}, {}),
        (
            NOVA_2,
            {"thinking_budget": 2000, "summary": "auto"},
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}},
            {"summary": "lost"},
        ),
        (NOVA_2, {"effort": "max"}, {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}, {}),
        (
            NOVA_2,
            {"effort": "high", "max_tokens": 9},
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}},
            {"effort": "emulated"},
        ),
        (GPT_OSS, {"effort": "xhigh"}, {"reasoning_effort": "high"}, {}),
        (GPT_OSS, {"effort": "none"}, {"reasoning_effort": "low"}, {}),
    ],
)
def test_fields_of_families(sent, model, changes, extra, noted):
    body, notes = sent(chat(**changes), model)
    assert body.get("additionalModelRequestFields") == extra
    assert notes == noted


def test_claude_thinks_within_a_budget(sent):
    body, notes = sent(chat(effort="low", temperature=0.5, top_p=0.5, top_k=3, summary="auto"))
    assert body["additionalModelRequestFields"] == {
        "thinking": {"type": "enabled", "budget_tokens": 1024, "display": "summarized"}
    }
    assert body["inferenceConfig"]["maxTokens"] > 1024 and body["inferenceConfig"].keys() == {"maxTokens"}
    assert notes == {"temperature": "lost", "top_p": "lost", "top_k": "lost"}


def test_claude_thinks_by_effort(sent):
    body, notes = sent(chat(effort="xhigh"), OPUS)
    assert body["additionalModelRequestFields"] == {"thinking": {"type": "adaptive"}}
    assert body["outputConfig"] == {"effort": "high"} and "inferenceConfig" not in body and notes == {}


def test_claude_does_not_think_where_it_has_to_call(sent):
    body, notes = sent(chat(effort="high", tools=(WEATHER,), tool_choice=ToolChoice(mode="required")), OPUS)
    assert body["additionalModelRequestFields"] == {"thinking": {"type": "disabled"}}
    assert "outputConfig" not in body and notes == {"effort": "lost"}


def test_a_model_that_cannot_be_kept_from_thinking(sent):
    model = Model(name="global.anthropic.claude-opus-5-5", thinking="adaptive", always_thinks=True)
    body, notes = sent(chat(effort="none"), model)
    assert "additionalModelRequestFields" not in body and notes == {"effort": "lost"}


@pytest.mark.parametrize(
    ("model", "enforced"),
    [
        (CLAUDE, True),
        (OPUS, True),
        (GPT_OSS, True),
        (Model(name="us.anthropic.claude-sonnet-4-6"), True),
        (Model(name="us.anthropic.claude-opus-4-1-20250805-v1:0"), False),
        (Model(name="us.anthropic.claude-sonnet-4-20250514-v1:0"), False),
        (Model(name="anthropic.claude-3-5-haiku-20241022-v1:0"), False),
        (NOVA, False),
        (LLAMA, False),
    ],
)
def test_structured_output(sent, model, enforced):
    wanted = AnswerFormat(name="weather", schema=SCHEMA, strict=True, description="of a city")
    body, notes = sent(chat(answer_format=wanted), model)
    if enforced:
        stated = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
        assert json.loads(stated.pop("schema")) == SCHEMA
        assert stated == {"name": "weather", "description": "of a city"} and notes == {}
    else:
        assert '"$comment"' in body["system"][0]["text"] and notes == {"answer_format": "emulated"}


def test_objects_of_schemas_are_closed(sent):
    """AWS insists on it, and other vendors' schemas do not say it."""
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "object"}}}}
    items = {"type": "object", "additionalProperties": False}
    whole = {"type": "object", "properties": {"a": {"type": "array", "items": items}}, "additionalProperties": False}
    tool = Tool(name="f", parameters=schema, strict=True)
    body, notes = sent(chat(answer_format=AnswerFormat(schema=schema), tools=(tool,)))
    assert json.loads(body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"]) == whole
    assert body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"] == whole
    assert notes == {"answer_format": "emulated", "tools.strict": "emulated"}


def test_any_object(sent):
    body, notes = sent(chat(answer_format=AnswerFormat()))
    assert "JSON object" in body["system"][0]["text"] and notes == {"answer_format": "emulated"}


def test_cache_points(sent):
    mark, hour = CacheMark(), CacheMark(ttl="1h")
    result = ToolResult(call_id="call_1", parts=(Text(text="mild", cache=mark),))
    asked = chat(
        said(Text(text="Rules", cache=hour), role="system"),
        said(Text(text="Weather?", cache=mark), Text(text=" ", cache=mark)),
        CALLED[1],
        said(result, role="tool"),
        said("And then?"),
        tools=(Tool(name="get_weather", cache=hour),),
        cache=mark,
    )
    body, notes = sent(asked)
    point, long = {"cachePoint": {"type": "default"}}, {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert body["system"] == [{"text": "Rules"}, long]
    assert body["toolConfig"]["tools"][1:] == []  # a fifth: the first gives way
    assert body["messages"][0]["content"] == [{"text": "Weather?"}, point]
    assert [next(iter(block)) for block in body["messages"][2]["content"]] == [
        "toolResult",
        "cachePoint",
        "text",
        "cachePoint",
    ]
    assert notes == {"cache_control": "lost"}
    body, notes = sent(asked, NOVA)
    assert body["system"] == [{"text": "Rules"}, point] and len(body["toolConfig"]["tools"]) == 1
    assert notes == {"cache_control": "lost", "cache_control.ttl": "lost"}
    body, notes = sent(asked, LLAMA)
    assert "cachePoint" not in json.dumps(body) and notes == {"cache_control": "lost"}


def test_metadata_and_user(sent):
    body, notes = sent(chat(metadata={"team": "a/b", "bad\u00e9": "x", "long": "x" * 257}, user="u 1"))
    assert body["requestMetadata"] == {"team": "a/b", "user_id": "u 1"}
    assert notes == {"metadata": "lost", "user": "emulated"}
    body, notes = sent(chat(metadata={str(number): "x" for number in range(17)}, user="u"))
    assert len(body["requestMetadata"]) == 16 and notes == {"metadata": "lost", "user": "lost"}
    assert sent(chat(metadata={}, user="a;b")) == ({"messages": sent(chat())[0]["messages"]}, {"user": "lost"})


@pytest.mark.parametrize(
    ("tier", "sent_tier", "noted"),
    [
        ("auto", None, {}),
        ("default", "default", {}),
        ("priority", "priority", {}),
        ("scale", None, {"service_tier": "lost"}),
    ],
)
def test_service_tiers(sent, tier, sent_tier, noted):
    body, notes = sent(chat(service_tier=tier))
    assert body.get("serviceTier") == (sent_tier and {"type": sent_tier}) and notes == noted


def test_what_bedrock_lacks(sent):
    idle = {"frequency_penalty": 0.0, "presence_penalty": 0, "logit_bias": {}, "verbosity": "medium", "top_logprobs": 0}
    assert sent(chat(**idle))[1] == {}
    asked = {
        "seed": 0,
        "frequency_penalty": 1.0,
        "presence_penalty": -1.0,
        "logit_bias": {"1": 2.0},
        "logprobs": True,
        "top_logprobs": 2,
        "verbosity": "low",
        "cache_key": "k",
        "cache_retention": "24h",
    }
    assert sent(chat(**asked))[1] == dict.fromkeys(asked, "lost")
    with pytest.raises(Unsupported):
        DIALECT.write_request(chat(choices=2), CLAUDE)


def test_deep_objects_are_refused():
    deep = {}
    for _ in range(100_000):
        deep = {"a": deep}
    for changes in ({"tools": (Tool(name="f", parameters=deep),)}, {"answer_format": AnswerFormat(schema=deep)}):
        with pytest.raises(InvalidRequest):
            DIALECT.write_request(chat(**changes), CLAUDE)
    while deep:  # taken apart by hand: the interpreter would do it by recursion
        deep = deep.pop("a")
