"""Reads the body, once and within its limit, and finds in it what routing wants to know: model, dialect, stream."""

from __future__ import annotations

from urllib.parse import parse_qsl

import msgspec

from isthmus.core.call import Address, Call
from isthmus.core.reply import Reply
from isthmus.core.stage import Handler, Stage
from isthmus.data_plane.options.body import run_layer
from isthmus.data_plane.options.headers import Layer, read_layers, set_options
from isthmus.errors import InvalidRequest
from isthmus.policies.choose_gateway import Choose
from isthmus.wire.body import Body
from isthmus.wire.embeddings.registry import CALLERS as EMBEDDINGS
from isthmus.wire.embeddings.run import run_dialect

MODEL_MAX_CHARACTERS = 256
_JSON = (b"application/json", b"text/json")
_NAMELESS = ("workers_ai", "workers_ai_embeddings", "gemini")


def read_request(log_body_bytes: int, bypass_platform_models: bool, choose: Choose | None) -> Stage:
    """`bypass_platform_models`: a `@cf/` model without a gateway header runs plainly, with no row (data-plane 3.1).
    `choose` gives the call the gateway that its body names; None: no body can."""

    async def stage(call: Call, call_next: Handler) -> Reply:
        assert call.incoming is not None
        _check_framing(call)
        data = await call.incoming.whole()
        call.request_size = len(data)
        call.sent = data[:log_body_bytes]
        _check_type(call)
        body = Body(data)
        if call.endpoint.dialect is None:
            if choose is not None and call.address.model is None:
                await _take_options(call, body, choose)
            body = _unwrapped(call, body)
        else:
            call.model = _whole_name(call.address, body)
        call.body = body
        call.stream = _stream(body) if call.endpoint.streams is None else call.endpoint.streams
        if call.dialect is None:
            call.dialect = run_dialect(call.model, body) or _run_dialect(call.model, body)
            if call.dialect in EMBEDDINGS:
                call.model_type = "Text Embeddings"
            if call.dialect not in _NAMELESS and "model" not in body:
                body = call.body = Body(body.changed({"model": msgspec.json.encode(call.model)}))
        _check_messages(body)
        if bypass_platform_models and call.options.gateway_id is None and call.model.startswith("@"):
            call.gateway = None
        return await call_next(call)

    return stage


def _check_framing(call: Call) -> None:
    """Raises `InvalidRequest` where the address asks for a stream that is framed in another way than ours are."""
    if call.endpoint.streams and dict(parse_qsl(call.query.decode("latin-1"))).get("alt") != "sse":
        raise InvalidRequest("Streams are server-sent events here: add `?alt=sse` to the address.", param="alt")


def _check_type(call: Call) -> None:
    content_type = call.headers.get(b"content-type", b"application/json")
    if content_type != b"application/json" and content_type.partition(b";")[0].strip().lower() not in _JSON:
        raise InvalidRequest("Send the body as JSON, with `content-type: application/json`.", status=415)
    encoding = call.headers.get(b"content-encoding")
    if encoding is not None and encoding.lower() != b"identity":
        raise InvalidRequest("Send the body without a content-encoding.", status=415)


def _model(body: Body) -> str:
    model = body.value("model")
    if model is None:
        raise InvalidRequest("`model` is required.", code=7001, param="model")
    return _named(model)


def _whole_name(address: Address, body: Body) -> str:
    """The path's word before the body's. A bare name is the address's own author's, where it has one."""
    name = _model(body) if address.model is None else _named(address.model)
    return name if address.author is None or "/" in name or name.startswith("@") else f"{address.author}/{name}"


def _named(model: object) -> str:
    if not isinstance(model, str) or not model:
        raise InvalidRequest("`model` must be a string such as openai/gpt-5.5.", code=7001, param="model")
    if len(model) > MODEL_MAX_CHARACTERS:
        raise InvalidRequest(f"`model` is longer than {MODEL_MAX_CHARACTERS} characters.", code=7001, param="model")
    return model


def _stream(body: Body) -> bool:
    stream = body.value("stream") if "stream" in body.fields else None
    if stream is not None and not isinstance(stream, bool):
        raise InvalidRequest("`stream` must be true or false.", code=7001, param="stream")
    return bool(stream)


async def _take_options(call: Call, body: Body, choose: Choose) -> None:
    """`options` of `/ai/run`: first of all in the body, since they say whose row it is. Headers go before them."""
    given = body.fields.get("options")
    if given is not None:
        named = call.options.gateway_id
        try:
            layer = run_layer(bytes(given))
        except (msgspec.DecodeError, RecursionError):
            raise InvalidRequest("`options` is not valid JSON.", param="options") from None
        set_options(call, read_layers(Layer(call.headers), layer))
        if call.options.gateway_id != named:
            call.gateway = None
    if call.gateway is None:
        await choose(call)


def _unwrapped(call: Call, body: Body) -> Body:
    """`/ai/run`: with the model in the path the body is the model's input; without, `{model, input, options}`."""
    if call.address.model is not None:
        call.model = _named(call.address.model)
        return body
    call.model = _model(body)
    given = body.fields.get("input")
    if given is None:
        raise InvalidRequest("`input` is required: the model's own input, an object.", code=7001, param="input")
    if bytes(memoryview(given)[:1]) != b"{":
        raise InvalidRequest("`input` must be an object.", code=7001, param="input")
    inner = Body(bytes(given))
    if "stream" in body and "stream" not in inner:
        inner = Body(inner.changed({"stream": bytes(body.fields["stream"])}))
    return inner


def _run_dialect(model: str, body: Body) -> str:
    """What an `/ai/run` model speaks (data-plane 4.2): Anthropic's its own messages, platform models the native form,
    others chat; all but Anthropic's take a Responses `input` or Google's `contents`. A bare text to go on from has the
    native form only."""
    lower = model.lower()
    if bytes(memoryview(body.fields.get("prompt", msgspec.Raw()))[:1]) == b'"' and "messages" not in body:
        return "workers_ai"
    if lower.startswith("anthropic/"):
        return "anthropic_messages"
    if "input" in body and "messages" not in body and "prompt" not in body:
        return "openai_responses"
    if "contents" in body and "messages" not in body:
        return "gemini"
    return "workers_ai" if lower.startswith("@") else "openai_chat"


def _check_messages(body: Body) -> None:
    messages = body.fields.get("messages")
    if messages is not None and len(memoryview(messages)) < 8 and body.value("messages") == []:
        raise InvalidRequest("`messages` must hold at least one message.", code=7001, param="messages")
