"""What Gemini refuses, the simulator refuses, in Google's words and shape; what Google's front end forgives, it
forgives.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from isthmus.simulator import Fault, Simulator
from isthmus.simulator.exchange import World
from isthmus.simulator.models import catalogue
from isthmus.simulator.recorded import RecordedRequest
from isthmus.simulator.routes import respond

HEADERS = {"x-goog-api-key": "AIza-test", "content-type": "application/json"}
TOKEN = {"authorization": "Bearer ya29.test", "content-type": "application/json"}
STUDIO = "/v1beta/models/{}:generateContent"
VERTEX = "/v1/projects/p/locations/us-central1/publishers/google/models/{}:generateContent"
OLDER, NEWER = "gemini-2.5-flash", "gemini-3.5-flash"
USER = {"role": "user", "parts": [{"text": "hello"}]}
CALL = {"functionCall": {"name": "f", "args": {}}}
RESULT = {"functionResponse": {"name": "f", "response": {"output": "18"}}}
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"


def function(**fields: Any) -> dict[str, Any]:
    return {"tools": [{"functionDeclarations": [{"name": "f", **fields}]}]}


def parameters(**schema: Any) -> dict[str, Any]:
    return function(parameters={"type": "OBJECT", "properties": {"a": schema}})


def config(**fields: Any) -> dict[str, Any]:
    return {"generationConfig": fields}


def thinking(**fields: Any) -> dict[str, Any]:
    return config(thinkingConfig=fields)


def said(*parts: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": list(parts)}]}


def turns(*contents: tuple[str, list[Any]]) -> dict[str, Any]:
    return {"contents": [{"role": role, "parts": parts} for role, parts in contents]}


async def post(caller: Any, body: Any, model: str = OLDER, path: str = STUDIO, headers: Any = None) -> Any:
    return await caller.post(path.format(model), body, headers or (TOKEN if path == VERTEX else HEADERS))


# What is not the message that it should be: refused by the front end, each violation told with its field.
MISREAD: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "unknown": ({"foo": 1}, 'Invalid JSON payload received. Unknown name "foo": Cannot find field.', None),
    "unknown inside": (
        config(max_tokens=5),
        "Invalid JSON payload received. Unknown name \"max_tokens\" at 'generation_config': Cannot find field.",
        "generation_config",
    ),
    "unknown in a schema": (
        parameters(type="OBJECT", additionalProperties=False),
        'Invalid JSON payload received. Unknown name "additionalProperties" at '
        "'tools[0].function_declarations[0].parameters.properties[0].value': Cannot find field.",
        "tools[0].function_declarations[0].parameters.properties[0].value",
    ),
    "list of types": (
        parameters(type=["STRING", "NULL"]),
        'Invalid JSON payload received. Unknown name "type" at '
        "'tools[0].function_declarations[0].parameters.properties[0].value': Proto field is not repeating, cannot "
        "start list.",
        "tools[0].function_declarations[0].parameters.properties[0].value",
    ),
    "string": (
        said({"text": 5}),
        "Invalid value at 'contents[0].parts[0].text' (TYPE_STRING), 5",
        "contents[0].parts[0].text",
    ),
    "number": (
        config(maxOutputTokens="many"),
        "Invalid value at 'generation_config.max_output_tokens' (TYPE_INT32), \"many\"",
        "generation_config.max_output_tokens",
    ),
    "too great a number": (
        config(seed=2**31),
        "Invalid value at 'generation_config.seed' (TYPE_INT32), 2147483648",
        "generation_config.seed",
    ),
    "boolean": (
        config(responseLogprobs=1),
        "Invalid value at 'generation_config.response_logprobs' (TYPE_BOOL), 1",
        "generation_config.response_logprobs",
    ),
    "message": (
        {"contents": ["hello"]},
        "Invalid value at 'contents[0]' (type.googleapis.com/google.ai.generativelanguage.v1beta.Content), \"hello\"",
        "contents[0]",
    ),
    "enum": (
        {"safetySettings": [{"category": "RUDE", "threshold": "OFF"}]},
        "Invalid value at 'safety_settings[0].category' "
        '(type.googleapis.com/google.ai.generativelanguage.v1beta.HarmCategory), "RUDE"',
        "safety_settings[0].category",
    ),
    "base64": (
        said({"inlineData": {"mimeType": "image/png", "data": "%%%"}}),
        "Invalid value at 'contents[0].parts[0].inline_data.data' (TYPE_BYTES), Base64 decoding failed for \"%%%\"",
        "contents[0].parts[0].inline_data.data",
    ),
    "struct": (
        said({"functionResponse": {"name": "f", "response": "18"}}),
        "Invalid value at 'contents[0].parts[0].function_response.response' "
        '(type.googleapis.com/google.protobuf.Struct), "18"',
        "contents[0].parts[0].function_response.response",
    ),
    "two kinds of part": (
        said({"text": "a", "inlineData": {"mimeType": "image/png", "data": "aGk="}}),
        "Invalid value at 'contents[0].parts[0]' (oneof), oneof field 'data' is already set. Cannot set 'inlineData'",
        "contents[0].parts[0]",
    ),
}


@pytest.mark.parametrize("name", MISREAD)
async def test_misread(name: str, caller: Any) -> None:
    body, message, field = MISREAD[name]
    reply = await post(caller, {"contents": [USER], **body})
    violation = {"field": field, "description": message} if field else {"description": message}
    details = [{"@type": BAD_REQUEST, "fieldViolations": [violation]}]
    assert reply.status == 400
    assert reply.json() == {
        "error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT", "details": details}
    }


async def test_all_violations_at_once(caller: Any) -> None:
    error = (await post(caller, {"contents": [USER], "foo": 1, "generationConfig": {"bar": 2, "seed": "x"}})).json()
    assert len(error["error"]["details"][0]["fieldViolations"]) == 3 == len(error["error"]["message"].split("\n"))


# What breaks a rule: what it is asked of, the request, a piece of the complaint.
REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "no contents": (OLDER, {"contents": []}, "* GenerateContentRequest.contents: contents is not specified\n"),
    "no parts": (OLDER, said(), "* GenerateContentRequest.contents[0].parts: contents.parts must not be empty.\n"),
    "empty part": (OLDER, said({}), "contents[0].parts[0].data: required oneof field 'data' must have one initialized"),
    "role": (OLDER, turns(("assistant", [{"text": "a"}])), "Please use a valid role: user, model."),
    "only the model": (OLDER, turns(("model", [{"text": "a"}])), "single turn requests end with a user role"),
    "system picture": (
        OLDER,
        {"systemInstruction": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "aGk="}}]}},
        "system instructions",
    ),
    "call first": (OLDER, turns(("model", [CALL]), ("user", [RESULT])), "function call turn comes immediately after"),
    "call by user": (OLDER, turns(("user", [CALL]), ("user", [RESULT])), "function call turn comes immediately after"),
    "unanswered": (
        OLDER,
        turns(("user", [{"text": "a"}]), ("model", [CALL, CALL]), ("user", [RESULT])),
        "number of function response parts is equal to the number of function call parts",
    ),
    "answered in two turns": (
        OLDER,
        turns(("user", [{"text": "a"}]), ("model", [CALL, CALL]), ("user", [RESULT]), ("user", [RESULT])),
        "number of function response parts is equal",
    ),
    "answer to nothing": (OLDER, turns(("user", [RESULT])), "function response turn comes immediately after"),
    "answer to another": (
        OLDER,
        turns(
            ("user", [{"text": "a"}]),
            ("model", [CALL]),
            ("user", [{"functionResponse": {"name": "g", "response": {}}}]),
        ),
        "name of each function response",
    ),
    "answer without a name": (OLDER, said({"functionResponse": {"response": {}}}), "Name cannot be empty."),
    "media type": (
        OLDER,
        said({"inlineData": {"mimeType": "image/gif", "data": "aGk="}}),
        "Unsupported MIME type: image/gif",
    ),
    "no media type": (OLDER, said({"inlineData": {"data": "aGk="}}), "mime_type must be specified"),
    "no data": (OLDER, said({"inlineData": {"mimeType": "image/png"}}), "data must not be empty"),
    "file address": (OLDER, said({"fileData": {"fileUri": "http://x/a.png"}}), "unsupported file uri"),
    "no signature": (
        NEWER,
        turns(("user", [{"text": "a"}]), ("model", [CALL]), ("user", [RESULT])),
        "Function call is missing a thought_signature in functionCall parts.",
    ),
    "strange signature": (
        OLDER,
        turns(("user", [{"text": "a"}]), ("model", [{"text": "b", "thoughtSignature": "aGVsbG8="}])),
        "Corrupted thought signature.",
    ),
    "function name": (OLDER, function(name="2 f"), "function_declarations[0].name: Invalid function name."),
    "long function name": (OLDER, function(name="f" * 129), "Invalid function name."),
    "no function name": (OLDER, {"tools": [{"functionDeclarations": [{}]}]}, "Invalid function name."),
    "same function": (
        OLDER,
        {"tools": [{"functionDeclarations": [{"name": "f"}, {"name": "f"}]}]},
        "Duplicate function declaration found: f",
    ),
    "empty tool": (OLDER, {"tools": [{}]}, "tools[0].tool_type: required one_of 'tool_type'"),
    "no properties": (
        OLDER,
        function(parameters={"type": "OBJECT"}),
        "* GenerateContentRequest.tools[0].function_declarations[0].parameters.properties: should be non-empty for "
        "OBJECT type\n",
    ),
    "not an object": (OLDER, function(parameters={"type": "STRING"}), "schema type should be OBJECT"),
    "no items": (OLDER, parameters(type="ARRAY"), "parameters.properties[a].items: missing field."),
    "no type": (OLDER, parameters(description="x"), "properties[a].type: must be specified when not using one_of"),
    "enum of numbers": (OLDER, parameters(type="INTEGER", enum=["1"]), "enum: only allowed for STRING type"),
    "empty enum value": (OLDER, parameters(type="STRING", enum=[""]), "enum[0]: cannot be empty"),
    "required unknown": (
        OLDER,
        function(parameters={"type": "OBJECT", "properties": {"a": {"type": "STRING"}}, "required": ["b"]}),
        "parameters.required[0]: property is not defined",
    ),
    "both kinds of schema": (
        OLDER,
        function(
            parameters={"type": "OBJECT", "properties": {"a": {"type": "STRING"}}},
            parametersJsonSchema={"type": "object"},
        ),
        "mutually exclusive",
    ),
    "no JSON schema": (OLDER, function(parametersJsonSchema={"type": "OBJECT"}), "parameters_json_schema"),
    "JSON schema of a list": (OLDER, function(parametersJsonSchema={"type": "array"}), 'must be of type "object"'),
    "form": (OLDER, config(responseMimeType="image/png"), "response_mime_type: allowed mimetypes are"),
    "schema of plain text": (OLDER, config(responseSchema={"type": "STRING"}), "response_schema: only allowed with"),
    "two schemas": (
        OLDER,
        config(
            responseMimeType="application/json",
            responseSchema={"type": "STRING"},
            responseJsonSchema={"type": "string"},
        ),
        "only one of response_schema",
    ),
    "form and functions": (
        OLDER,
        {**config(responseMimeType="application/json"), **function()},
        "Function calling with a response mime type: 'application/json' is unsupported",
    ),
    "search and functions": (
        OLDER,
        {"tools": [{"googleSearch": {}}, *function()["tools"]]},
        "cannot be combined in the same request",
    ),
    "search and functions, unasked": (
        NEWER,
        {"tools": [{"googleSearch": {}}, *function()["tools"]]},
        "include_server_side_tool_invocations",
    ),
    "level of an older": (OLDER, thinking(thinkingLevel="LOW"), "Thinking level is not supported for this model."),
    "level and budget": (
        NEWER,
        thinking(thinkingLevel="LOW", thinkingBudget=100),
        "You can only set only one of thinking budget and thinking level.",
    ),
    "level unknown to it": (
        "gemini-3-pro-preview",
        thinking(thinkingLevel="MEDIUM"),
        "Thinking level MEDIUM is not supported for this model.",
    ),
    "budget": (
        OLDER,
        thinking(thinkingBudget=50_000),
        "The thinking budget 50000 is invalid. Please choose a value between 1 and 24576.",
    ),
    "no thinking at all": (
        "gemini-2.5-pro",
        thinking(thinkingBudget=0),
        "Budget 0 is invalid. This model only works in thinking mode.",
    ),
    "thinking of one that does not": ("gemini-2.0-flash", thinking(thinkingBudget=0), "Thinking is not supported"),
    "candidates": (OLDER, config(candidateCount=9), "candidateCount value of 9"),
    "candidates of a newer": (NEWER, config(candidateCount=2), "Multiple candidates is not enabled for models/"),
    "penalty": (OLDER, config(frequencyPenalty=0.5), "Penalty is not enabled for models/gemini-2.5-flash"),
    "likelihoods": (OLDER, config(responseLogprobs=True), "Logprobs is not enabled for models/gemini-2.5-flash"),
    "temperature": (OLDER, config(temperature=2.5), "temperature value of 2.5"),
    "no output": (OLDER, config(maxOutputTokens=0), "maxOutputTokens value of 0"),
    "too much output": (OLDER, config(maxOutputTokens=65_537), "maxOutputTokens value of 65537"),
    "stops": (OLDER, config(stopSequences=list("abcdef")), "at most 5 stop sequences"),
    "logprobs": (OLDER, config(logprobs=3), "logprobs is only valid if response_logprobs is true"),
    "many logprobs": (OLDER, config(responseLogprobs=True, logprobs=21), "logprobs value of 21"),
    "pictures": (OLDER, config(responseModalities=["TEXT", "IMAGE"]), "combination of response modalities"),
    "any of none": (
        OLDER,
        {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}},
        "Function calling config is set without function_declarations.",
    ),
    "names without any": (
        OLDER,
        {**function(), "toolConfig": {"functionCallingConfig": {"mode": "AUTO", "allowedFunctionNames": ["f"]}}},
        "Please set allowed_function_names only when function calling mode is ANY.",
    ),
    "unknown name": (
        OLDER,
        {**function(), "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["g"]}}},
        "allowed function name g is not in function_declarations",
    ),
    "harm of old": (
        OLDER,
        {"safetySettings": [{"category": "HARM_CATEGORY_TOXICITY", "threshold": "OFF"}]},
        "safety_settings[0]: element predicate failed: $.category in (HarmCategory.HARM_CATEGORY_SEXUALLY_EXPLICIT",
    ),
    "harm twice": (
        OLDER,
        {"safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}] * 2},
        "duplicate category",
    ),
    "gateway's own": (OLDER, {"options": {}}, "gateway's own field"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refused(name: str, caller: Any) -> None:
    model, body, complaint = REFUSED[name]
    reply = await post(caller, {"contents": [USER], **body}, model)
    error = reply.json()["error"]
    assert reply.status == 400 and complaint in error["message"], error
    assert error["status"] == "INVALID_ARGUMENT" and error["code"] == 400 and "details" not in error


@pytest.mark.parametrize(
    ("body", "status", "complaint"),
    [
        ({"cachedContent": "cachedContents/x"}, 403, "CachedContent not found (or permission denied)"),
        (
            said({"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc"}}),
            403,
            "You do not have permission to access the File abc or it may not exist.",
        ),
    ],
)
async def test_not_there(body: dict[str, Any], status: int, complaint: str, caller: Any) -> None:
    error = (await post(caller, {"contents": [USER], **body})).json()["error"]
    assert error == {"code": status, "message": complaint, "status": "PERMISSION_DENIED"}


async def test_vertex_has_its_own_rules(caller: Any) -> None:
    cases = [
        ({"contents": [{"parts": [{"text": "hello"}]}]}, "Please use a valid role: user, model."),
        (said({"text": ""}), "it must have a text parameter"),
        (said({"fileData": {"fileUri": "gs://b/a.png"}}), "mimeType"),
        ({"contents": [USER], "serviceTier": "flex"}, 'Unknown name "serviceTier": Cannot find field.'),
        (
            turns(
                ("user", [{"text": "a"}]), ("model", [{"functionCall": {"name": "f", "id": "1"}}]), ("user", [RESULT])
            ),
            "Unknown name \"id\" at 'contents[1].parts[0].function_call': Cannot find field.",
        ),
        (
            {"contents": [USER], **parameters(type="STRING", anyOf=[{"type": "STRING"}])},
            "schema specified other fields alongside any_of",
        ),
        ({"contents": [USER], **parameters(description="x")}, "schema didn't specify the schema type field."),
    ]
    for body, complaint in cases:
        reply = await post(caller, body, path=VERTEX)
        assert reply.status == 400 and complaint in reply.json()["error"]["message"], reply.body
    loose = function(parameters={"type": "OBJECT", "additionalProperties": False})
    assert (await post(caller, {"contents": [USER], "labels": {"a": "b"}, **loose}, path=VERTEX)).status == 200
    tuned = {"contents": [USER], **config(responseLogprobs=True, presencePenalty=1)}
    assert (await post(caller, tuned, path=VERTEX)).status == 200
    assert "Penalty is not enabled" in (await post(caller, tuned, NEWER, VERTEX)).json()["error"]["message"]
    unsigned = turns(("user", [{"text": "a"}]), ("model", [CALL]), ("user", [RESULT]))
    error = (await post(caller, unsigned, NEWER, VERTEX)).json()["error"]
    assert "function call `f` in the 2. content block is missing a `thought_signature`" in error["message"]
    missing = await post(caller, {"contents": [USER], "cachedContent": "a/b"}, path=VERTEX)
    assert missing.status == 404 and missing.json()["error"]["status"] == "NOT_FOUND"


FORGIVEN: dict[str, dict[str, Any]] = {
    "snake case": {
        "contents": [{"parts": [{"inline_data": {"mime_type": "image/png", "data": "aGk="}}]}],
        "system_instruction": {"parts": {"text": "Be brief."}},
        "generation_config": {"max_output_tokens": 50, "stop_sequences": ["x"]},
        "tools": [{"function_declarations": [{"name": "f"}]}],
    },
    "one for a list": {"contents": {"parts": {"text": "hello"}}},
    "numbers as text": {"contents": [USER], "generationConfig": {"maxOutputTokens": "50", "temperature": "0.5"}},
    "a float that is whole": {"contents": [USER], "generationConfig": {"maxOutputTokens": 50.0}},
    "null": {"contents": [USER], "tools": None, "generationConfig": {"seed": None}},
    "small letters": {"contents": [USER], **parameters(type="array", items={"type": "string"})},
    "base64 of addresses, unpadded": said({"inlineData": {"mimeType": "image/png", "data": "-_-_aA"}}),
    "no role": {"contents": [{"parts": [{"text": "hello"}]}]},
    "same role twice": {"contents": [USER, USER]},
    "ends with the model": {"contents": [USER, {"role": "model", "parts": [{"text": "Well"}]}]},
}


@pytest.mark.parametrize("name", FORGIVEN)
async def test_forgiven(name: str, caller: Any) -> None:
    reply = await post(caller, FORGIVEN[name])
    assert reply.status == 200, reply.body


async def test_signatures_come_back(caller: Any) -> None:
    """Gemini 3 signs the first of parallel calls, gives ids, and takes both back; a call of another model's goes with
    the documented word, and turns before the user last spoke need none."""
    tools = function()
    asked = {"role": "user", "parts": [{"text": "call f and call f"}]}
    first = (await post(caller, {"contents": [asked], **tools}, NEWER)).json()["candidates"][0]["content"]
    assert ["thoughtSignature" in part for part in first["parts"]] == [True, False]
    ids = [part["functionCall"]["id"] for part in first["parts"]]
    assert len(set(ids)) == 2
    results = [{"functionResponse": {"name": "f", "id": ident, "response": {"result": "18"}}} for ident in ids]
    after = [asked, first, {"role": "user", "parts": results}]
    done = await post(caller, {"contents": after, **tools}, NEWER)
    assert "The tool answered: 18 / 18" in done.json()["candidates"][0]["content"]["parts"][0]["text"]

    stripped = [{"functionCall": part["functionCall"]} for part in first["parts"]]
    bare = [asked, {"role": "model", "parts": stripped}, {"role": "user", "parts": results}]
    assert (await post(caller, {"contents": bare, **tools}, NEWER)).status == 400
    assert (await post(caller, {"contents": [*bare, USER], **tools}, NEWER)).status == 200
    assert (await post(caller, {"contents": bare, **tools}, OLDER)).status == 200
    stripped[0]["thoughtSignature"] = "skip_thought_signature_validator"
    assert (await post(caller, {"contents": bare, **tools}, NEWER)).status == 200
    results[1]["functionResponse"]["id"] = "other"
    assert (await post(caller, {"contents": after, **tools}, NEWER)).status == 400


@pytest.mark.parametrize(
    ("path", "headers", "status", "reason"),
    [
        (STUDIO, {}, 403, None),
        (STUDIO, {"x-goog-api-key": "wrong-key"}, 400, "API_KEY_INVALID"),
        (VERTEX, {}, 401, "CREDENTIALS_MISSING"),
        (VERTEX, {"x-goog-api-key": "k"}, 401, "CREDENTIALS_MISSING"),
        (VERTEX, {"authorization": "Bearer wrong-key"}, 401, "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
    ],
)
async def test_keys(path: str, headers: dict[str, str], status: int, reason: str | None, caller: Any) -> None:
    reply = await post(caller, {"contents": [USER]}, path=path, headers={"content-type": "application/json", **headers})
    error = reply.json()["error"]
    assert reply.status == status == error["code"]
    assert reason is None or error["details"][0]["reason"] == reason


async def test_key_in_the_query(caller: Any) -> None:
    path = STUDIO.format(OLDER) + "?key=AIza-test"
    assert (await caller.post(path, {"contents": [USER]}, {"content-type": "application/json"})).status == 200


async def test_unknown_models(caller: Any) -> None:
    error = (await post(caller, {"contents": [USER]}, "gpt-4o")).json()["error"]
    assert error["status"] == "NOT_FOUND" and error["message"].startswith("models/gpt-4o is not found for API version")
    error = (await post(caller, {"contents": [USER]}, "gpt-4o", VERTEX)).json()["error"]
    assert "`projects/p/locations/us-central1/publishers/google/models/gpt-4o` was not found" in error["message"]


async def test_errors_of_a_list_are_a_list(caller: Any) -> None:
    path = f"/v1beta/models/{OLDER}:streamGenerateContent"
    (item,) = (await caller.post(path, {"contents": []}, HEADERS)).json()
    assert item["error"]["code"] == 400
    assert (await caller.post(f"{path}?alt=sse", {"contents": []}, HEADERS)).json()["error"]["code"] == 400


async def test_a_limit_says_when_to_come_back(simulator: Simulator, caller: Any) -> None:
    """AI Studio says it in the details, and sends no header."""
    simulator.next(Fault(status=429, retry_after=7))
    reply = await post(caller, {"contents": [USER]})
    error = reply.json()["error"]
    assert reply.status == 429 and error["status"] == "RESOURCE_EXHAUSTED" and "retry-after" not in reply.headers
    assert {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"} in error["details"]


@pytest.mark.parametrize(("status", "name"), [(500, "INTERNAL"), (503, "UNAVAILABLE"), (504, "DEADLINE_EXCEEDED")])
async def test_every_status(status: int, name: str, caller: Any) -> None:
    reply = await post(caller, said({"text": f"[[sim: fault={status} retry_after=3]] hello"}))
    assert (reply.status, reply.json()["error"]["status"]) == (status, name)
    assert reply.headers["retry-after"] == "3"


@pytest.mark.parametrize("query", ["", "?alt=sse"])
async def test_faults_of_a_stream(query: str, simulator: Simulator, caller: Any) -> None:
    path = f"/v1beta/models/{OLDER}:streamGenerateContent{query}"
    for after in (0, 2):
        simulator.next(Fault(error_event_after=after, status=503))
        body = (await caller.post(path, {"contents": [USER]}, HEADERS)).body
        pieces = body.split(b"\r\n\r\n")[:-1] if query else json.loads(body)
        assert len(pieces) == after + 1
        assert b'"code":503' in pieces[-1] if query else pieces[-1]["error"]["code"] == 503
    simulator.next(Fault(kind="malformed_json"), Fault(kind="not_streamed"), Fault(cut_after=2))
    broken = (await caller.post(path, {"contents": [USER]}, HEADERS)).body
    with pytest.raises(json.JSONDecodeError):
        [json.loads(piece[6:]) for piece in broken.split(b"\r\n\r\n")[:-1]] if query else json.loads(broken)
    assert "candidates" in (await caller.post(path, {"contents": [USER]}, HEADERS)).json()
    assert not (await caller.post(path, {"contents": [USER]}, HEADERS)).complete


@pytest.mark.parametrize("word", ["finish_reason=NEVER", "block_reason=JAILBREAK"])
async def test_unknown_words(word: str, caller: Any) -> None:
    reply = await post(caller, said({"text": f"[[sim: {word}]] hello"}))
    assert reply.status == 400 and word in reply.json()["error"]["message"]


async def test_too_deep(caller: Any) -> None:
    for body in (b'{"contents":' * 100_000, b'{"tools":' + b"[" * 100_000):
        reply = await post(caller, body)
        assert reply.status == 400, reply.body
    schema: dict[str, Any] = {"type": "STRING"}
    for _ in range(120):
        schema = {"type": "ARRAY", "items": schema}
    reply = await post(caller, {"contents": [USER], **parameters(**schema)})
    assert reply.status == 400 and "too deep" in reply.json()["error"]["message"]


SOUND: dict[str, Any] = {
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "contents": [
        {"role": "user", "parts": [{"text": "a"}, {"inlineData": {"mimeType": "image/png", "data": "aGk="}}]},
        {"role": "model", "parts": [CALL]},
        {"role": "user", "parts": [RESULT]},
        {"role": "model", "parts": [{"text": "18"}]},
        {"role": "user", "parts": [{"text": "call f and call f with {} echo: ok"}]},
    ],
    "tools": [
        {
            "functionDeclarations": [
                {"name": "f", "parameters": {"type": "OBJECT", "properties": {"a": {"type": "STRING", "enum": ["x"]}}}},
                {"name": "g", "parametersJsonSchema": {"type": "object", "properties": {"b": {"type": "number"}}}},
            ]
        }
    ],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f", "g"]}},
    "generationConfig": {
        "thinkingConfig": {"thinkingBudget": 100, "includeThoughts": True},
        "stopSequences": ["x"],
        "temperature": 1,
        "candidateCount": 2,
    },
    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
}
ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    2.5,
    10**20,
    "",
    "x",
    "\ud800",
    [],
    {},
    [None],
    ["x"],
    [[]],
    {"text": "y"},
    {"a": {}},
]
NAMES = ["text", "parts", "type", "anyOf", "enum", "minItems", "responseSchema", "responseMimeType", "x"]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key in value if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


@pytest.mark.parametrize("path", [STUDIO, VERTEX], ids=["studio", "vertex"])
def test_mangled(path: str, gemini_schemas: Any, vertex_schemas: Any) -> None:
    """Whatever is sent, the answer is an answer, and one that is published."""
    schemas = gemini_schemas if path == STUDIO else vertex_schemas
    headers = tuple((name.encode(), value.encode()) for name, value in {**HEADERS, **TOKEN}.items())
    world, rng, statuses = World(1, catalogue()), random.Random(path), set()
    for number in range(400):
        body = copy.deepcopy(SOUND)
        if number:
            container, key = rng.choice(list(places(body)))
            if rng.random() < 0.2:
                del container[key]
            elif rng.random() < 0.75 or isinstance(container, list):
                container[key] = copy.deepcopy(rng.choice(ODD))
            else:
                container[rng.choice(NAMES)] = copy.deepcopy(rng.choice(ODD))
        request = RecordedRequest("POST", path.format(OLDER), headers, json.dumps(body).encode())
        answer, _ = respond(request, world, None, "")
        statuses.add(answer.status)
        said = json.loads(answer.body)
        if answer.status == 200:
            schemas.check("GenerateContentResponse", said)
        else:
            assert answer.status == 400 == said["error"]["code"] and said["error"]["message"]
        assert number or answer.status == 200, answer.body
    assert statuses == {200, 400}
