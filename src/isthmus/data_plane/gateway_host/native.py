"""A provider's own API, passed through (data-plane 7.1): any method, path, query string and body."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

import msgspec

from isthmus.core.attempt import Headers, Target
from isthmus.core.call import Call, Incoming
from isthmus.core.native import Known, NativeAsked, NativePlace
from isthmus.core.reply import Reply
from isthmus.core.stage import Stage, compose
from isthmus.data_plane.caching.native_key import fingerprint
from isthmus.data_plane.gateway_host.address import check_path, check_query, check_target_url
from isthmus.data_plane.gateway_host.answer import Answers
from isthmus.data_plane.gateway_host.headers import (
    FOR_OWN_KEYS,
    Line,
    key_in_query,
    own_key,
    query_to_provider,
    to_provider,
)
from isthmus.data_plane.gateway_host.upload import Upload, Uploads, is_json
from isthmus.data_plane.outbound.sender import Sender
from isthmus.errors import Forbidden, InvalidRequest
from isthmus.policies.admit import check_credential
from isthmus.policies.authenticate import check_model
from isthmus.transport.protocol import UpstreamRequest
from isthmus.wire.body import Body
from isthmus.wire.protocol import Dialect

MODEL_MAX_CHARACTERS = 256
IDENTITY = (b"accept-encoding", b"identity")

_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

PlatformKeys = Literal["known", "all"]

# What a row calls a native request whose path is known.
_REQUEST_TYPES: Mapping[str, str] = {
    "openai_chat": "chat.completions",
    "openai_responses": "responses",
    "openai_completions": "completions",
    "anthropic_messages": "messages",
    "gemini": "generate_content",
    "bedrock_converse": "converse",
    "cohere_chat": "chat",
}


class NativeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a provider in its own words: by a call's own address, or by a step of the universal endpoint.

    `provider`: its slug (`openai`, `custom-SLUG`). `rest`: the path below it as it was sent, percent signs and all,
    with no slash in front and no query string. `query`: as it was sent, without its question mark. `lines`: the header
    lines as the caller sent them, names in lower case; what no provider may see is taken out here, whoever built the
    list. `body`: bytes that are here already, or the call's `incoming`, which is read once at most.
    """

    provider: str
    rest: str
    query: bytes = b""
    method: str = "POST"
    lines: Sequence[Line] = ()
    body: bytes | Incoming = b""


class NativeLimits(msgspec.Struct, frozen=True, kw_only=True):
    """`body_max_bytes`: the longest body that is read. `platform_keys` "all": the installation's keys open every path,
    not only those that keep nothing."""

    body_max_bytes: int = 32 * 1024 * 1024
    log_body_bytes: int = 256 * 1024
    platform_keys: PlatformKeys = "known"


class Native:
    """One a process; it holds nothing of a call."""

    def __init__(self, sender: Sender, dialects: Mapping[str, Dialect], limits: NativeLimits) -> None:
        self._sender = sender
        self._dialects = dialects
        self._answers = Answers(dialects)
        self._uploads = Uploads(limits.body_max_bytes, limits.log_body_bytes)
        self._all_paths = limits.platform_keys == "all"
        self._policies: tuple[Stage, ...] = ()

    def behind(self, policies: tuple[Stage, ...]) -> Native:
        """The same, where each request has these to pass once it is known who is asked for what."""
        other = copy.copy(self)
        other._policies = policies
        return other

    async def __call__(self, call: Call) -> Reply:
        """The handler of native addresses: the call's own path, lines and body."""
        assert call.incoming is not None
        request = NativeRequest(
            provider=call.address.provider,
            rest=call.address.rest,
            query=call.query,
            method=call.method,
            lines=call.lines,
            body=call.incoming,
        )
        return await self.send(call, request)

    async def send(self, call: Call, request: NativeRequest) -> Reply:
        """One try, as far as the provider's first bytes. The provider's own answer comes back as a reply whatever its
        status (4xx, 5xx too: the caller of this looks at `reply.status`, and closes a reply that it leaves). Raises
        `GatewayError` where there is none: `InvalidRequest` (an address that cannot be meant, 2008 for an unknown
        provider, no credential), `Forbidden` (a token bound to other models, a path that the installation's key is not
        used for), `TimedOut`, `Unavailable` (nothing reached; the installation's key refused, as 503).

        Sets what the row wants: `call.target`, `own_key`, `dialect`, `model`, `stream`, `body`, `sent`, `request_size`,
        for this request alone: whoever tries again clears the call before (`universal`). `provider` "workers-ai" and
        "compat" are not providers here: they are this gateway's own, and answered by its own handlers
        (`routes.find_older` finds them).
        """
        asked = _asked(request)
        lines = to_provider(request.lines, call.snapshot)
        query = query_to_provider(request.query, call.snapshot)
        place = call.snapshot.models_of(call.account_id).native(asked)
        call.target = Target(provider=place.provider, model="", name="", dialect="", author_name=place.provider)
        call.own_key = own_key(lines, place.key_header)
        if call.own_key is None and place.provider in GOOGLE:
            call.own_key = key_in_query(query)
        self._check(call, place)
        signs = place.sign if call.own_key is None else None
        readable = place.known is not None and is_json(lines)
        upload = await self._uploads(call, request.body, whole=signs is not None, read=readable)
        known = self._read(call, place, upload) if readable else None
        _check_models(call, place)
        upstream = UpstreamRequest(
            method=request.method,
            url=_url(place.url, query),
            headers=_headers(call, place, lines, plain=known is not None),
            body=upload.body,
            body_bytes=upload.length,
            allow_private_address=place.allow_private_address,
        )
        call.fingerprint = partial(fingerprint, call, place, upstream)

        async def exchange(call: Call) -> Reply:
            response = await self._sender.native(call, upstream, signs, place.provider)
            try:
                call.first_byte_at = time.monotonic()
                return await self._answers(call, response, place, known, request.method == "HEAD")
            except BaseException:
                await response.aclose()
                raise

        return await compose(self._policies, exchange)(call)

    def _check(self, call: Call, place: NativePlace) -> None:
        """Raises `InvalidRequest` where there is nothing to call the provider with, `Forbidden` where what there is is
        not for this path."""
        check_credential(call)
        if place.unreachable is not None:
            raise InvalidRequest(place.unreachable)
        if call.token is None and place.keyless:
            raise InvalidRequest(
                f"The provider {place.provider} is this installation's own server: send a token of this account in "
                "cf-aig-authorization."
            )
        if call.own_key is not None:
            return
        if place.closed is not None:
            raise InvalidRequest(place.closed)
        if place.guarded and not (place.open or self._all_paths):
            raise Forbidden(
                "This installation's key is used only where the provider keeps nothing that another caller could see: "
                "send a key of your own for this path. Its operator can set platform_keys_native to `all`, where all "
                "who have a token may see one another's files and jobs."
            )

    def _read(self, call: Call, place: NativePlace, upload: Upload) -> Known | None:
        """What a known path's request says of itself; None where it is none that could be read. Raises
        `InvalidRequest` where two could read it in two ways: limits and tokens go by what it names."""
        known = place.known
        if known is None or not isinstance(upload.body, bytes):
            return None
        try:
            body = Body(upload.body)
            model = known.model or body.value("model")
            stream = known.streams if known.streams is not None else body.value("stream") is True
        except InvalidRequest:
            if _is_object(upload.body):
                raise
            return None  # the provider's to refuse
        call.body, call.stream = body, stream
        if isinstance(model, str) and 0 < len(model) <= MODEL_MAX_CHARACTERS:
            name, author_name = place.name(model)
            call.model = f"{place.provider}/{model}"
            call.target = Target(
                provider=place.provider, model=model, name=name, dialect=known.dialect, author_name=author_name
            )
        if known.counts or known.embeds:
            _call_it(call, "count_tokens" if known.counts else "embeddings")
            call.endpoint = msgspec.structs.replace(call.endpoint, counts=known.counts)
        else:
            call.dialect = self._dialects[known.dialect].name
            _call_it(call, _REQUEST_TYPES.get(call.dialect, "native"))
        return known


def _is_object(body: bytes) -> bool:
    try:
        _decode_object(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _asked(request: NativeRequest) -> NativeAsked:
    """Raises `InvalidRequest` for an address that cannot be passed on."""
    check_query(request.query)
    target_url = next((value for name, value in request.lines if name == b"x-fal-target-url"), None)
    if target_url is not None and request.provider == FAL:
        check_target_url(target_url.decode("latin-1"))
    else:
        target_url = None
    if request.rest or target_url is None:
        check_path(request.rest)
    return NativeAsked(
        provider=request.provider,
        method=request.method,
        rest=request.rest,
        target_url=None if target_url is None else target_url.decode("latin-1"),
    )


def _call_it(call: Call, request_type: str) -> None:
    if call.endpoint.request_type == NATIVE:
        call.endpoint = msgspec.structs.replace(call.endpoint, request_type=request_type)


def _check_models(call: Call, place: NativePlace) -> None:
    """Raises `Forbidden` where the token is bound to models, and this may be another."""
    if call.token is None or call.token.models is None:
        return
    target = call.target
    if target is None or not target.name or place.known is None:
        raise Forbidden("This token is bound to models, and this path names none that could be known.", param="model")
    check_model(call.token, target.name, target.author_name, call.model)


def _url(url: str, query: bytes) -> str:
    if not query:
        return url
    return f"{url}{'&' if '?' in url else '?'}{query.decode('latin-1')}"


def _headers(call: Call, place: NativePlace, lines: Sequence[Line], *, plain: bool) -> Headers:
    """What goes to the provider: the caller's lines, then ours. `plain`: the answer is to be read."""
    added: list[Line] = []
    if call.own_key is None:
        added = [*place.declared, *place.credential]
    elif call.token is not None:
        added = _lacking(lines, place.declared)
    if plain:
        added.append(IDENTITY)
    replaced = {name for name, _ in added}
    if call.own_key is None:
        replaced |= FOR_OWN_KEYS | (_SIGNED if place.sign is not None else frozenset())
    kept = [line for line in lines if line[0] not in replaced]
    if call.own_key is not None and place.bearer_as is not None:
        kept = [_as_key(line, place.bearer_as) for line in kept]
    return (*kept, *_lacking((*kept, *added), place.fixed), *added)


def _lacking(lines: Sequence[Line], wanted: Sequence[Line]) -> list[Line]:
    there = {name for name, _ in lines}
    return [line for line in wanted if line[0] not in there]


def _as_key(line: Line, name: bytes) -> Line:
    """A bearer's key as a header of its own."""
    scheme, _, key = line[1].partition(b" ")
    bears = line[0] == b"authorization" and scheme.lower() == b"bearer"
    return (name, key.strip()) if bears else line


NATIVE = "native"
FAL = "fal"
GOOGLE = ("google-ai-studio", "google-vertex-ai")
# What a signature of ours brings itself.
_SIGNED = frozenset((b"x-amz-date", b"x-amz-security-token", b"x-amz-content-sha256"))
