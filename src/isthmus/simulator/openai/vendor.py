"""OpenAI's manners, whichever of its dialects is spoken: keys, headers, the wording and shape of its errors, and its
list of models.
"""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.simulator.exchange import EPOCH_SECONDS, Answer, Exchange, Headers, Rejection, whole
from isthmus.simulator.models import Model, Vendor
from isthmus.simulator.recorded import RecordedRequest
from isthmus.simulator.seeds import hexadecimal
from isthmus.simulator.shape import Path, ShapeError

WRONG_KEY = "wrong-key"
_NAMES = {
    "str": "string",
    "int": "integer",
    "float": "decimal",
    "bool": "boolean",
    "array": "array",
    "object": "object",
    "null": "null",
}
_TROUBLES: dict[int, tuple[str, str, str]] = {
    400: ("The request was malformed.", "invalid_request_error", ""),
    401: ("Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
    402: ("Payment is required.", "invalid_request_error", "billing_not_active"),
    403: (
        "Country, region, or territory not supported",
        "request_forbidden",
        "unsupported_country_region_territory",
    ),
    404: ("The requested resource does not exist.", "invalid_request_error", "not_found"),
    408: ("The request timed out.", "server_error", "request_timeout"),
    409: ("The resource was changed by another request.", "invalid_request_error", "conflict"),
    413: ("The request is too large.", "invalid_request_error", "request_too_large"),
    422: ("The request was well-formed but cannot be followed.", "invalid_request_error", "unprocessable_entity"),
    429: ("Rate limit reached for requests. Please try again later.", "requests", "rate_limit_exceeded"),
    500: ("The server had an error while processing your request. Sorry about that!", "server_error", ""),
    503: ("The engine is currently overloaded, please try again later", "server_error", ""),
    504: ("The server took too long to answer.", "server_error", ""),
    529: ("The engine is currently overloaded, please try again later", "server_error", ""),
}
BAD_GATEWAY = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    b"<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
)


class OpenAI:
    name: Vendor = "openai"

    def authenticate(self, request: RecordedRequest) -> None:
        scheme, _, key = (request.header("authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise Rejection(
                "You didn't provide an API key. You need to provide your API key in an Authorization header using "
                "Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
                status=401,
            )
        if key == WRONG_KEY:
            raise Rejection(
                f"Incorrect API key provided: {key}. You can find your API key at "
                "https://platform.openai.com/account/api-keys.",
                status=401,
                code="invalid_api_key",
            )

    def headers(self, exchange: Exchange) -> Headers:
        return (
            ("x-request-id", hexadecimal(exchange.ids, "req_", 32)),
            ("openai-version", "2020-10-01"),
            ("openai-organization", "org-simulated"),
            ("openai-processing-ms", "12"),
            ("x-ratelimit-limit-requests", "10000"),
            ("x-ratelimit-limit-tokens", "2000000"),
            ("x-ratelimit-remaining-requests", "9999"),
            ("x-ratelimit-remaining-tokens", "1999000"),
            ("x-ratelimit-reset-requests", "6ms"),
            ("x-ratelimit-reset-tokens", "30ms"),
        )

    def rephrase(self, error: ShapeError) -> Rejection:
        where = dotted(error.path)
        if error.problem == "unknown":
            return Rejection(f"Unknown parameter: '{where}'.", param=where, code="unknown_parameter")
        if error.problem == "missing":
            return Rejection(f"Missing required parameter: '{where}'.", param=where, code="missing_required_parameter")
        if error.problem == "type":
            wanted = " or ".join(_named(name) for name in error.expected.split(" | ") if name != "null")
            message = f"Invalid type for '{where}': expected {wanted}, but got {_kind(error.value)} instead."
            return Rejection(message, param=where, code="invalid_type")
        if error.problem == "range":
            return _out_of_range(error, where)
        if error.problem == "length":
            return _wrong_length(error, where)
        if error.problem == "pattern":
            message = f"Invalid '{where}': string does not match pattern. Expected a string that matches the pattern "
            return Rejection(f"{message}'{error.expected}'.", param=where, code="invalid_value")
        return Rejection(f"Invalid value: '{error.value}'.", param=where, code="invalid_value")

    def trouble(self, exchange: Exchange) -> Rejection:
        fault = exchange.fault
        if fault.kind == "out_of_credit":
            message = "You exceeded your current quota, please check your plan and billing details."
            return Rejection(message, status=429, kind="insufficient_quota", code="insufficient_quota")
        status = fault.status or 500
        message, kind, code = _TROUBLES.get(status, _TROUBLES[500])
        return Rejection(message, status=status, kind=kind, code=code)

    def refuse(self, rejection: Rejection, exchange: Exchange) -> Answer:
        if rejection.status == 502:
            return Answer(status=502, headers=(("content-type", "text/html"),), body=BAD_GATEWAY)
        answer = whole(self, exchange, {"error": error_body(rejection)})
        headers = answer.headers
        if exchange.fault.retry_after is not None:
            headers += (("retry-after", str(exchange.fault.retry_after)),)
        return msgspec.structs.replace(answer, status=rejection.status, headers=headers)

    def list_models(self, exchange: Exchange) -> Answer:
        exchange.settle()
        names = sorted(name for vendor, name in exchange.world.models if vendor == self.name)
        rows = [{"id": name, "object": "model", "created": EPOCH_SECONDS, "owned_by": "system"} for name in names]
        return whole(self, exchange, {"object": "list", "data": rows})


OPENAI = OpenAI()


def error_body(rejection: Rejection) -> dict[str, Any]:
    return {
        "message": rejection.message,
        "type": rejection.kind,
        "param": rejection.param,
        "code": rejection.code,
    }


def known_model(exchange: Exchange, name: str) -> Model:
    model = exchange.world.models.get(("openai", name))
    if model is None:
        raise Rejection(
            f"The model `{name}` does not exist or you do not have access to it.", status=404, code="model_not_found"
        )
    return model


def conversing_model(exchange: Exchange, name: str, path: str) -> Model:
    """One that knows conversations; `path` is the endpoint's."""
    model = known_model(exchange, name)
    if model.completes:
        raise Rejection(
            f"This is not a chat model and thus not supported in the {path} endpoint. Did you mean to use "
            "v1/completions?",
            status=404,
            param="model",
        )
    return model


def completing_model(exchange: Exchange, name: str) -> Model:
    model = known_model(exchange, name)
    if not model.completes:
        raise Rejection(
            "This is a chat model and not supported in the v1/completions endpoint. Did you mean to use "
            "v1/chat/completions?",
            status=404,
            param="model",
        )
    return model


def dotted(path: Path) -> str:
    """`messages[0].content`, as OpenAI writes it."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _named(name: str) -> str:
    name = _NAMES.get(name, name)
    return name if name == "null" else f"an {name}" if name[0] in "aio" else f"a {name}"


def _kind(value: Any) -> str:
    names: dict[type, str] = {str: "str", bool: "bool", int: "int", float: "float", list: "array", dict: "object"}
    return _named(names.get(type(value), "null"))


def _out_of_range(error: ShapeError, where: str) -> Rejection:
    kind, comparison, bound = error.expected.split(" ")
    sort = "integer" if kind == "int" else "decimal"
    side, code = ("above maximum", "above_max") if comparison == "<=" else ("below minimum", "below_min")
    return Rejection(
        f"Invalid '{where}': {sort} {side} value. Expected a value {comparison} {bound}, but got {error.value} "
        "instead.",
        param=where,
        code=f"{sort}_{code}_value",
    )


def _wrong_length(error: ShapeError, where: str) -> Rejection:
    kind, comparison, bound = error.expected.split(" ")
    sort, wanted = _NAMES[kind], _named(kind)
    got = len(error.value) if error.value is not None else "more"
    if comparison == ">=":
        message = f"empty {sort}. Expected {wanted} with minimum length {bound}, but got an empty {sort} instead."
        code = f"empty_{sort}"
    elif kind == "object":
        message = (
            f"too many properties. Expected an object with at most {bound} properties, but got an object with {got} "
            "properties instead."
        )
        code = "object_above_max_properties"
    else:
        message = (
            f"{sort} too long. Expected {wanted} with maximum length {bound}, but got {wanted} with length {got} "
            "instead."
        )
        code = f"{sort}_above_max_length"
    return Rejection(f"Invalid '{where}': {message}", param=where, code=code)
