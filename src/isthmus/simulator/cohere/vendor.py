"""Cohere's manners: keys, headers, the wording and shape of its errors."""

from __future__ import annotations

import uuid

import msgspec

from isthmus.simulator.exchange import Answer, Exchange, Headers, Rejection
from isthmus.simulator.models import Model, Vendor
from isthmus.simulator.recorded import RecordedRequest
from isthmus.simulator.shape import ShapeError

WRONG_KEY = "wrong-key"
_REFERENCE = "For proper usage, please refer to https://docs.cohere.com/v2/reference/chat"
_TROUBLES: dict[int, str] = {
    400: "invalid request: the request was malformed",
    401: "invalid api token",
    402: "Please add or update your payment method at https://dashboard.cohere.com/billing?tab=payment to continue",
    403: "the API token does not have the permission to do this",
    404: "the requested resource was not found",
    408: "request timed out",
    409: "the resource was changed by another request",
    413: "the request is too large",
    422: "the request was well-formed but cannot be followed",
    424: "a dependency of the request failed",
    429: "too many requests, please wait and try again later",
    498: "request was blocked because it may violate the usage guidelines",
    500: "internal server error, this has been reported to our developers",
    503: "service unavailable, please try again later",
    504: "the server took too long to answer",
    529: "the server is overloaded, please try again later",
}
_TYPES = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "array": "array",
    "object": "object",
    "null": "null",
}
_NAMES: dict[type, str] = {str: "string", int: "integer", float: "number", bool: "boolean", list: "array"}
_COMPARISONS = {">=": "at least", "<=": "at most"}
_BAD_GATEWAY = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    b"</body>\r\n</html>\r\n"
)


class Cohere:
    name: Vendor = "cohere"

    def authenticate(self, request: RecordedRequest) -> None:
        scheme, _, key = (request.header("authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise Rejection("no api key supplied", status=401)
        if key.strip() == WRONG_KEY:
            raise Rejection("invalid api token", status=401)

    def headers(self, exchange: Exchange) -> Headers:
        return (("x-debug-trace-id", f"{exchange.ids.getrandbits(128):032x}"),)

    def rephrase(self, error: ShapeError) -> Rejection:
        """Unknown fields and wrong types are 422, wrong values 400."""
        where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.path).removeprefix(".")
        if error.problem == "unknown":
            message = f"unknown field: parameter '{error.path[-1]}' is not a valid field. {_REFERENCE}"
            return Rejection(message, status=422)
        if error.problem == "type":
            wanted = " or ".join(_TYPES.get(name, name) for name in error.expected.split(" | ") if name != "null")
            given = "null" if error.value is None else _NAMES.get(type(error.value), "object")
            message = f"invalid type: parameter '{where}' is of type {given} but should be of type {wanted}."
            return Rejection(f"{message} {_REFERENCE}", status=422)
        return Rejection(f"invalid request: {_complaint(error, where)}")

    def trouble(self, exchange: Exchange) -> Rejection:
        if exchange.fault.kind == "out_of_credit":
            return Rejection(_TROUBLES[402], status=402)
        status = exchange.fault.status or 500
        return Rejection(_TROUBLES.get(status, _TROUBLES[500]), status=status)

    def refuse(self, rejection: Rejection, exchange: Exchange) -> Answer:
        if rejection.status == 502:
            return Answer(status=502, headers=(("content-type", "text/html"),), body=_BAD_GATEWAY)
        headers = (("content-type", "application/json"), *self.headers(exchange))
        if exchange.fault.retry_after is not None:
            headers += (("retry-after", str(exchange.fault.retry_after)),)
        body = msgspec.json.encode({"id": identity(exchange), "message": rejection.message})
        return Answer(status=rejection.status, headers=headers, body=body)

    def list_models(self, exchange: Exchange) -> Answer:
        """Cohere's list has a form of its own, at an address that is OpenAI's here."""
        raise Rejection("the requested resource was not found", status=404)


COHERE = Cohere()


def identity(exchange: Exchange) -> str:
    return str(uuid.UUID(int=exchange.ids.getrandbits(128), version=4))


def known_model(exchange: Exchange, name: str) -> Model:
    model = exchange.world.models.get(("cohere", name))
    if model is None:
        message = "not found, make sure the correct model ID was used and that you have access to the model."
        raise Rejection(f"model '{name}' {message}", status=404)
    return model


def _complaint(error: ShapeError, where: str) -> str:
    if error.problem == "missing":
        return f"parameter '{where}' is required"
    if error.problem in ("value", "tag"):
        return f"parameter '{where}' has an invalid value: {error.value!r}"
    _, comparison, bound = error.expected.split(" ")
    kind = "items" if error.problem == "length" else "in value"
    return f"parameter '{where}' must be {_COMPARISONS[comparison]} {bound} {kind}"
