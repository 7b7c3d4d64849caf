"""What a provider is: a value that says where its endpoints are, what they speak and how a request is signed."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlsplit

import msgspec

from isthmus.catalogue.names import author_of
from isthmus.core.attempt import Headers, Located, Sign, Target
from isthmus.core.chat.model import Model
from isthmus.core.native import NativeAsked
from isthmus.errors import InvalidRequest, NotFound
from isthmus.providers.access import Access, Misconfigured
from isthmus.providers.native.where import Where
from isthmus.wire.embeddings.registry import CALLERS

USER_AGENT = (b"user-agent", b"isthmus/0.1")
JSON = (b"content-type", b"application/json")
COMPATIBLE = {"openai_chat": "openai_chat_compatible", "openai_embeddings": "openai_embeddings_compatible"}

Forward = tuple[tuple[bytes, bytes | None], ...]
TRACING: Forward = ((b"traceparent", None), (b"tracestate", None))
# What goes along with a dialect, whoever speaks it. https://docs.anthropic.com/en/api/versioning
DIALECT_HEADERS: Mapping[str, Forward] = {
    "anthropic_messages": ((b"anthropic-version", b"2023-06-01"), (b"anthropic-beta", None)),
}


class Auth(msgspec.Struct, frozen=True):
    """The header that carries the key, and what stands before it there."""

    header: str = "authorization"
    scheme: str = "Bearer "


BEARER = Auth()
X_API_KEY = Auth("x-api-key", "")


class Place(msgspec.Struct, frozen=True):
    """A path below the base URL; `{model}` stands for the model's name. `stream` is where streamed calls go, if not to
    the same place, and `count` where tokens are counted, if they are, under the name that `counts_as` makes of the
    model's. `adapt` makes of a body in the dialect the one that is sent there, `adapt_count` of one to be counted."""

    path: str
    stream: str | None = None
    count: str | None = None
    adapt: Callable[[bytes], bytes] | None = None
    adapt_count: Callable[[bytes], bytes] | None = None
    counts_as: Callable[[str], str] | None = None


def as_named(model: str) -> str:
    return model


class Native(msgspec.Struct, frozen=True, kw_only=True):
    """What of a provider its native paths alone have to do with. `where`: where one lies, if not below the base URL.
    `places`: dialects at further places. `open`: `METHOD path`s that keep nothing, so that the installation's key shows
    nobody what is another's; `{}` stands for one segment, `{+}` for one with encoded slashes. `collapses`: its base URL
    has the `v1` that callers may put in front of a path once more."""

    where: Callable[[Provider, NativeAsked], Where] | None = None
    places: tuple[tuple[str, Place], ...] = ()
    open: tuple[str, ...] = ()
    collapses: bool = False


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """`base_url` ends in a slash; `paths` gives for each dialect that it speaks the place below it, the preferred
    first; `paths_of` gives them for a model, where they depend on it. Without any it has no chat models. `preferred`
    says which of them a caller of another dialect is translated to, where that depends on the model. `embeddings` and
    `embeddings_of` are the same for vectors.

    `variants` names for a dialect the registry's way of writing it that suits this provider (`openai_chat_compatible`).
    `base_url_variable` and `credential_variable` are the environment's usual names. `headers` are always sent,
    `forward` is data-plane 2.3's allow-list for it. `wire_name` makes of a catalogue name the provider's own,
    `catalogue_name` of its other spellings the one that log rows have. `needs_credential` False: a server of the
    operator's that may ask for none. `prepare` makes of the row and what the installation has for it one that can be
    called; it raises `Misconfigured`. `refusal` says why it cannot be called now. `custom`: it is none of the built-in
    ones, and may be named `custom-SLUG` too. `moved`: its address is the operator's own. `declared_headers`: those of
    `headers` that are; they may hold secrets.
    """

    slug: str
    base_url: str = ""
    base_url_variable: str | None = None
    paths: Mapping[str, Place] = {}
    paths_of: Callable[[str], Mapping[str, Place]] | None = None
    preferred: Callable[[Model], str] | None = None
    embeddings: Mapping[str, Place] = {}
    embeddings_of: Callable[[str], Mapping[str, Place]] | None = None
    variants: Mapping[str, str] = {}
    auth: Auth = BEARER
    credential_variable: str | None = None
    credential: str | None = None
    needs_credential: bool = True
    sign: Sign | None = None
    headers: Headers = ()
    forward: Forward = TRACING
    wire_name: Callable[[str], str] = as_named
    catalogue_name: Callable[[str], str] = as_named
    allow_private_address: bool = False
    prepare: Callable[[Provider, Access], Provider] | None = None
    refusal: str | None = None
    custom: bool = False
    native: Native = Native()
    moved: bool = False
    declared_headers: Headers = ()

    def target(self, model: str, name: str, dialect: str, traits: Callable[[str, str], Model]) -> Target:
        """`dialect` is the caller's; the target speaks it where the provider does. Raises `InvalidRequest` where
        the installation has no credential or no address for this provider (data-plane 10.3), or where it has no chat
        models; `NotFound` where the name cannot be a model's."""
        wire = self.wire_name(model)
        embeds = dialect in CALLERS
        paths = self._embedding(wire) if embeds else self.paths if self.paths_of is None else self.paths_of(wire)
        if not paths:
            raise InvalidRequest(f"The provider {self.slug} has no chat models: it cannot answer this call.")
        refused = self.refused()
        if refused is not None:
            raise InvalidRequest(refused)
        known = traits(self.slug, wire)
        spoken = dialect
        if spoken not in paths:
            spoken = next(iter(paths)) if self.preferred is None or embeds else self.preferred(known)
        place = paths[spoken]
        return Target(
            provider=self.slug,
            model=wire,
            name=name,
            author_name=author_of(self.slug) + name[name.find("/") :],
            dialect=self.variants.get(spoken, spoken),
            traits=known,
            located=self._located(place.path, wire, place.adapt),
            located_stream=None if place.stream is None else self._located(place.stream, wire, place.adapt),
            count=self._counted(place, wire),
            forward=DIALECT_HEADERS.get(spoken, ()) + self.forward,
            allow_private_address=self.allow_private_address,
        )

    def _embedding(self, model: str) -> Mapping[str, Place]:
        """Raises `InvalidRequest` where there are no embeddings."""
        paths = self.embeddings if self.embeddings_of is None else self.embeddings_of(model)
        if not paths:
            raise InvalidRequest(
                f"The provider {self.slug} gives no embeddings for {model[:200]}, as far as this gateway knows. Choose "
                "a model that does, such as openai/text-embedding-3-small.",
                param="model",
            )
        return paths

    def keyed(self, key: str | None) -> Provider:
        """The same with a caller's own key in the place of the installation's, whose headers do not go with it; None:
        as it is."""
        if key is None:
            return self
        headers = self.headers[: len(self.headers) - len(self.declared_headers)]
        return msgspec.structs.replace(
            self, credential=key, sign=None, refusal=None, headers=headers, declared_headers=()
        )

    def refused(self) -> str | None:
        """Why the installation cannot call it now; None where it can."""
        return self.refusal or self._missing() or self.private()

    def _located(self, path: str, model: str, adapt: Callable[[bytes], bytes] | None) -> Located:
        return Located(url=self.base_url + _filled(path, model), headers=self._signed(), adapt=adapt, sign=self.sign)

    def _counted(self, place: Place, model: str) -> Located | None:
        if place.count is None:
            return None
        name = model if place.counts_as is None else place.counts_as(model)
        return self._located(place.count, name, place.adapt_count)

    def _signed(self) -> Headers:
        always = (JSON, USER_AGENT, *self.headers)
        if self.credential is None or self.sign is not None:
            return always
        return (*always, (self.auth.header.encode(), (self.auth.scheme + self.credential).encode()))

    def _missing(self) -> str | None:
        if self.credential is None and self.needs_credential and self.sign is None:
            lacking, field, variable = "credential", "credential", self.credential_variable
        elif not self.base_url:
            lacking, field, variable = "address", "base_url", self.base_url_variable
        else:
            return None
        return (
            f"This installation has no {lacking} for the provider {self.slug}. Set {variable or 'it'} in the gateway's "
            f"environment, or `{field}` under [providers.{self.slug}] in isthmus.toml."
        )

    def private(self) -> str | None:
        """Why nobody can call it where it is. The transport would refuse it too, but not say what to do about it."""
        if self.allow_private_address or not _is_private(urlsplit(self.base_url).hostname or ""):
            return None
        return (
            f"The provider {self.slug} is at a private address, {self.base_url}, which is refused. Set "
            f"`allow_private_address = true` under [providers.{self.slug}] in isthmus.toml."
        )


def equip(row: Provider, access: Access) -> Provider:
    """The row with what the installation has for it. Raises `Misconfigured`."""
    base_url = access.base_url or access.variable(row.base_url_variable or "")
    if base_url is not None:
        base_url = base_url if "://" in base_url else f"https://{base_url}"
        base_url = base_url if base_url.endswith("/") else f"{base_url}/"
    equipped = msgspec.structs.replace(
        row,
        base_url=base_url or row.base_url,
        credential=access.credential or access.secret(row.credential_variable or "") or None,
        headers=(*row.headers, *access.headers),
        declared_headers=access.headers,
        moved=base_url is not None,
        allow_private_address=access.allow_private_address,
    )
    _check_credential(equipped)
    return equipped if row.prepare is None else row.prepare(equipped, access)


def _check_credential(row: Provider) -> None:
    """What is to stand in a header must be able to; JSON is for `prepare`."""
    credential = row.credential
    if (
        credential is not None
        and not credential.startswith("{")
        and not (credential.isascii() and credential.isprintable())
    ):
        raise Misconfigured("its credential holds characters that no header may hold")


def _filled(path: str, model: str) -> str:
    if "{model}" not in path:
        return path
    # A name of dots alone would climb out of the path.
    if not model.strip("."):
        raise NotFound(f"Model not found: {model[:200]}.")
    try:
        return path.replace("{model}", quote(model, safe="@"))
    except UnicodeEncodeError:
        raise NotFound("Model not found: its name is no text that can be sent.") from None


def _is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
