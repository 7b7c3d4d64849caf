"""Anthropic's manners: keys, versions, headers, the wording and shape of its errors, and its list of models."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.simulator.exchange import Answer, Exchange, Headers, Rejection, whole
from isthmus.simulator.models import Model, Vendor
from isthmus.simulator.recorded import RecordedRequest
from isthmus.simulator.seeds import identifier
from isthmus.simulator.shape import ShapeError

WRONG_KEY = "wrong-key"
NEWEST_VERSION = "2026-10-21"
VERSIONS = (NEWEST_VERSION, "2023-06-01", "2023-01-01")
_RESET = "2026-05-28T20:27:00Z"
_TYPES = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "array": "list",
    "object": "dictionary",
}
_TAGGED = frozenset({"messages", "system", "tools", "thinking", "tool_choice"})
_UNTAGGED = frozenset({"input_schema", "input", "cache_control"})
_COMPARISONS = {">=": "greater than or equal to", "<=": "less than or equal to", ">": "greater than", "<": "less than"}
_TROUBLES: dict[int, tuple[str, str]] = {
    400: ("invalid_request_error", "The request was malformed."),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "Your account has a billing problem."),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "The requested resource could not be found."),
    408: ("timeout_error", "Request timed out"),
    409: ("conflict_error", "The resource was changed by another request."),
    413: ("request_too_large", "Request exceeds the maximum size"),
    422: ("invalid_request_error", "The request was well-formed but cannot be followed."),
    429: (
        "rate_limit_error",
        "This request would exceed your organization's rate limit of 50 requests per minute. Please reduce the number "
        "of requests or try again later.",
    ),
    500: ("api_error", "Internal server error"),
    503: ("api_error", "Service unavailable"),
    504: ("timeout_error", "Request timed out"),
    529: ("overloaded_error", "Overloaded"),
}
_BAD_GATEWAY = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    b"<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
)


class Anthropic:
    name: Vendor = "anthropic"

    def authenticate(self, request: RecordedRequest) -> None:
        scheme, _, token = (request.header("authorization") or "").partition(" ")
        key = request.header("x-api-key") or (token.strip() if scheme.lower() == "bearer" else "")
        if not key:
            raise Rejection("x-api-key header is required", status=401, kind="authentication_error")
        if key == WRONG_KEY:
            raise Rejection("invalid x-api-key", status=401, kind="authentication_error")
        version = request.header("anthropic-version")
        if version is None:
            raise Rejection("anthropic-version: header is required")
        if version not in VERSIONS:
            raise Rejection(f'anthropic-version: "{version}" is not a valid version')

    def headers(self, exchange: Exchange) -> Headers:
        limits = (("requests", 4000, 3999), ("input-tokens", 2_000_000, 1_999_000), ("output-tokens", 400_000, 399_000))
        rows: list[tuple[str, str]] = [
            ("request-id", identifier(exchange.ids, "req_011", 21)),
            ("anthropic-organization-id", "00000000-0000-4000-8000-000000000000"),
        ]
        for name, limit, remaining in limits:
            rows.append((f"anthropic-ratelimit-{name}-limit", str(limit)))
            rows.append((f"anthropic-ratelimit-{name}-remaining", str(remaining)))
            rows.append((f"anthropic-ratelimit-{name}-reset", _RESET))
        return tuple(rows)

    def rephrase(self, error: ShapeError) -> Rejection:
        where = ".".join(map(str, error.path))
        return Rejection(f"{where}: {_complaint(error)}")

    def trouble(self, exchange: Exchange) -> Rejection:
        if exchange.fault.kind == "out_of_credit":
            return Rejection(
                "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade "
                "or purchase credits."
            )
        status = exchange.fault.status or 529
        kind, message = _TROUBLES.get(status, _TROUBLES[500])
        return Rejection(message, status=status, kind=kind)

    def refuse(self, rejection: Rejection, exchange: Exchange) -> Answer:
        if rejection.status == 502:
            return Answer(status=502, headers=(("content-type", "text/html"),), body=_BAD_GATEWAY)
        headers = (("content-type", "application/json"), *self.headers(exchange))
        body = error_body(rejection, dict(headers)["request-id"])
        if exchange.fault.retry_after is not None:
            headers += (("retry-after", str(exchange.fault.retry_after)),)
        if rejection.status == 429 or rejection.status >= 500:
            headers += (("x-should-retry", "true"),)
        return Answer(status=rejection.status, headers=headers, body=msgspec.json.encode(body))

    def list_models(self, exchange: Exchange) -> Answer:
        exchange.settle()
        known = {model.answers_as: model for (vendor, _), model in exchange.world.models.items() if vendor == self.name}
        rows = [_model_row(name, known[name]) for name in sorted(known)]
        body = {
            "data": rows,
            "has_more": False,
            "first_id": rows[0]["id"] if rows else None,
            "last_id": rows[-1]["id"] if rows else None,
        }
        return whole(self, exchange, body)


ANTHROPIC = Anthropic()


def error_body(rejection: Rejection, request_id: str) -> dict[str, Any]:
    return {
        "type": "error",
        "error": {"type": rejection.kind, "message": rejection.message},
        "request_id": request_id,
    }


def known_model(exchange: Exchange, name: str) -> Model:
    model = exchange.world.models.get(("anthropic", name))
    if model is None:
        raise Rejection(f"model: {name}", status=404, kind="not_found_error")
    return model


def tagged(error: ShapeError, raw: Any) -> ShapeError:
    """The same with the path as Anthropic writes it: with the `type` of each block it passes through."""
    path = error.path[:-1] if error.problem == "tag" else error.path
    steps: list[str | int] = []
    for position, step in enumerate(path):
        steps.append(step)
        raw = raw[step] if position < len(path) - 1 else None
        if path[0] in _TAGGED and isinstance(raw, dict) and not _UNTAGGED.intersection(steps):
            kind = raw.get("type", "custom" if steps[0] == "tools" else None)
            if isinstance(kind, str):
                steps.append(kind)
    return ShapeError(error.problem, tuple(steps), error.expected, error.value)


def _complaint(error: ShapeError) -> str:
    if error.problem == "unknown":
        return "Extra inputs are not permitted"
    if error.problem == "missing":
        return "Field required"
    if error.problem == "type":
        names = [_TYPES.get(name, name) for name in error.expected.split(" | ") if name != "null"]
        return f"Input should be a valid {' or '.join(names)}"
    if error.problem == "pattern":
        return f"String should match pattern '{error.expected}'"
    if error.problem == "tag":
        return f"Input tag {error.value!r} found using 'type' does not match any of the expected tags"
    if error.problem == "value":
        return f"Input {error.value!r} is not one of the permitted values"
    kind, comparison, bound = error.expected.split(" ")
    if error.problem == "range":
        return f"Input should be {_COMPARISONS[comparison]} {bound}"
    sort, unit = ("String", "character") if kind == "str" else ("List", "item")
    extent = "at least" if comparison == ">=" else "at most"
    return f"{sort} should have {extent} {bound} {unit}{'' if bound == '1' else 's'}"


def _model_row(name: str, model: Model) -> dict[str, Any]:
    return {
        "type": "model",
        "id": name,
        "display_name": name.replace("-", " ").title(),
        "created_at": "2026-01-01T00:00:00Z",
        "capabilities": None,
        "max_input_tokens": model.context_tokens,
        "max_tokens": model.max_output_tokens,
    }
