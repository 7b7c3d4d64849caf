"""AWS's manners at Bedrock: signatures and API keys, headers, the wording and shape of its errors, its names of models.

AWS passes over JSON members that it does not know; this simulator refuses them, in the words Bedrock has for unknown
model parameters, because what is passed over is lost without a sign.
"""

from __future__ import annotations

import types
import uuid
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from isthmus.simulator.bedrock.request import ConverseRequest, CountTokensRequest
from isthmus.simulator.bedrock.signature import check_signature
from isthmus.simulator.exchange import Answer, Exchange, Headers, Rejection
from isthmus.simulator.models import Model, Vendor
from isthmus.simulator.recorded import RecordedRequest
from isthmus.simulator.shape import Path, ShapeError

WRONG_KEY = "wrong-key"
ERROR_NAMESPACE = "http://internal.amazon.com/coral/com.amazon.bedrock/"
_THROTTLED = "Too many requests, please wait before trying again."
_TROUBLES: dict[int, tuple[str, str]] = {
    400: ("ValidationException", "The request was malformed."),
    401: ("UnrecognizedClientException", "The security token included in the request is invalid."),
    402: ("ServiceQuotaExceededException", "Your request exceeds the service quota for your account."),
    403: ("AccessDeniedException", "You don't have access to the model with the specified model ID."),
    404: ("ResourceNotFoundException", "Model not found."),
    408: ("ModelTimeoutException", "Model has timed out in processing the request. Try your request again."),
    409: ("ConflictException", "The resource was changed by another request."),
    413: ("RequestEntityTooLargeException", "The request is too large."),
    422: ("ValidationException", "The request was well-formed but cannot be followed."),
    424: ("ModelErrorException", "The model returned the following errors: internal error"),
    429: ("ThrottlingException", _THROTTLED),
    500: ("InternalServerException", "The system encountered an unexpected error during processing. Try again."),
    503: ("ServiceUnavailableException", "Bedrock is unable to process your request."),
}
_KINDS_OF_STATUS = {404: "UnknownOperationException", 413: "RequestEntityTooLargeException"}
_COMPARISONS = {">=": "greater than or equal to", "<=": "less than or equal to"}
_TYPES = {"str": "a String", "int": "an Integer", "float": "a Float", "bool": "a Boolean"}
_BAD_GATEWAY = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    b"</body>\r\n</html>\r\n"
)


class Bedrock:
    name: Vendor = "bedrock"

    def authenticate(self, request: RecordedRequest) -> None:
        scheme, _, key = (request.header("authorization") or "").partition(" ")
        if not scheme:
            raise Rejection("Missing Authentication Token", status=403, kind="MissingAuthenticationTokenException")
        if scheme.lower() != "bearer":
            check_signature(request)
        elif key.strip() in ("", WRONG_KEY):
            message = "Authentication failed: Please make sure your API Key is valid."
            raise Rejection(message, status=403, kind="AccessDeniedException")

    def headers(self, exchange: Exchange) -> Headers:
        return (("x-amzn-requestid", str(uuid.UUID(int=exchange.ids.getrandbits(128), version=4))),)

    def rephrase(self, error: ShapeError) -> Rejection:
        if error.problem == "unknown":
            where = "/".join(("#", *map(str, error.path[:-1])))
            return refused(
                f"Malformed input request: {where}: extraneous key [{error.path[-1]}] is not permitted, please "
                "reformat your input and try again."
            )
        if error.problem == "type" and error.value is not None:
            return Rejection(_misfit(error), kind="SerializationException")
        where = "".join(f".{step + 1}.member" if isinstance(step, int) else f".{step}" for step in error.path)
        value = f"Value '{error.value}'" if isinstance(error.value, str | int | float) else "Value"
        return refused(
            f"1 validation error detected: {value} at '{where.removeprefix('.')}' failed to satisfy constraint: "
            f"{_constraint(error)}"
        )

    def trouble(self, exchange: Exchange) -> Rejection:
        if exchange.fault.kind == "out_of_credit":
            message = "Too many tokens per day, please wait before trying again."
            return Rejection(message, status=429, kind="ThrottlingException")
        status = exchange.fault.status or 503
        kind, message = _TROUBLES.get(status, _TROUBLES[503])
        return Rejection(message, status=status, kind=kind)

    def refuse(self, rejection: Rejection, exchange: Exchange) -> Answer:
        if rejection.status == 502:
            return Answer(status=502, headers=(("content-type", "text/html"),), body=_BAD_GATEWAY)
        kind = error_kind(rejection)
        headers: Headers = (
            ("content-type", "application/json"),
            *self.headers(exchange),
            ("x-amzn-errortype", f"{kind}:{ERROR_NAMESPACE}"),
        )
        if exchange.fault.retry_after is not None:
            headers += (("retry-after", str(exchange.fault.retry_after)),)
        return Answer(status=rejection.status, headers=headers, body=msgspec.json.encode(error_body(rejection)))

    def list_models(self, exchange: Exchange) -> Answer:
        """That list is another service's."""
        raise Rejection("Unknown operation", status=404)


BEDROCK = Bedrock()


def refused(message: str) -> Rejection:
    return Rejection(message, kind="ValidationException")


def error_kind(rejection: Rejection) -> str:
    if rejection.kind != "invalid_request_error":
        return rejection.kind
    return _KINDS_OF_STATUS.get(rejection.status, "ValidationException")


def error_body(rejection: Rejection) -> dict[str, Any]:
    body: dict[str, Any] = {"message": rejection.message}
    if error_kind(rejection) == "ModelErrorException":
        body |= {"originalStatusCode": 500, "resourceName": "model"}
    return body


def known_model(exchange: Exchange, name: str) -> Model:
    """Of a bare name or an ARN; the catalogue has models under their own names and those of their profiles."""
    if name.startswith("arn:") and ":imported-model/" in name:
        message = "Model is not ready for inference. Wait and try your request again."
        raise Rejection(message, status=429, kind="ModelNotReadyException")
    model = exchange.world.models.get(("bedrock", bare_name(name)))
    if model is None:
        raise refused("The provided model identifier is invalid.")
    return model


def bare_name(name: str) -> str:
    return name.rpartition("/")[2] if name.startswith("arn:") else name


def _misfit(error: ShapeError) -> str:
    value = error.value
    if isinstance(value, dict):
        return "Start of structure or map found where not expected."
    if isinstance(value, list):
        return "Start of list found where not expected"
    token = "STRING" if isinstance(value, str) else str(value).upper() if isinstance(value, bool) else "NUMBER"
    return f"{token}_VALUE can not be converted to {_TYPES.get(error.expected.split(' | ')[0], 'a structure or list')}"


def _constraint(error: ShapeError) -> str:
    if error.problem in ("missing", "type"):
        return "Member must not be null"
    if error.problem == "value":
        return f"Member must satisfy enum value set: [{', '.join(_permitted(error.path))}]"
    if error.problem == "pattern":
        return f"Member must satisfy regular expression pattern: {error.expected[1:].removesuffix(chr(92) + 'Z')}"
    if error.problem == "range":
        _, comparison, bound = error.expected.split(" ")
        return f"Member must have value {_COMPARISONS[comparison]} {bound}"
    if error.problem == "length":
        _, comparison, bound = error.expected.split(" ")
        return f"Member must have length {_COMPARISONS[comparison]} {bound}"
    return error.expected


def _permitted(path: Path) -> tuple[str, ...]:
    """The values of the enumeration that a path leads to."""
    hint: Any = CountTokensRequest if path[0] == "input" else ConverseRequest
    for step in path:
        hint = _plain(get_args(hint)[0] if isinstance(step, int) else get_type_hints(hint, include_extras=True)[step])
    return get_args(hint) if get_origin(hint) is Literal else ()


def _plain(hint: Any) -> Any:
    """Without what is only about it: `Annotated`, `| None`."""
    while get_origin(hint) in (Annotated, Union, types.UnionType):
        hint = get_args(hint)[0]
    return hint
