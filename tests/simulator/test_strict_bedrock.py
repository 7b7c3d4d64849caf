"""Each rule of Converse has a request that breaks it, and Bedrock's words for that."""

from __future__ import annotations

import base64
import copy
import json
import random
from typing import Any

import pytest

from isthmus.simulator import Model
from isthmus.simulator.exchange import Answer, World
from isthmus.simulator.models import catalogue
from isthmus.simulator.recorded import RecordedRequest
from isthmus.simulator.routes import respond

CLAUDE = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
NOVA = "amazon.nova-lite-v1:0"
MICRO = "amazon.nova-micro-v1:0"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
SPEC = {"name": "f", "inputSchema": {"json": {"type": "object", "properties": {}}}}
TOOLS = {"tools": [{"toolSpec": SPEC}]}
CALL = {"toolUse": {"toolUseId": "t1", "name": "f", "input": {}}}
RESULT = {"toolResult": {"toolUseId": "t1", "content": [{"text": "x"}]}}
POINT = {"cachePoint": {"type": "default"}}
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
SAYS = "The model returned the following errors: "


def said(*blocks: dict[str, Any], role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": list(blocks)}


TEXT = {"text": "hello"}
USER = said(TEXT)


def one(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [said(*blocks)]}


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return said(*blocks, role="assistant")


def tool(**changes: Any) -> dict[str, Any]:
    return {"toolConfig": {"tools": [{"toolSpec": {**SPEC, **changes}}]}}


def picture(data: str, format_: str = "png") -> dict[str, Any]:
    return one({"image": {"format": format_, "source": {"bytes": data}}})


def document(**changes: Any) -> dict[str, Any]:
    return {"document": {"name": "a", "format": "txt", "source": {"text": "x"}, **changes}}


def thought(reasoning: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [USER, assistant({"reasoningContent": reasoning}, TEXT), USER]}


def config(**fields: Any) -> dict[str, Any]:
    return {"inferenceConfig": fields}


def fields(**given: Any) -> dict[str, Any]:
    return {"additionalModelRequestFields": given}


def wanted(schema: str) -> dict[str, Any]:
    return {"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": schema}}}}}


def at(where: str, constraint: str, value: str | None = None) -> str:
    shown = "Value" if value is None else f"Value '{value}'"
    return f"1 validation error detected: {shown} at '{where}' failed to satisfy constraint: Member must {constraint}"


# name: (what is changed, the beginning of the message)
BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "unknown member": ({"model": "x"}, "Malformed input request: #: extraneous key [model] is not permitted"),
    "unknown member inside": (
        one({"text": "x", "type": "text"}),
        "Malformed input request: #/messages/0/content/0: extraneous key [type] is not permitted",
    ),
    "wrong type": (config(maxTokens="9"), "STRING_VALUE can not be converted to an Integer"),
    "structure for text": (one({"text": {}}), "Start of structure or map found where not expected."),
    "no role": ({"messages": [{"content": [TEXT]}]}, at("messages.1.member.role", "not be null")),
    "null for content": ({"messages": [{"role": "user", "content": None}]}, at("messages.1.member.content", "not be")),
    "role of chat": (
        {"messages": [said(TEXT, role="tool")]},
        at("messages.1.member.role", "satisfy enum value set: [user, assistant, system]", "tool"),
    ),
    "format": (
        picture(PNG, "bmp"),
        at("messages.1.member.content.1.member.image.format", "satisfy enum value set: [png, jpeg, gif, webp]", "bmp"),
    ),
    "temperature": (config(temperature=1.5), at("inferenceConfig.temperature", "have value less than or equal", "1.5")),
    "no tokens": (config(maxTokens=0), at("inferenceConfig.maxTokens", "have value greater than or equal to 1", "0")),
    "empty stop": (config(stopSequences=[""]), at("inferenceConfig.stopSequences.1.member", "have length greater", "")),
    "tool name": (tool(name="a.b"), at("toolConfig.tools.1.member.toolSpec.name", "satisfy regular", "a.b")),
    "name and newline": (tool(name="a\n"), at("toolConfig.tools.1.member.toolSpec.name", "satisfy regular", "a\n")),
    "empty description": (tool(description=""), at("toolConfig.tools.1.member.toolSpec.description", "have", "")),
    "no tools": ({"toolConfig": {"tools": []}}, at("toolConfig.tools", "have length greater than or equal to 1")),
    "tier": ({"serviceTier": {"type": "auto"}}, at("serviceTier.type", "satisfy enum value set: [priority", "auto")),
    "huge number": (config(maxTokens=10**30), "1 validation error detected"),
    "no messages": ({"messages": []}, "A conversation must start with a user message."),
    "assistant first": ({"messages": [assistant(TEXT), USER]}, "A conversation must start with a user message. Try"),
    "one role twice": ({"messages": [USER, USER]}, "A conversation must alternate between user and assistant roles."),
    "empty content": ({"messages": [said()]}, "The content field in the Message object at messages.0 is empty."),
    "blank text": (one({"text": " \n"}), "The text field in the ContentBlock object at messages.0.content.0 is blank."),
    "nothing in a block": (one({}), "ContentBlock object at messages.0.content.0 must set one of the following keys"),
    "two in a block": (
        one({"text": "x", **POINT}),
        "ContentBlock object at messages.0.content.0 can only set one of the following keys: text, image,",
    ),
    "picture of nothing": (picture("aGk="), f"{SAYS}Could not process image"),
    "picture of another sort": (picture(PNG, "gif"), f"{SAYS}Could not process image"),
    "no base64": (picture("!!"), "Invalid base64 at messages.0.content.0.image.source.bytes"),
    "picture in a bucket": (
        one({"image": {"format": "png", "source": {"s3Location": {"uri": "s3://abc/x.png"}}}}),
        "This model doesn't support the messages.0.content.0.image.source.s3Location field.",
    ),
    "picture from the assistant": (
        {"messages": [USER, assistant({"image": {"format": "png", "source": {"bytes": PNG}}}), USER]},
        "The image field at messages.1.content.0 can't be used in a message of the assistant role.",
    ),
    "call from the user": (one(CALL), "The toolUse field at messages.0.content.0 can't be used in a message of"),
    "document's name": (one(TEXT, document(name="a.pdf")), "The document file name can only contain alphanumeric"),
    "two blanks": (one(TEXT, document(name="a  b")), "The document file name can only contain alphanumeric"),
    "wide blank": (one(TEXT, document(name="a\u3000b")), "The document file name can only contain alphanumeric"),
    "document alone": (one(document()), "A message with a document must also have a text block."),
    "same name": (one(TEXT, document(), document()), "Documents of one request must have different names."),
    "six documents": (
        one(TEXT, *(document(name=str(number)) for number in range(6))),
        "A message can have up to 5 documents, this one has 6.",
    ),
    "no PDF": (
        one(TEXT, document(format="pdf", source={"bytes": "aGk="})),
        f"{SAYS}The PDF specified was not valid.",
    ),
    "video": (
        one({"video": {"format": "mp4", "source": {"bytes": "aGk="}}}),
        "This model doesn't support the video field.",
    ),
    "system in between": (
        {"messages": [USER, said(TEXT, role="system"), USER]},
        "This model doesn't support the system role field.",
    ),
    "blank system": ({"system": [{"text": " "}]}, "The text field in the SystemContentBlock object at system.0 is"),
    "tools left out": (
        {"messages": [USER, assistant(CALL), said(RESULT)]},
        "The toolConfig field must be defined when using toolUse and toolResult content blocks.",
    ),
    "call without result": (
        {"toolConfig": TOOLS, "messages": [USER, assistant(CALL), USER]},
        "Expected toolResult blocks at messages.2.content for the following Ids: t1",
    ),
    "call at the end": (
        {"toolConfig": TOOLS, "messages": [USER, assistant(CALL)]},
        "Expected toolResult blocks at messages.2.content for the following Ids: t1",
    ),
    "result without call": (
        {"toolConfig": TOOLS, "messages": [said(RESULT)]},
        "The number of toolResult blocks at messages.0.content exceeds the number of toolUse blocks of previous turn.",
    ),
    "empty error": (
        {
            "toolConfig": TOOLS,
            "messages": [
                USER,
                assistant(CALL),
                said({"toolResult": {"toolUseId": "t1", "content": [], "status": "error"}}),
            ],
        },
        "The content field at messages.2.content.0.toolResult cannot be empty when status value is error.",
    ),
    "input of text": (
        {"toolConfig": TOOLS, "messages": [USER, assistant({"toolUse": {**CALL["toolUse"], "input": "{}"}})]},
        "The format of the value at messages.1.content.0.toolUse.input is invalid. Provide a json object",
    ),
    "input schema": (
        tool(inputSchema={"json": {"type": "string"}}),
        "The value at toolConfig.tools.0.toolSpec.inputSchema.json.type must be one of the following: object.",
    ),
    "no input schema": (tool(inputSchema={}), "ToolInputSchema object at toolConfig.tools.0.toolSpec.inputSchema must"),
    "schema of no schema": (
        tool(inputSchema={"json": {"type": "object", "properties": {"a": {"type": "text"}}}}),
        f"{SAYS}tools.0.custom.input_schema: JSON schema is invalid.",
    ),
    "one name twice": ({"toolConfig": {"tools": TOOLS["tools"] * 2}}, "The toolConfig field has more than one tool"),
    "choice of an unknown tool": (
        {"toolConfig": {**TOOLS, "toolChoice": {"tool": {"name": "g"}}}},
        f"{SAYS}Tool 'g' not found in provided tools",
    ),
    "choice of none": (
        {"toolConfig": {**TOOLS, "toolChoice": {"none": {}}}},
        "Malformed input request: #/toolConfig/toolChoice: extraneous key [none] is not permitted",
    ),
    "cache point first": (one(POINT, TEXT), "A cachePoint at messages.0.content.0 has no content before it."),
    "cache point after reasoning": (
        {"messages": [USER, assistant({"reasoningContent": {"reasoningText": {"text": "x"}}}, POINT), USER]},
        "Cache point cannot be inserted after reasoning block.",
    ),
    "five cache points": (
        one(*[block for _ in range(5) for block in (TEXT, POINT)]),
        f"{SAYS}A maximum of 4 blocks with cache_control may be provided. Found 5.",
    ),
    "longer after shorter": (
        {"system": [TEXT, POINT], **one(TEXT, {"cachePoint": {"type": "default", "ttl": "1h"}})},
        f"{SAYS}a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block.",
    ),
    "unsigned thought": (
        thought({"reasoningText": {"text": "x"}}),
        f"{SAYS}messages.1.content.0.thinking.signature: Field required",
    ),
    "forged signature": (
        thought({"reasoningText": {"text": "x", "signature": "aGk="}}),
        f"{SAYS}messages.1.content.0: Invalid `signature` in `thinking` block",
    ),
    "forged secret": (
        thought({"redactedContent": "aGk="}),
        f"{SAYS}messages.1.content.0: Invalid `data` in `redacted_thinking` block",
    ),
    "thinking forced to call": (
        {"toolConfig": {**TOOLS, "toolChoice": {"any": {}}}, **fields(**THINKING)},
        f"{SAYS}Thinking may not be enabled when tool_choice forces tool use.",
    ),
    "budget beyond the limit": (
        {**config(maxTokens=500), **fields(**THINKING)},
        f"{SAYS}`max_tokens` must be greater than `thinking.budget_tokens`.",
    ),
    "small budget": (
        fields(thinking={"type": "enabled", "budget_tokens": 1}),
        f"{SAYS}thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
    ),
    "field of no model": (fields(cacheControl={}), f"{SAYS}cacheControl: Extra inputs are not permitted"),
    "fields of text": (
        {"additionalModelRequestFields": "x"},
        "The format of the value at additionalModelRequestFields is invalid.",
    ),
    "effort": ({"outputConfig": {"effort": "low"}}, f"{SAYS}This model does not support the effort parameter."),
    "both samplings": (config(temperature=0.5, topP=0.5), f"{SAYS}`temperature` and `top_p` cannot both be specified"),
    "limit beyond the model": (
        config(maxTokens=64_001),
        "The maximum tokens you requested exceeds the model limit of 64000.",
    ),
    "schema that is no JSON": (wanted("{"), "outputConfig.textFormat.structure.jsonSchema.schema is no JSON"),
    "open schema": (wanted('{"type": "object"}'), f"{SAYS}output_config.format.schema: In context=(), 'additional"),
    "pointer": ({"additionalModelResponseFieldPaths": ["x"]}, "The additionalModelResponseFieldPaths value 'x' is not"),
    "prompt variables": ({"promptVariables": {"a": {"text": "b"}}}, "The promptVariables field can only be used with"),
    "half a guardrail": (
        {"guardrailConfig": {"guardrailIdentifier": "abc"}},
        "guardrailIdentifier and guardrailVersion must both be given",
    ),
    "latency": ({"performanceConfig": {"latency": "optimized"}}, "Latency performance configuration is not supported"),
}
BROKEN_NOVA: dict[str, tuple[dict[str, Any], str]] = {
    "assistant last": ({"messages": [USER, assistant(TEXT)]}, "A conversation must end with a user message."),
    "signature": (
        thought({"reasoningText": {"text": "x", "signature": "y"}}),
        "This model doesn't support the reasoningContent.reasoningText.signature field",
    ),
    "thinking of Claude": (
        fields(**THINKING),
        "Malformed input request: #: extraneous key [thinking] is not permitted",
    ),
    "reasoning": (fields(reasoningConfig={"type": "enabled"}), "This model doesn't support the reasoningConfig field."),
    "five stops": (config(stopSequences=list("abcde")), "Malformed input request: #/inferenceConfig/stopSequences"),
    "json schema": (
        wanted('{"type": "object", "additionalProperties": false}'),
        "This model doesn't support the outputConfig.textFormat field.",
    ),
}


def ask(model: str, body: Any, world: World | None = None, operation: str = "converse") -> Answer:
    headers = ((b"authorization", b"Bearer k"), (b"content-type", b"application/json"))
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = RecordedRequest("POST", f"/model/{model.replace('/', '%2F')}/{operation}", headers, content)
    return respond(request, world or World(1, catalogue()), None, "")[0]


def error_of(answer: Answer) -> tuple[int, str, str]:
    kind, _, namespace = dict(answer.headers)["x-amzn-errortype"].partition(":")
    assert namespace.startswith("http://") and dict(answer.headers)["x-amzn-requestid"]
    return answer.status, kind, json.loads(answer.body)["message"]


@pytest.mark.parametrize("name", BROKEN)
def test_broken_rule(name: str) -> None:
    changes, message = BROKEN[name]
    for operation in ("converse", "converse-stream"):
        status, kind, text = error_of(ask(CLAUDE, {"messages": [USER], **changes}, operation=operation))
        assert text.startswith(message), text
        assert status == 400 and kind in ("ValidationException", "SerializationException")


@pytest.mark.parametrize("name", BROKEN_NOVA)
def test_broken_rule_of_nova(name: str) -> None:
    changes, message = BROKEN_NOVA[name]
    status, kind, text = error_of(ask(NOVA, {"messages": [USER], **changes}))
    assert (status, kind) == (400, "ValidationException") and text.startswith(message), text


@pytest.mark.parametrize(
    ("model", "operation", "status", "kind", "message"),
    [
        ("claude-haiku-4-5", "converse", 400, "ValidationException", "The provided model identifier is invalid."),
        (CLAUDE[3:], "converse", 400, "ValidationException", f"Invocation of model ID {CLAUDE[3:]} with on-demand"),
        (CLAUDE, "count-tokens", 400, "ValidationException", "The provided model doesn't support counting tokens."),
        (NOVA, "count-tokens", 400, "ValidationException", "The provided model doesn't support counting tokens."),
        (CLAUDE, "invoke", 404, "UnknownOperationException", ""),
        (
            "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl",
            "converse",
            429,
            "ModelNotReadyException",
            "Model is not ready for inference.",
        ),
    ],
)
def test_models(model: str, operation: str, status: int, kind: str, message: str) -> None:
    body = {"input": {"converse": {"messages": [USER]}}} if operation == "count-tokens" else {"messages": [USER]}
    found = error_of(ask(model, body, operation=operation))
    assert found[:2] == (status, kind) and found[2].startswith(message)


def test_model_by_arn() -> None:
    arn = f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{CLAUDE}"
    assert ask(arn, {"messages": [USER]}).status == 200


def test_pictures_need_eyes() -> None:
    assert error_of(ask(MICRO, picture(PNG)))[2].startswith("This model doesn't support the image field.")


def test_context_window() -> None:
    small = Model(name="anthropic.small", vendor="bedrock", context_tokens=60)
    world = World(1, catalogue([small]))
    answer = json.loads(ask(small.name, one({"text": "[[sim: tokens=200]] hello"}), world).body)
    assert answer["stopReason"] == "model_context_window_exceeded"
    assert answer["usage"]["totalTokens"] <= small.context_tokens
    assert error_of(ask(small.name, one({"text": "word " * 100}), world))[2] == (
        "Input is too long for requested model."
    )


@pytest.mark.parametrize("body", [{}, {"converse": {"messages": []}}, {"invokeModel": {"body": "e30="}}])
def test_counting_is_strict_too(body: dict[str, Any]) -> None:
    assert error_of(ask(CLAUDE[3:], {"input": body}, operation="count-tokens"))[:2] == (400, "ValidationException")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"messages":' + b"[" * 100_000, b'{"a":"\xff"}', b'{"a":"\\ud800"}']
)
def test_unreadable(body: bytes) -> None:
    assert error_of(ask(CLAUDE, body))[0] == 400


@pytest.mark.parametrize("depth", [50, 200, 400, 900])
def test_deep_documents(depth: int) -> None:
    """Taken or refused, never a crash."""
    deep: Any = {}
    for _ in range(depth):
        deep = {"a": deep}
    call = {"toolUse": {**CALL["toolUse"], "input": deep}}
    for changes in (fields(**deep), {"toolConfig": TOOLS, "messages": [USER, assistant(call), said(RESULT)]}):
        assert ask(CLAUDE, {"messages": [USER], **changes}).status in (200, 400)
    schema = {"json": {"type": "object", "properties": {"a": {"not": deep}}}}
    assert ask(CLAUDE, {"messages": [USER], **tool(inputSchema=schema)}).status in (200, 400)


SOUND: dict[str, Any] = {
    "messages": [
        said({"image": {"format": "png", "source": {"bytes": PNG}}}, TEXT, document(), POINT),
        assistant(CALL),
        said({"toolResult": {"toolUseId": "t1", "content": [{"json": {"a": 1}}], "status": "success"}}),
        assistant({"citationsContent": {"content": [TEXT], "citations": [{"location": {"web": {"url": "x"}}}]}}),
        said({"text": "call f with {} echo: ok"}),
    ],
    "system": [TEXT, POINT],
    "inferenceConfig": {"maxTokens": 2000, "stopSequences": ["x"]},
    "toolConfig": {"tools": [{"toolSpec": SPEC}, POINT], "toolChoice": {"auto": {}}},
    "guardrailConfig": {"guardrailIdentifier": "abc", "guardrailVersion": "1"},
    "additionalModelRequestFields": {"top_k": 5},
    "requestMetadata": {"a": "b"},
    "serviceTier": {"type": "default"},
}
ODD: list[Any] = [None, True, 0, -1, 2.5, 10**20, "", "x", [], {}, [None], ["x"], [[]], {"text": "x"}, {"json": {}}]


def spoil(body: dict[str, Any], rng: random.Random) -> None:
    places: list[tuple[Any, Any]] = []
    rest: list[Any] = [body]
    while rest:
        value = rest.pop()
        for key in value if isinstance(value, dict) else range(len(value)):
            places.append((value, key))
            if isinstance(value[key], dict | list):
                rest.append(value[key])
    container, key = rng.choice(places)
    if rng.random() < 0.2:
        del container[key]
    else:
        container[key] = copy.deepcopy(rng.choice(ODD))


@pytest.mark.parametrize("model", [CLAUDE, NOVA])
def test_mangled(model: str) -> None:
    """Whatever is sent, the answer is an answer."""
    rng = random.Random(model)
    world = World(1, catalogue())
    statuses: set[int] = set()
    sound = {**SOUND, "additionalModelRequestFields": {}} if model == NOVA else SOUND
    for spoiled in range(400):
        body = copy.deepcopy(sound)
        for _ in range(min(spoiled, 2)):
            spoil(body, rng)
        answer = ask(model, body, world)
        statuses.add(answer.status)
        assert spoiled or answer.status == 200, answer.body
        assert answer.status == 200 or error_of(answer)[0] == 400
    assert statuses == {200, 400}
