"""`Chat`s as requests for Google: what each model takes, and the receipt of what it does not."""

from __future__ import annotations

import base64
import json

import pytest

from isthmus.core.chat.model import Model
from isthmus.core.chat.request import (
    AnswerFormat,
    CacheMark,
    Chat,
    CustomTool,
    Document,
    Grammar,
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
    WebSearch,
)
from isthmus.errors import Unsupported
from isthmus.wire.gemini import DIALECT

NEW = Model(name="gemini-3-flash-preview")
OLD = Model(name="gemini-2.5-flash")
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n....").decode()
HI = Message(role="user", parts=(Text(text="Hi"),))
F = Tool(name="f", parameters={"properties": {"a": {}}})


def user(*parts):
    return Message(role="user", parts=parts)


def model_said(*parts):
    return Message(role="assistant", parts=parts)


def result(call_id, *parts, **fields):
    return Message(role="tool", parts=(ToolResult(call_id=call_id, parts=parts, **fields),))


@pytest.fixture
def write(validate):
    def one(*messages, model=NEW, **fields):
        chat = Chat(model="m", messages=messages or (HI,), **fields)
        written = DIALECT.write_request(chat, model)
        asked = json.loads(written.body)
        validate("GenerateContentRequest", asked)
        return asked, {note.field: note.fate for note in written.notes}, written.fetch

    return one


def test_a_field_that_the_model_refuses_is_left_out_and_noted(write):
    asked, notes, _ = write(
        model=Model(name="gemini-3-flash", refuses=frozenset(("temperature", "seed", "service_tier"))),
        temperature=0.5,
        service_tier="flex",
        top_p=0.5,
    )
    assert asked["generationConfig"] == {"topP": 0.5} and "serviceTier" not in asked
    assert notes == {"temperature": "lost", "service_tier": "lost"}


def test_everything_that_google_lacks_is_noted(write):
    _, notes, _ = write(
        user(Text(text="Hi", cache=CacheMark())),
        model_said(Refusal(text="No.")),
        Message(role="user", name="Ann", parts=(Text(text="Why?"),)),
        Message(role="system", parts=(Text(text="Be kind."),)),
        user(Text(text="?")),
        tools=(F,),
        parallel_tool_calls=False,
        logit_bias={"1": 1.0},
        verbosity="low",
        user="u",
        metadata={"a": "b"},
        cache_key="k",
        service_tier="scale",
        stop=("1", "2", "3", "4", "5", "6"),
    )
    assert notes == {
        "messages.refusal": "emulated",
        "messages.name": "lost",
        "messages.system": "lost",
        "cache_control": "emulated",
        "cache_key": "emulated",
        "parallel_tool_calls": "lost",
        "logit_bias": "lost",
        "verbosity": "lost",
        "user": "lost",
        "metadata": "lost",
        "service_tier": "lost",
        "stop": "lost",
    }


def test_what_asks_for_nothing_is_no_loss(write):
    asked, notes, _ = write(frequency_penalty=0.0, service_tier="auto", parallel_tool_calls=True, choices=1)
    assert (set(asked), notes) == ({"contents"}, {})


def test_a_conversation_that_the_user_does_not_begin(write):
    asked, notes, _ = write(Message(role="system", parts=(Text(text="Go."),)))
    assert asked["contents"] == [{"role": "user", "parts": [{"text": "(The conversation begins here.)"}]}]
    assert notes == {"messages": "emulated"}


# --- thinking -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "wish", "config"),
    (
        ("gemini-3-flash", {"effort": "minimal"}, {"thinkingLevel": "MINIMAL"}),
        ("gemini-3.1-pro-preview", {"effort": "minimal"}, {"thinkingLevel": "LOW"}),
        (
            "gemini-3-flash",
            {"effort": "max", "summary": "detailed"},
            {"thinkingLevel": "HIGH", "includeThoughts": True},
        ),
        ("gemini-3-flash", {"thinking_budget": 5000}, {"thinkingLevel": "MEDIUM"}),
        ("google/gemini-2.5-pro", {"effort": "high"}, {"thinkingBudget": 12288}),
        ("gemini-2.5-flash", {"effort": "max"}, {"thinkingBudget": 24576}),
        ("gemini-2.5-flash-lite", {"thinking_budget": 100}, {"thinkingBudget": 512}),
        ("gemini-2.5-flash", {"effort": "none"}, {"thinkingBudget": 0}),
        ("gemini-2.5-flash", {"effort": "high", "max_tokens": 4000}, {"thinkingBudget": 3000}),
        (
            "gemini-flash-latest",
            {"effort": "low", "summary": "none"},
            {"thinkingBudget": 1024, "includeThoughts": False},
        ),
    ),
)
def test_thinking_is_said_as_the_model_takes_it(write, name, wish, config):
    asked, notes, _ = write(model=Model(name=name), **wish)
    assert asked["generationConfig"]["thinkingConfig"] == config
    assert notes == {}


def test_a_model_that_cannot_stop_thinking_thinks_its_least(write):
    for name in ("gemini-3-flash", "gemini-2.5-pro"):
        asked, notes, _ = write(model=Model(name=name), effort="none")
        assert asked["generationConfig"]["thinkingConfig"] in ({"thinkingLevel": "MINIMAL"}, {"thinkingBudget": 128})
        assert notes == {"effort": "emulated"}


def test_a_model_that_does_not_think_is_not_asked_to(write):
    for model in (Model(name="gemini-2.0-flash"), Model(name="gemini-9", thinking="none"), Model(name="gemma-3-27b")):
        assert write(model=model, effort="high", summary="auto")[1] == {"effort": "lost"}
        assert write(model=model, effort="none")[1] == {}


# --- calls and results ----------------------------------------------------------------------------------------------

SIGNED = Opaque(origin="google", data="QUJD")


def test_calls_of_google_go_back_with_their_ids_and_signatures(write):
    asked, notes, _ = write(
        HI,
        model_said(
            Reasoning(text="Hm."),
            ToolCall(id="a1", name="f", arguments='{"a":1}', signature=SIGNED),
            ToolCall(id="call_made_up", name="g", arguments=""),
        ),
        result("call_made_up", Text(text="2")),
        result("a1", Text(text='{"b": 1.0}')),
    )
    assert asked["contents"][1]["parts"] == [
        {"text": "Hm.", "thought": True},
        {"functionCall": {"id": "a1", "name": "f", "args": {"a": 1}}, "thoughtSignature": "QUJD"},
        {"functionCall": {"name": "g", "args": {}}},
    ]
    # In the order of the calls: without ids that is all there is to tell them apart.
    assert asked["contents"][2]["parts"] == [
        {"functionResponse": {"id": "a1", "name": "f", "response": {"b": 1.0}}},
        {"functionResponse": {"name": "g", "response": {"output": "2"}}},
    ]
    assert notes == {}


FOREIGN = (
    HI,
    model_said(ToolCall(id="toolu_0", name="f", arguments="{}")),
    result("toolu_0", Text(text="x")),
    user(Text(text="Again.")),
    model_said(
        Reasoning(text="Hm.", signature=Opaque(origin="anthropic", data="sig")),
        Text(text="I will."),
        ToolCall(id="toolu_1", name="f", arguments="{}"),
        ToolCall(id="toolu_2", name="f", arguments="{}"),
    ),
    result("toolu_1", Text(text="no"), is_error=True),
    result("toolu_2"),
)


def test_calls_of_others_are_marked_for_gemini_3_in_the_turn_that_it_goes_on_with(write):
    asked, notes, _ = write(*FOREIGN)
    parts = [part for content in asked["contents"] for part in content["parts"]]
    assert [part["functionCall"] for part in parts if "functionCall" in part] == [{"name": "f", "args": {}}] * 3
    marks = [part.get("thoughtSignature") for part in parts if "functionCall" in part]
    assert marks == [None, "skip_thought_signature_validator", None]
    assert asked["contents"][-1]["parts"] == [
        {"functionResponse": {"name": "f", "response": {"error": "no"}}},
        {"functionResponse": {"name": "f", "response": {"output": ""}}},
    ]
    assert notes == {"messages.reasoning": "lost"}


def test_older_models_need_no_mark(write):
    asked, _, _ = write(*FOREIGN, model=OLD)
    assert "thoughtSignature" not in json.dumps(asked)


@pytest.mark.parametrize(
    ("text", "response"),
    (
        ('{"output": "x"}', {"output": {"output": "x"}}),
        ('{"error": "x", "a": 1}', {"output": {"error": "x", "a": 1}}),
        ("[1]", {"output": "[1]"}),
        ("{}", {"output": {}}),
        ("", {"output": ""}),
    ),
)
def test_a_result_is_never_taken_for_googles_own_keys(write, text, response):
    asked, _, _ = write(HI, model_said(ToolCall(id="a", name="f", arguments="{}")), result("a", Text(text=text)))
    assert asked["contents"][2]["parts"][0]["functionResponse"]["response"] == response


def test_arguments_that_are_no_object_are_kept_in_one(write):
    asked, notes, _ = write(HI, model_said(ToolCall(id="a", name="f", arguments="[oops")))
    assert asked["contents"][1]["parts"][0]["functionCall"]["args"] == {"unparsed_arguments": "[oops"}
    assert notes == {"messages.tool_calls": "lost"}


IMAGE = Image(base64=PNG, media_type="image/png")


def test_images_in_results_are_inside_them_or_after_them(write):
    turn = (HI, model_said(ToolCall(id="a", name="f", arguments="{}")), result("a", Text(text="See:"), IMAGE))
    inline = {"inlineData": {"mimeType": "image/png", "data": PNG}}
    asked, notes, _ = write(*turn)
    assert asked["contents"][2]["parts"][0]["functionResponse"]["parts"] == [inline]
    assert notes == {}
    asked, notes, _ = write(*turn, model=OLD)
    assert asked["contents"][3]["parts"] == [{"text": "(This belongs to the result of f.)"}, inline]
    assert notes == {"messages.tool_result": "emulated"}


def test_a_custom_tool_is_a_function_with_one_string(write):
    tool = CustomTool(name="patch", grammar=Grammar(syntax="lark", definition="start: A"))
    asked, notes, _ = write(
        HI, model_said(ToolCall(id="a", name="patch", arguments='say "hi"', custom=True)), tools=(tool,)
    )
    declared = asked["tools"][0]["functionDeclarations"][0]
    assert declared["parametersJsonSchema"]["required"] == ["input"] and "start: A" in declared["description"]
    assert asked["contents"][1]["parts"][0]["functionCall"]["args"] == {"input": 'say "hi"'}
    assert notes == {"tools.custom": "emulated"}


# --- media ----------------------------------------------------------------------------------------------------------


def test_what_google_cannot_be_given_the_type_of_is_fetched(write):
    asked, _, fetch = write(
        user(
            Image(url="https://a.example/x.png"),
            Image(url="https://a.example/x"),
            Document(url="https://a.example/y", media_type="application/pdf"),
        )
    )
    assert fetch == ("https://a.example/x",)
    assert asked["contents"][0]["parts"][0] == {
        "fileData": {"fileUri": "https://a.example/x.png", "mimeType": "image/png"}
    }


def test_a_documents_name_and_context_are_told_before_it(write):
    asked, notes, _ = write(user(Document(text="Body.", name="a.txt", context="Old.", cite=True)))
    assert asked["contents"][0]["parts"] == [
        {"text": "File: a.txt\nOld."},
        {"inlineData": {"mimeType": "text/plain", "data": base64.b64encode(b"Body.").decode()}},
    ]
    assert notes == {"messages.document.name": "emulated", "messages.document.citations": "lost"}


def test_one_resolution_for_all_images(write):
    low, high = (Image(base64=PNG, media_type="image/png", detail=detail) for detail in ("low", "high"))
    assert write(user(low, low))[0]["generationConfig"] == {"mediaResolution": "MEDIA_RESOLUTION_LOW"}
    asked, notes, _ = write(user(low, high))
    assert "generationConfig" not in asked and notes == {"messages.image.detail": "lost"}


def test_files_of_others_and_content_that_the_model_does_not_take_are_unsupported(write):
    with pytest.raises(Unsupported):
        write(user(Image(file=Opaque(origin="openai", data="file-1"))))
    with pytest.raises(Unsupported):
        write(user(IMAGE), model=Model(name="gemini-3", input=frozenset(("text",))))


def test_tools_that_others_ran_are_lost_and_googles_go_back(write):
    parts = '[{"executableCode":{"language":"PYTHON","code":"1"}}]'
    own = HostedToolUse(id="1", tool="code_execution", opaque=Opaque(origin="google", data=parts))
    told = HostedToolUse(id="2", tool="web_search", opaque=Opaque(origin="google", data='{"webSearchQueries":["x"]}'))
    other = HostedToolUse(id="3", tool="web_search", opaque=Opaque(origin="anthropic", data="[]"))
    asked, notes, _ = write(HI, model_said(own, told, Text(text="So.")))
    assert asked["contents"][1]["parts"] == [*json.loads(parts), {"text": "So."}] and notes == {}
    assert write(HI, model_said(other, Text(text="So.")))[1] == {"messages.hosted_tool_use": "lost"}


# --- tools and formats ----------------------------------------------------------------------------------------------


def test_search_beside_functions(write):
    tools = (F, WebSearch(max_uses=3, allowed_domains=("a.example",)))
    asked, notes, _ = write(tools=tools)
    assert asked["tools"] == [
        {"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object", "properties": {"a": {}}}}]},
        {"googleSearch": {}},
    ]
    assert asked["toolConfig"] == {"includeServerSideToolInvocations": True}
    assert notes == {"tools.web_search.max_uses": "lost", "tools.web_search.allowed_domains": "lost"}
    asked, notes, _ = write(tools=tools, model=OLD)
    assert len(asked["tools"]) == 1 and notes == {"tools.web_search": "lost"}


def test_another_vendors_tools(write):
    tool = VendorTool(type="computer_use", definition=Opaque(origin="anthropic", data="{}"))
    asked, notes, _ = write(tools=(tool,))
    assert "tools" not in asked and notes == {"tools.computer_use": "lost"}
    for choice in (ToolChoice(mode="named", name="computer_use"), ToolChoice(mode="required")):
        with pytest.raises(Unsupported) as raised:
            write(tools=(tool,), tool_choice=choice)
        assert raised.value.param == "tool_choice"


@pytest.mark.parametrize(
    ("choice", "strict", "config"),
    (
        (None, True, {"mode": "VALIDATED"}),
        (ToolChoice(mode="auto"), None, {"mode": "AUTO"}),
        (ToolChoice(mode="auto", allowed=("f",)), None, {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
        (ToolChoice(mode="required"), True, {"mode": "ANY"}),
        (ToolChoice(mode="required", allowed=("f",)), None, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (ToolChoice(mode="named", name="f"), None, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (ToolChoice(mode="none"), True, {"mode": "NONE"}),
    ),
)
def test_tool_choice(write, choice, strict, config):
    asked, notes, _ = write(tools=(Tool(name="f", strict=strict),), tool_choice=choice)
    assert asked["toolConfig"] == {"functionCallingConfig": config}
    # The mode that takes names holds calls to their schemas too, whether or not that was asked for.
    assert notes == ({"tools.strict": "emulated"} if config["mode"] == "VALIDATED" and not strict else {})


def test_answer_formats(write):
    wanted = AnswerFormat(schema={"type": "object", "additionalProperties": False}, description="An answer.")
    asked, notes, _ = write(answer_format=wanted, tools=(F,))
    assert asked["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object", "additionalProperties": False, "description": "An answer."},
    }
    assert notes == {}
    asked, notes, _ = write(answer_format=wanted, tools=(F,), model=OLD)
    assert "JSON Schema" in asked["systemInstruction"]["parts"][0]["text"] and "generationConfig" not in asked
    assert notes == {"answer_format": "emulated"}


def test_an_answer_is_asked_no_longer_than_the_model_can_give_it(write):
    assert write(model=Model(name="gemini-3", max_output_tokens=100), max_tokens=500)[0]["generationConfig"] == {
        "maxOutputTokens": 100
    }
