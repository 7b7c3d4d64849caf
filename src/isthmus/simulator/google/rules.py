"""The rules of a request to Gemini that its messages cannot say, but for the conversation itself (`turns`): sampling,
thinking, the form of the answer, tools, safety settings.
"""

from __future__ import annotations

import re
from typing import Any

from isthmus.simulator.google.errors import GoogleRejection, starred
from isthmus.simulator.google.schemas import check_json_schema, check_schema
from isthmus.simulator.google.turns import check_parts
from isthmus.simulator.google.vendor import Google
from isthmus.simulator.models import Model

JSON_SCHEMAS = ("responseJsonSchema", "_responseJsonSchema")
_NAME = re.compile(r"^[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}$")
_MIME_TYPES = ("text/plain", "application/json", "application/xml", "application/yaml", "text/x.enum")
_HARMS = (
    "HARM_CATEGORY_SEXUALLY_EXPLICIT",
    "HARM_CATEGORY_HATE_SPEECH",
    "HARM_CATEGORY_HARASSMENT",
    "HARM_CATEGORY_DANGEROUS_CONTENT",
    "HARM_CATEGORY_CIVIC_INTEGRITY",
    "HARM_CATEGORY_JAILBREAK",
)
_RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "topP": (0, 1),
    "presencePenalty": (-2, 2),
    "frequencyPenalty": (-2, 2),
    "candidateCount": (1, 8),
    "logprobs": (0, 20),
}
_MOST_STOPS = 5
_SEARCH = ("googleSearch", "urlContext", "googleMaps", "codeExecution", "fileSearch", "enterpriseWebSearch")
_NOT_RUN = ("computerUse", "googleSearchRetrieval")


def check(request: dict[str, Any], model: Model, google: Google) -> None:
    """Raises `GoogleRejection`."""
    if "systemInstruction" in request:
        check_parts(request["systemInstruction"], "system_instruction", google)
        if any("text" not in part for part in request["systemInstruction"]["parts"]):
            raise GoogleRejection("Unable to submit request because system instructions may hold nothing but text.")
    if name := request.get("cachedContent"):
        raise _not_cached(name, google)
    config = request.get("generationConfig", {})
    _check_sampling(config, model)
    _check_abilities(config, model, google)
    _check_thinking(config.get("thinkingConfig", {}), model)
    _check_form(config, google)
    declared = _check_tools(request.get("tools", ()), google)
    _check_combination(request, config, model)
    _check_choice(request.get("toolConfig", {}).get("functionCallingConfig", {}), declared)
    _check_safety(request.get("safetySettings", ()))


def _not_cached(name: str, google: Google) -> GoogleRejection:
    if google.is_vertex:
        number = name.rsplit("/", 1)[-1]
        return GoogleRejection(f"Not found: cached content metadata for {number}.", status=404)
    return GoogleRejection("CachedContent not found (or permission denied)", status=403)


def _check_sampling(config: dict[str, Any], model: Model) -> None:
    for name, (least, most) in _RANGES.items():
        if name in config and not least <= config[name] <= most:
            raise _out_of_range(name, config[name], least, most)
    if "maxOutputTokens" in config and not 1 <= config["maxOutputTokens"] <= model.max_output_tokens:
        raise _out_of_range("maxOutputTokens", config["maxOutputTokens"], 1, model.max_output_tokens)
    if config.get("topK", 1) < 1:
        raise _out_of_range("topK", config["topK"], 1, 64)
    stops = config.get("stopSequences", ())
    if len(stops) > _MOST_STOPS:
        raise starred("generation_config.stop_sequences", f"at most {_MOST_STOPS} stop sequences may be given")
    if "" in stops:
        raise starred("generation_config.stop_sequences", "stop sequences must not be empty")
    if "logprobs" in config and not config.get("responseLogprobs"):
        raise starred("generation_config.logprobs", "logprobs is only valid if response_logprobs is true")


def _check_abilities(config: dict[str, Any], model: Model, google: Google) -> None:
    """What only some models do: AI Studio takes penalties and logprobs for none that thinks, Vertex for those before
    Gemini 3, which give one candidate only."""
    named = "this model" if google.is_vertex else f"models/{model.name}"
    is_newer = "level" in model.thinking
    if is_newer if google.is_vertex else model.thinking:
        if config.get("presencePenalty") or config.get("frequencyPenalty"):
            raise GoogleRejection(f"Penalty is not enabled for {named}")
        if config.get("responseLogprobs") and google.is_vertex:
            raise GoogleRejection("Unable to submit request because Logprobs is not supported for this model.")
        if config.get("responseLogprobs"):
            raise GoogleRejection(f"Logprobs is not enabled for {named}")
    if is_newer and config.get("candidateCount", 1) > 1:
        raise GoogleRejection(f"Multiple candidates is not enabled for {named}")
    modalities = [name for name in config.get("responseModalities", ()) if name != "TEXT"]
    if modalities:
        raise GoogleRejection(
            f"The requested combination of response modalities ({', '.join(modalities)}) is not supported by the "
            f"model. models/{model.name} accepts the following combination of response modalities:\n* TEXT\n"
        )


def _out_of_range(name: str, value: float, least: float, most: float) -> GoogleRejection:
    return GoogleRejection(
        f"Unable to submit request because it has a {name} value of {value} but the supported range is from {least} "
        f"(inclusive) to {most} (inclusive). Update the value and try again."
    )


def _check_thinking(config: dict[str, Any], model: Model) -> None:
    budget, level = config.get("thinkingBudget"), config.get("thinkingLevel")
    if config and not model.thinking:
        raise GoogleRejection("Thinking is not supported by this model.")
    if level in (None, "THINKING_LEVEL_UNSPECIFIED"):
        level = None
    elif "level" not in model.thinking:
        raise GoogleRejection("Thinking level is not supported for this model.")
    elif level.lower() not in model.efforts:
        raise GoogleRejection(
            f"Thinking level {level} is not supported for this model. Please retry with other thinking level."
        )
    if budget is None or budget == -1:
        return
    if level is not None:
        raise GoogleRejection("You can only set only one of thinking budget and thinking level.")
    if budget == 0 and "off" not in model.thinking:
        raise GoogleRejection("Budget 0 is invalid. This model only works in thinking mode.")
    least, most = model.budget_tokens
    if budget != 0 and not least <= budget <= most:
        raise GoogleRejection(
            f"The thinking budget {budget} is invalid. Please choose a value between {least} and {most}."
        )


def _check_form(config: dict[str, Any], google: Google) -> None:
    """The form of the answer: its type and its schema."""
    where = "generation_config"
    kind = config.get("responseMimeType") or "text/plain"
    if kind not in _MIME_TYPES:
        allowed = ", ".join(f"`{name}`" for name in _MIME_TYPES[:-1])
        raise starred(f"{where}.response_mime_type", f"allowed mimetypes are {allowed} and `{_MIME_TYPES[-1]}`.")
    given = [name for name in ("responseSchema", *JSON_SCHEMAS) if name in config]
    if len(given) > 1:
        raise starred(f"{where}.response_schema", "only one of response_schema and response_json_schema may be set")
    if given and kind not in ("application/json", "text/x.enum"):
        message = "only allowed with a response_mime_type of `application/json` or `text/x.enum`"
        raise starred(f"{where}.response_schema", message)
    if kind == "text/x.enum" and not config.get("responseSchema", {}).get("enum"):
        raise starred(f"{where}.response_schema", "`text/x.enum` needs a schema of type STRING with enum")
    if "responseSchema" in config:
        check_schema(config["responseSchema"], f"{where}.response_schema", google.is_vertex)
    for name in given:
        if name in JSON_SCHEMAS:
            check_json_schema(config[name], f"{where}.response_json_schema", must_be_object=False)
    text = config.get("responseFormat", {}).get("text", {})
    if "schema" in text:
        check_json_schema(text["schema"], f"{where}.response_format.text.schema", must_be_object=False)


def _check_tools(tools: Any, google: Google) -> list[str]:
    """The names of the functions declared."""
    names: list[str] = []
    for index, tool in enumerate(tools):
        if not tool:
            raise starred(f"tools[{index}].tool_type", "required one_of 'tool_type' must have one initialized field")
        for kind in _NOT_RUN:
            if kind in tool:
                raise GoogleRejection(f"Unable to submit request because {kind} is not supported by this model.")
        for place, function in enumerate(tool.get("functionDeclarations", ())):
            _check_function(function, f"tools[{index}].function_declarations[{place}]", google)
            if function["name"] in names:
                raise GoogleRejection(f"Duplicate function declaration found: {function['name']}")
            names.append(function["name"])
    return names


def _check_function(function: dict[str, Any], where: str, google: Google) -> None:
    if not _NAME.match(function.get("name", "")):
        raise starred(
            f"{where}.name",
            "Invalid function name. Must start with a letter or an underscore. Must be alphanumeric (a-z, A-Z, 0-9), "
            "underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 128.",
        )
    for own, full in (("parameters", "parametersJsonSchema"), ("response", "responseJsonSchema")):
        if own in function and full in function:
            raise starred(where, f"{own} and {own}_json_schema are mutually exclusive")
        if own in function:
            check_schema(function[own], f"{where}.{own}", google.is_vertex)
        if full in function:
            check_json_schema(function[full], f"{where}.{own}_json_schema", must_be_object=own == "parameters")
    kind = function.get("parameters", {}).get("type", "OBJECT")
    if kind != "OBJECT":
        raise starred(f"{where}.parameters", "schema type should be OBJECT")
    if function.get("behavior", "UNSPECIFIED") != "UNSPECIFIED":
        raise starred(f"{where}.behavior", "only supported by BidiGenerateContent")


def _check_combination(request: dict[str, Any], config: dict[str, Any], model: Model) -> None:
    """What goes together: before Gemini 3, functions go with nothing else."""
    tools = request.get("tools", ())
    calls = any(tool.get("functionDeclarations") for tool in tools)
    searches = any(kind in tool for tool in tools for kind in _SEARCH)
    if not calls:
        return
    if "level" in model.thinking:
        if searches and not request.get("toolConfig", {}).get("includeServerSideToolInvocations"):
            raise GoogleRejection(
                "Please enable tool_config.include_server_side_tool_invocations to use Built-in tools with Function "
                "calling."
            )
        return
    if searches:
        raise GoogleRejection(
            "Built-in tools ({google_search}) and Function Calling cannot be combined in the same request. Please "
            "choose one or the other."
        )
    if (kind := config.get("responseMimeType") or "text/plain") != "text/plain":
        raise GoogleRejection(f"Function calling with a response mime type: '{kind}' is unsupported")


def _check_choice(config: dict[str, Any], declared: list[str]) -> None:
    mode, allowed = config.get("mode", "AUTO"), config.get("allowedFunctionNames", ())
    if mode in ("ANY", "VALIDATED") and not declared:
        raise GoogleRejection("Function calling config is set without function_declarations.")
    if allowed and mode not in ("ANY", "VALIDATED"):
        raise GoogleRejection("Please set allowed_function_names only when function calling mode is ANY.")
    where = "tool_config.function_calling_config.allowed_function_names"
    for name in allowed:
        if name not in declared:
            raise starred(where, f"allowed function name {name} is not in function_declarations")


def _check_safety(settings: Any) -> None:
    seen: set[str] = set()
    for index, setting in enumerate(settings):
        category = setting.get("category", "HARM_CATEGORY_UNSPECIFIED")
        if category not in _HARMS:
            harms = ", ".join(f"HarmCategory.{name}" for name in _HARMS[:5])
            raise starred(f"safety_settings[{index}]", f"element predicate failed: $.category in ({harms})")
        if setting.get("threshold", "HARM_BLOCK_THRESHOLD_UNSPECIFIED") == "HARM_BLOCK_THRESHOLD_UNSPECIFIED":
            raise starred(f"safety_settings[{index}].threshold", "threshold must be specified")
        if category in seen:
            raise starred("safety_settings", f"duplicate category {category}")
        seen.add(category)
