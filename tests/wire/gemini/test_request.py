"""Callers' requests as `Chat`s: spellings, ids, media, tools, and what is refused."""

from __future__ import annotations

import base64
import json

import pytest

from isthmus.core.chat.fidelity import Note
from isthmus.core.chat.request import (
    AnswerFormat,
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
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.body import Body
from isthmus.wire.gemini import DIALECT
from isthmus.wire.gemini.proto_json import json_schema

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n....").decode()
HI = [{"role": "user", "parts": [{"text": "Hi"}]}]


def read(**fields):
    fields.setdefault("contents", HI)
    return DIALECT.read_request(Body(json.dumps(fields).encode()))


def refused(kind, **fields):
    with pytest.raises(kind) as raised:
        read(**fields)
    return raised.value.param


def lost(*fields):
    return tuple(Note(field=field, fate="lost", why="no other dialect has it") for field in fields)


def test_snake_case_single_objects_and_numbers_as_text_are_taken_as_google_takes_them():
    chat = read(
        contents={"parts": {"text": "Hi"}},
        system_instruction={"parts": {"text": "Be brief."}},
        generation_config={
            "max_output_tokens": "100",
            "stop_sequences": "x",
            "top_k": 40.0,
            "_responseJsonSchema": None,
        },
        tools={"function_declarations": {"name": "f"}, "google_search": {}},
        tool_config={"function_calling_config": {"mode": "any", "allowed_function_names": ["f"]}},
    )
    assert chat.messages == (
        Message(role="system", parts=(Text(text="Be brief."),)),
        Message(role="user", parts=(Text(text="Hi"),)),
    )
    assert (chat.max_tokens, chat.stop, chat.top_k) == (100, ("x",), 40)
    assert chat.tools == (Tool(name="f"), WebSearch())
    assert chat.tool_choice == ToolChoice(mode="named", name="f")
    assert chat.unplaced == ()


def test_a_field_in_two_spellings_is_refused():
    assert refused(InvalidRequest, generationConfig={"topK": 1, "top_k": 2}) == "generationConfig.topK"


def test_model_and_stream_are_ours_and_may_be_absent():
    assert (read().model, read().stream) == ("", False)
    chat = read(model="google/gemini-3-flash", stream=True, gateway={"id": "x"}, options={})
    assert (chat.model, chat.stream, chat.unplaced) == ("google/gemini-3-flash", True, ())


def test_what_has_no_place_is_noted_under_the_callers_own_path():
    chat = read(
        contents=[{"parts": [{"text": "Hi", "videoMetadata": {"fps": 2}, "part_metadata": {"a": 1}}]}],
        generationConfig={"audioTimestamp": True, "enableEnhancedCivicAnswers": False, "routingConfig": {}},
        safetySettings=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_LOW_AND_ABOVE"}],
        toolConfig={"retrievalConfig": {"languageCode": "en"}, "includeServerSideToolInvocations": True},
        tools=[{"functionDeclarations": [{"name": "f", "behavior": "NON_BLOCKING"}]}],
        store=True,
        somethingNew=1,
    )
    fields = {note.field for note in chat.unplaced}
    assert fields == {
        "contents.parts.videoMetadata",
        "contents.parts.part_metadata",
        "generationConfig.audioTimestamp",
        "safetySettings",
        "toolConfig.retrievalConfig",
        "tools.functionDeclarations.behavior",
        "store",
        "somethingNew",
    }
    assert {note.fate for note in chat.unplaced} == {"lost"}


def test_filters_that_are_off_are_no_loss():
    off = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": kind} for kind in ("OFF", "BLOCK_NONE")]
    assert read(safetySettings=off, store=False, generationConfig={}).unplaced == ()


@pytest.mark.parametrize(
    ("fields", "param"),
    (
        ({"contents": []}, "contents"),
        ({"contents": [{"parts": []}]}, "contents.0.parts"),
        ({"contents": [{"role": "system", "parts": [{"text": "x"}]}]}, "contents.0.role"),
        ({"contents": [{"parts": [{}]}]}, "contents.0.parts.0"),
        ({"contents": [{"parts": [{"text": 5}]}]}, "contents.0.parts.0.text"),
        ({"contents": [{"parts": [{"inlineData": {"data": "AAAA"}}]}]}, "contents.0.parts.0.inlineData.mimeType"),
        (
            {"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}]},
            "contents.0.parts.0.inlineData.data",
        ),
        (
            {"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": "§"}}]}]},
            "contents.0.parts.0.inlineData.data",
        ),
        (
            {"contents": [{"parts": [{"inlineData": {"mimeType": "text/plain", "data": "////"}}]}]},
            "contents.0.parts.0.inlineData.data",
        ),
        ({"contents": [{"parts": [{"fileData": {"fileUri": "ftp://x/y"}}]}]}, "contents.0.parts.0.fileData.fileUri"),
        ({"contents": [{"parts": [{"functionCall": {"name": "f"}}]}]}, "contents.0.parts.0"),
        (
            {"contents": [{"parts": [{"functionResponse": {"name": "f", "response": {}}}]}]},
            "contents.0.parts.0.functionResponse",
        ),
        ({"systemInstruction": {"parts": [{"inlineData": {}}]}}, "systemInstruction.parts.0"),
        ({"tools": [{"functionDeclarations": [{}]}]}, "tools.0.functionDeclarations.0.name"),
        ({"toolConfig": {"functionCallingConfig": {"mode": "MAYBE"}}}, "toolConfig.functionCallingConfig.mode"),
        ({"generationConfig": {"maxOutputTokens": 0}}, "generationConfig.maxOutputTokens"),
        ({"generationConfig": {"responseSchema": {"type": "STRING"}}}, "generationConfig.responseMimeType"),
        ({"generationConfig": {"responseMimeType": "text/html"}}, "generationConfig.responseMimeType"),
        (
            {"generationConfig": {"thinkingConfig": {"thinkingLevel": "SOME"}}},
            "generationConfig.thinkingConfig.thinkingLevel",
        ),
        (
            {"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW", "thinkingBudget": 5}}},
            "generationConfig.thinkingConfig",
        ),
        ({"serviceTier": "gold"}, "serviceTier"),
    ),
)
def test_bad_input_names_its_place(fields, param):
    assert refused(InvalidRequest, **fields) == param


@pytest.mark.parametrize(
    ("fields", "param"),
    (
        ({"cachedContent": "cachedContents/x"}, "cachedContent"),
        ({"generationConfig": {"responseModalities": ["TEXT", "IMAGE"]}}, "generationConfig.responseModalities"),
        ({"generationConfig": {"speechConfig": {"voiceConfig": {}}}}, "generationConfig.speechConfig"),
        ({"generationConfig": {"responseMimeType": "text/x.enum"}}, "generationConfig.responseMimeType"),
        (
            {"contents": [{"parts": [{"fileData": {"fileUri": "gs://b/v.mp4"}}]}]},
            "contents.0.parts.0.fileData.fileUri",
        ),
    ),
)
def test_what_only_google_can_do_is_unsupported(fields, param):
    assert refused(Unsupported, **fields) == param


def test_deep_nesting_is_refused():
    deep = (
        b'{"contents":[{"parts":[{"functionCall":{"name":"f","args":' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}}]}]}"
    )
    with pytest.raises(InvalidRequest):
        DIALECT.read_request(Body(deep))


def test_media_by_what_they_are():
    parts = [
        {"inlineData": {"mimeType": "image/jpg", "data": PNG}, "mediaResolution": {"level": "MEDIA_RESOLUTION_HIGH"}},
        {"fileData": {"fileUri": "https://a.example/p.webp?x=1"}},
        {"fileData": {"fileUri": "https://a.example/doc", "mimeType": "application/pdf"}},
        {
            "fileData": {
                "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc",
                "mimeType": "image/png",
            }
        },
        {"fileData": {"fileUri": "https://www.youtube.com/watch?v=x"}},
        {"inlineData": {"mimeType": "text/plain", "data": base64.b64encode("Grüße".encode()).decode()}},
    ]
    chat = read(contents=[{"parts": parts}], generationConfig={"mediaResolution": "MEDIA_RESOLUTION_LOW"})
    assert chat.messages[0].parts == (
        Image(base64=PNG, media_type="image/png", detail="high"),
        Image(url="https://a.example/p.webp?x=1", media_type="image/webp", detail="low"),
        Document(url="https://a.example/doc", media_type="application/pdf"),
        Image(
            file=Opaque(origin="google", data="https://generativelanguage.googleapis.com/v1beta/files/abc"),
            media_type="image/png",
            detail="low",
        ),
        Video(url="https://www.youtube.com/watch?v=x"),
        Document(text="Grüße", media_type="text/plain"),
    )
    assert chat.unplaced == ()
    alone = read(generationConfig={"mediaResolution": "MEDIA_RESOLUTION_LOW"})
    assert alone.unplaced == lost("generationConfig.mediaResolution")


def called(*calls):
    return {"role": "model", "parts": [{"functionCall": call} for call in calls]}


def answered(*results):
    return {"parts": [{"functionResponse": {"response": {"output": "x"}, **result}} for result in results]}


def ids(chat):
    calls = [part.id for message in chat.messages for part in message.parts if isinstance(part, ToolCall)]
    results = [part.call_id for message in chat.messages for part in message.parts if isinstance(part, ToolResult)]
    return calls, results


def test_calls_without_ids_are_matched_by_name_and_order():
    turn = [called({"name": "f"}, {"name": "g"}, {"name": "f"}), answered({"name": "g"}, {"name": "f"}, {"name": "f"})]
    chat = read(contents=[*HI, *turn, *turn])
    assert ids(chat) == (
        ["call_1", "call_2", "call_3", "call_4", "call_5", "call_6"],
        ["call_2", "call_1", "call_3", "call_5", "call_4", "call_6"],
    )


def test_ids_that_callers_give_are_kept_and_not_given_again():
    turn = [
        called({"name": "f"}, {"name": "f", "id": "call_1"}),
        answered({"name": "f", "id": "call_1"}, {"name": "f"}),
    ]
    assert ids(read(contents=[*HI, *turn])) == (["call_2", "call_1"], ["call_1", "call_2"])


def test_an_id_that_only_the_result_has_is_the_callers_own_invention():
    turn = [called({"name": "f"}), answered({"name": "f", "id": "mine"})]
    assert ids(read(contents=[*HI, *turn])) == (["call_1"], ["call_1"])


def test_two_results_of_one_call_are_refused():
    turn = [called({"name": "f", "id": "a"}), answered({"name": "f", "id": "a"}, {"name": "f", "id": "a"})]
    assert refused(InvalidRequest, contents=[*HI, *turn]) == "contents.2.parts.1.functionResponse"


@pytest.mark.parametrize(
    ("response", "text", "is_error"),
    (
        ({"output": "x"}, "x", False),
        ({"result": [1, 2]}, "[1,2]", False),
        ({"error": "no"}, "no", True),
        ({"temperature": 5}, '{"temperature":5}', False),
        ({"output": "x", "more": 1}, '{"output":"x","more":1}', False),
        ({}, "{}", False),
    ),
)
def test_what_a_result_says(response, text, is_error):
    turn = [called({"name": "f"}), answered({"name": "f", "response": response})]
    result = read(contents=[*HI, *turn]).messages[2].parts[0]
    assert result == ToolResult(call_id="call_1", name="f", parts=(Text(text=text),), is_error=is_error)


def test_results_stand_before_what_the_user_says_with_them():
    turn = [called({"name": "f"}), {"parts": [{"text": "And?"}, *answered({"name": "f"})["parts"]]}]
    assert [message.role for message in read(contents=[*HI, *turn]).messages] == ["user", "assistant", "tool", "user"]


def test_a_models_turn_in_pieces_is_one():
    pieces = [
        {"role": "model", "parts": [{"text": "Let me ", "thought": True}]},
        {"role": "model", "parts": [{"text": "think.", "thought": True}]},
        {"role": "model", "parts": [{"text": "It "}]},
        {"role": "model", "parts": [{"text": "is."}]},
        {"role": "model", "parts": [{"text": "", "thoughtSignature": "QUJD"}]},
    ]
    assert read(contents=[*HI, *pieces]).messages[1] == Message(
        role="assistant",
        parts=(
            Reasoning(text="Let me think."),
            Text(text="It is."),
            Reasoning(text="", signature=Opaque(origin="google", data="QUJD")),
        ),
    )


@pytest.mark.parametrize("dummy", ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go"))
@pytest.mark.parametrize("encode", (str, lambda text: base64.b64encode(text.encode()).decode()))
def test_a_signature_that_says_there_is_none_is_none(dummy, encode):
    part = {"functionCall": {"name": "f", "id": "a"}, "thoughtSignature": encode(dummy)}
    chat = read(contents=[*HI, {"role": "model", "parts": [part]}])
    assert chat.messages[1].parts == (ToolCall(id="a", name="f", arguments="{}"),)


def test_googles_own_tools_keep_their_parts():
    parts = [
        {
            "toolCall": {"id": "s1", "toolType": "GOOGLE_SEARCH_WEB", "args": {"queries": ["x"]}},
            "thoughtSignature": "QQ==",
        },
        {"toolResponse": {"id": "s1", "toolType": "GOOGLE_SEARCH_WEB", "response": {"a": 1}}},
        {"text": "Found."},
        {"executableCode": {"language": "PYTHON", "code": "1"}},
    ]
    use, text, code = read(contents=[*HI, {"role": "model", "parts": parts}]).messages[1].parts
    assert isinstance(use, HostedToolUse) and (use.id, use.tool, use.input) == ("s1", "web_search", '{"queries":["x"]}')
    assert json.loads(use.opaque.data) == parts[:2] and use.opaque.origin == "google"
    assert text == Text(text="Found.")
    assert (code.tool, json.loads(code.opaque.data)) == ("code_execution", [parts[3]])


def test_tools_of_every_kind():
    chat = read(
        tools=[
            {
                "functionDeclarations": [
                    {"name": "f", "description": "F.", "parametersJsonSchema": {"type": "object", "$defs": {}}},
                    {"name": "g", "parameters": {"type": "OBJECT", "properties": {"a": {"type": "INTEGER"}}}},
                ]
            },
            {"googleSearch": {"timeRangeFilter": {"startTime": "x"}}},
            {"codeExecution": {}, "urlContext": {}},
        ],
        toolConfig={"functionCallingConfig": {"mode": "VALIDATED"}},
    )
    assert chat.tools == (
        Tool(name="f", description="F.", parameters={"type": "object", "$defs": {}}, strict=True),
        Tool(name="g", parameters={"type": "object", "properties": {"a": {"type": "integer"}}}, strict=True),
        WebSearch(),
        VendorTool(type="codeExecution", definition=Opaque(origin="google", data='{"codeExecution":{}}')),
        VendorTool(type="urlContext", definition=Opaque(origin="google", data='{"urlContext":{}}')),
    )
    assert chat.tool_choice == ToolChoice(mode="auto")
    assert chat.unplaced == lost("tools.googleSearch.timeRangeFilter")


def test_googles_schemas_as_json_schema():
    given = {
        "type": "OBJECT",
        "properties": {
            "type": {"type": "STRING", "format": "enum", "enum": ["a", "b"], "nullable": True},
            "nullable": {"type": "ARRAY", "min_items": "1", "maxItems": "9", "items": {"type": "NUMBER", "example": 1}},
            "c": {"any_of": [{"type": "STRING"}, {"type": "NULL"}], "nullable": True},
        },
        "propertyOrdering": ["c", "type", "gone"],
        "required": ["type"],
        "additionalProperties": {"type": "BOOLEAN"},
        "defs": {"X": {"type": "TYPE_UNSPECIFIED", "ref": "#/$defs/X"}},
    }
    read_schema = json_schema(given, "x")
    assert read_schema == {
        "type": "object",
        "properties": {
            "c": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "type": {"type": ["string", "null"], "format": "enum", "enum": ["a", "b", None]},
            "nullable": {
                "type": "array",
                "minItems": 1,
                "maxItems": 9,
                "items": {"type": "number", "examples": [1]},
            },
        },
        "required": ["type"],
        "additionalProperties": {"type": "boolean"},
        "$defs": {"X": {"$ref": "#/$defs/X"}},
    }
    assert list(read_schema["properties"]) == ["c", "type", "nullable"]


def test_answer_formats():
    schema = {"type": "object"}
    wanted = AnswerFormat(schema=schema, strict=True)
    for config in (
        {"responseMimeType": "application/json", "responseSchema": {"type": "OBJECT"}},
        {"responseMimeType": "application/json", "responseJsonSchema": schema},
        {"responseMimeType": "application/json", "_responseJsonSchema": schema},
        {"responseFormat": {"text": {"mimeType": "APPLICATION_JSON", "schema": schema}}},
    ):
        assert read(generationConfig=config).answer_format == wanted
    assert read(generationConfig={"responseMimeType": "application/json"}).answer_format == AnswerFormat()
    assert read(generationConfig={"responseMimeType": "text/plain"}).answer_format is None


@pytest.mark.parametrize(
    ("config", "wish"),
    (
        ({"thinkingLevel": "low"}, ("low", None, None)),
        ({"thinkingBudget": 0, "includeThoughts": False}, (None, 0, "none")),
        ({"thinkingBudget": -1, "includeThoughts": True}, (None, None, "auto")),
        ({"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}, (None, None, None)),
    ),
)
def test_thinking(config, wish):
    chat = read(generationConfig={"thinkingConfig": config})
    assert (chat.effort, chat.thinking_budget, chat.summary) == wish


def test_labels_and_tiers():
    chat = read(labels={"team": "a"}, serviceTier="STANDARD")
    assert (chat.metadata, chat.service_tier) == ({"team": "a"}, "default")


def test_relayed_bodies_lose_what_is_ours_and_nothing_else():
    theirs = b'"contents" : [ {"parts":[{"text":"\\u00e9"}]} ],"generationConfig":{"topP":1.00}'
    data = b'{ "model":"x", ' + theirs + b', "stream":true,"options":{}}'
    assert DIALECT.relay_request(Body(data), "gemini-3-flash").body == b"{ " + theirs + b"}"
