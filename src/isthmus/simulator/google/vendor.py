"""Google's manners, in AI Studio (API keys) and in Vertex AI (access tokens): headers, the wording and shape of errors,
the list of models.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import msgspec

from isthmus.simulator.exchange import Answer, Exchange, Headers, Rejection
from isthmus.simulator.google.errors import GoogleRejection, detail, error_body
from isthmus.simulator.google.messages import STUDIO as STUDIO_MESSAGES
from isthmus.simulator.google.proto import Package
from isthmus.simulator.google.vertex_messages import VERTEX as VERTEX_MESSAGES
from isthmus.simulator.models import Model, Vendor
from isthmus.simulator.recorded import RecordedRequest
from isthmus.simulator.shape import ShapeError

WRONG_KEY = "wrong-key"
PUBLISHED = "/v1/projects/{project}/locations/{location}/publishers/google/models/"
_METHODS = ("generateContent", "countTokens", "createCachedContent", "batchGenerateContent")
_JSON = ("content-type", "application/json; charset=UTF-8")
_SERVICE = {"service": "generativelanguage.googleapis.com"}
_QUOTA_METRIC = "generativelanguage.googleapis.com/generate_content_paid_tier_requests"
_TROUBLES: dict[int, str] = {
    400: "Request contains an invalid argument.",
    401: "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
    402: "Billing is not enabled for this project.",
    403: "The caller does not have permission",
    404: "Requested entity was not found.",
    408: "The request timed out.",
    409: "The operation was aborted.",
    413: "Request payload size exceeds the limit: 20971520 bytes.",
    422: "Request contains an invalid argument.",
    429: "Resource has been exhausted (e.g. check quota).",
    500: "An internal error has occurred. Please retry or report in "
    "https://developers.generativeai.google/guide/troubleshooting",
    503: "The model is overloaded. Please try again later.",
    504: "Deadline expired before operation could complete.",
    529: "The model is overloaded. Please try again later.",
}
_BAD_GATEWAY = (
    b"<!DOCTYPE html>\n<html lang=en>\n  <meta charset=utf-8>\n  <title>Error 502 (Server Error)!!1</title>\n  <p>"
    b"<b>502.</b> <ins>That\xe2\x80\x99s an error.</ins>\n  <p>The server encountered a temporary error and could not "
    b"complete your request.<p>Please try again in 30 seconds. <ins>That\xe2\x80\x99s all we know.</ins>\n"
)


class Google:
    """`is_vertex` tells the two apart; `package` is what each reads."""

    name: Vendor = "google"

    def __init__(self, is_vertex: bool, package: Package) -> None:
        self.is_vertex = is_vertex
        self.package = package

    def authenticate(self, request: RecordedRequest) -> None:
        key = self._token(request) if self.is_vertex else _api_key(request)
        if key is None:
            raise _no_token() if self.is_vertex else _no_key()
        if key == WRONG_KEY:
            raise _wrong_token() if self.is_vertex else _wrong_key()

    def _token(self, request: RecordedRequest) -> str | None:
        scheme, _, token = (request.header("authorization") or "").partition(" ")
        return token.strip() or None if scheme.lower() == "bearer" else None

    def headers(self, exchange: Exchange) -> Headers:
        return (
            ("vary", "Origin, X-Origin, Referer"),
            ("server", "scaffolding on HTTPServer2"),
            ("server-timing", "gfet4t7; dur=12"),
            ("x-xss-protection", "0"),
            ("x-frame-options", "SAMEORIGIN"),
            ("x-content-type-options", "nosniff"),
        )

    def rephrase(self, error: ShapeError) -> Rejection:
        """Google's messages are read by `proto`, which has Google's own words."""
        return GoogleRejection(f"Invalid value at '{'.'.join(map(str, error.path))}'")

    def trouble(self, exchange: Exchange) -> Rejection:
        fault = exchange.fault
        if fault.kind == "out_of_credit":
            message = "Your prepayment credits are depleted. Please go to AI Studio at https://ai.studio/projects to "
            return GoogleRejection(f"{message}manage your project and billing.", status=429)
        status = fault.status or 500
        details: list[dict[str, Any]] = []
        if status == 429 and not self.is_vertex:
            violation = {"quotaMetric": _QUOTA_METRIC, "quotaId": "GenerateRequestsPerMinutePerProjectPerModel"}
            details.append(detail("QuotaFailure", violations=[violation]))
            if fault.retry_after is not None:
                details.append(detail("RetryInfo", retryDelay=f"{fault.retry_after}s"))
        return GoogleRejection(_TROUBLES.get(status, _TROUBLES[500]), status=status, details=details)

    def refuse(self, rejection: Rejection, exchange: Exchange) -> Answer:
        """What would have been a list of answers is a list with an error in it."""
        if rejection.status == 502:
            return Answer(status=502, headers=(("content-type", "text/html; charset=UTF-8"),), body=_BAD_GATEWAY)
        body = error_body(rejection)
        is_list = exchange.request.path.endswith(":streamGenerateContent") and not asks_for_sse(exchange.request)
        headers = (_JSON, *self.headers(exchange))
        if exchange.fault.retry_after is not None and (self.is_vertex or rejection.status != 429):
            headers += (("retry-after", str(exchange.fault.retry_after)),)
        return Answer(status=rejection.status, headers=headers, body=pretty([body] if is_list else body))

    def list_models(self, exchange: Exchange) -> Answer:
        exchange.settle()
        names = sorted(name for vendor, name in exchange.world.models if vendor == self.name)
        rows = [_model_row(exchange.world.models["google", name]) for name in names]
        return self.whole(exchange, {"models": rows})

    def get_model(self, exchange: Exchange) -> Answer:
        exchange.settle()
        return self.whole(exchange, _model_row(self.known_model(exchange)))

    def known_model(self, exchange: Exchange) -> Model:
        name = exchange.path_values["model"]
        model = exchange.world.models.get(("google", name))
        if model is not None:
            return model
        if self.is_vertex:
            place = exchange.path_values
            full = f"projects/{place['project']}/locations/{place['location']}/publishers/google/models/{name}"
            raise GoogleRejection(
                f"Publisher Model `{full}` was not found or your project does not have access to it. Please ensure "
                "you are using a valid model version. For more information, see: "
                "https://cloud.google.com/vertex-ai/generative-ai/docs/learn/model-versions",
                status=404,
            )
        version = "v1beta" if "/v1beta/" in exchange.request.path else "v1"
        raise GoogleRejection(
            f"models/{name} is not found for API version {version}, or is not supported for generateContent. Call "
            "ListModels to see the list of available models and their supported methods.",
            status=404,
        )

    def whole(self, exchange: Exchange, body: Any) -> Answer:
        return Answer(headers=(_JSON, *self.headers(exchange)), body=pretty(body))


STUDIO = Google(is_vertex=False, package=STUDIO_MESSAGES)
VERTEX = Google(is_vertex=True, package=VERTEX_MESSAGES)


def of(exchange: Exchange) -> Google:
    return VERTEX if "project" in exchange.path_values else STUDIO


def pretty(body: Any) -> bytes:
    """Google indents what it does not stream."""
    return msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n"


def asks_for_sse(request: RecordedRequest) -> bool:
    return parse_qs(request.query).get("alt", ["json"])[-1] == "sse"


def _api_key(request: RecordedRequest) -> str | None:
    return request.header("x-goog-api-key") or parse_qs(request.query).get("key", [None])[-1]


def _no_key() -> GoogleRejection:
    return GoogleRejection(
        "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or "
        "other form of API consumer identity to call this API.",
        status=403,
    )


def _wrong_key() -> GoogleRejection:
    message = "API key not valid. Please pass a valid API key."
    details = [
        detail("ErrorInfo", reason="API_KEY_INVALID", domain="googleapis.com", metadata=_SERVICE),
        detail("LocalizedMessage", locale="en-US", message=message),
    ]
    return GoogleRejection(message, status=400, details=details)


def _no_token() -> GoogleRejection:
    message = "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or "
    info = detail("ErrorInfo", reason="CREDENTIALS_MISSING", domain="googleapis.com")
    return GoogleRejection(f"{message}other valid authentication credential.", status=401, details=[info])


def _wrong_token() -> GoogleRejection:
    info = detail("ErrorInfo", reason="ACCESS_TOKEN_TYPE_UNSUPPORTED", domain="googleapis.com")
    return GoogleRejection(_TROUBLES[401], status=401, details=[info])


def _model_row(model: Model) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": f"models/{model.name}",
        "version": "001",
        "displayName": model.name.replace("-", " ").title(),
        "description": "Simulated.",
        "inputTokenLimit": model.context_tokens,
        "outputTokenLimit": model.max_output_tokens,
        "supportedGenerationMethods": list(_METHODS),
        "temperature": 1,
        "topP": 0.95,
        "topK": 64,
        "maxTemperature": 2,
    }
    return {**row, "thinking": True} if model.thinking else row
