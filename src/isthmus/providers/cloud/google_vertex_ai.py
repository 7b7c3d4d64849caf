"""Google Vertex AI: Gemini, Anthropic's models, and the others by their compatible address. Models are named
`publisher/model`; without a publisher, Google's and Anthropic's are known by their names.
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/reference/rest

The credential is the JSON of a service account, which may name a `region`, or an access token.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec import structs

from isthmus.core.native import NativeAsked
from isthmus.errors import InvalidRequest
from isthmus.providers.access import Access, Misconfigured
from isthmus.providers.cloud.access_token import AccessToken, Fetch, Granted, exchange
from isthmus.providers.native.where import Where
from isthmus.providers.provider import COMPATIBLE, Native, Place, Provider
from isthmus.providers.rows.anthropic import catalogue_name as claude_name
from isthmus.providers.rows.anthropic import wire_name as claude_wire_name
from isthmus.providers.rows.google_ai_studio import wire_name as gemini_name
from isthmus.wire.body import Body

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
TOKEN_URL = "https://oauth2.googleapis.com/token"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_SECONDS = 3600
ACCOUNT_MAX_BYTES = 64 * 1024
# https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai
ANTHROPIC_VERSION = b'"vertex-2023-10-16"'
_NAME = re.compile(r"[a-z0-9][a-z0-9.:-]{0,126}")
_REGION = re.compile(r"[a-z][a-z0-9-]{0,62}")
_LOCATED = re.compile(r"v1(?:beta1)?/projects/([^/]+)/locations/([^/]+)/(.+)")


def adapt_messages(body: bytes) -> bytes:
    """The model stands in the path alone, the version in the body instead of a header."""
    return Body(body).changed({"model": None, "anthropic_version": ANTHROPIC_VERSION})


def adapt_count(body: bytes) -> bytes:
    """Here the path names no model."""
    return Body(body).changed({"anthropic_version": ANTHROPIC_VERSION})


# Its count of tokens wants another body than Gemini's own API, and is left out.
GEMINI = {
    "gemini": Place(
        "publishers/google/models/{model}:generateContent",
        stream="publishers/google/models/{model}:streamGenerateContent?alt=sse",
    )
}
ANTHROPIC = {
    "anthropic_messages": Place(
        "publishers/anthropic/models/{model}:rawPredict",
        stream="publishers/anthropic/models/{model}:streamRawPredict",
        count="publishers/anthropic/models/count-tokens:rawPredict",
        adapt=adapt_messages,
        adapt_count=adapt_count,
    )
}
OTHERS = {"openai_chat": Place("endpoints/openapi/chat/completions")}


def wire_name(model: str) -> str:
    """Google's and Anthropic's models without their publisher, whom the path names; all others with it."""
    publisher, _, name = model.rpartition("/")
    publisher, known = publisher.lower(), name.lower()
    if publisher == "google" or (not publisher and known.startswith("gemini")):
        return gemini_name(name) if known.startswith("gemini") else model.lower()
    if publisher == "anthropic" or (not publisher and known.startswith("claude")):
        return claude_wire_name(name)
    return model


def paths_of(model: str) -> Mapping[str, Place]:
    if model.startswith("gemini"):
        return GEMINI
    return ANTHROPIC if model.startswith("claude") else OTHERS


def catalogue_name(model: str) -> str:
    wire = wire_name(model)
    if wire.startswith("gemini"):
        return f"google/{wire}"
    return f"anthropic/{claude_name(wire)}" if wire.startswith("claude") else wire


def prepare(row: Provider, access: Access) -> Provider:
    account = _account(access)
    held = account or {}
    region = (
        held.get("region") or access.region or access.variable("GOOGLE_CLOUD_LOCATION", "CLOUD_ML_REGION") or "global"
    )
    project = access.project or access.variable("GOOGLE_CLOUD_PROJECT") or held.get("project_id")
    row = structs.replace(row, credential=None if held else access.credential)
    if not held and row.credential is None:
        return row
    if project is None:
        raise Misconfigured("its project is not known: set GOOGLE_CLOUD_PROJECT, or `project` in isthmus.toml")
    for name, value in (("region", region), ("project", project)):
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            raise Misconfigured(f"its {name} is not one of Google's")
    native = structs.replace(row.native, where=partial(where, root=row.base_url, project=project))
    base_url = row.base_url or f"https://{_host(region)}/"
    row = structs.replace(row, base_url=f"{base_url}v1/projects/{project}/locations/{region}/", native=native)
    return row if account is None else structs.replace(row, sign=AccessToken(_fetch(row.slug, account, access)).sign)


def where(row: Provider, asked: NativeAsked, root: str | None = None, project: str | None = None) -> Where:
    """From the host's root: `v1/projects/{project}/locations/{region}/…`. The host is that region's; `root`: but where
    the operator names another. The installation's credential is for its own `project`."""
    root = row.base_url if root is None else root
    found = _LOCATED.fullmatch(asked.rest)
    if found is None:
        lacking = "Name this installation's own project and a region in the path: v1/projects/…/locations/…/…"
        return Where(url=(root or f"https://{_host('global')}/") + asked.rest, path=asked.rest, foreign=lacking)
    named, region, path = found.groups()
    if not _REGION.fullmatch(region):
        raise InvalidRequest("The path names no region of Google's after `locations/`.")
    foreign = None if named == project else "This installation's credential is for another project than the path's."
    return Where(url=(root or f"https://{_host(region)}/") + asked.rest, path=path, foreign=foreign)


def _host(region: str) -> str:
    """https://docs.cloud.google.com/vertex-ai/generative-ai/docs/learn/locations: two regions are groups of others."""
    if region == "global":
        return "aiplatform.googleapis.com"
    if region in ("us", "eu"):
        return f"aiplatform.{region}.rep.googleapis.com"
    return f"{region}-aiplatform.googleapis.com"


def _account(access: Access) -> dict[str, Any] | None:
    """A service account's key; None where the credential is an access token, or there is none. The usual variable
    holds the name of a file."""
    credential = access.credential
    if credential is None:
        place = access.secret("GOOGLE_APPLICATION_CREDENTIALS")
        if place is None:
            return None
        try:
            with Path(place).open("rb") as file:
                credential = file.read(ACCOUNT_MAX_BYTES).decode()
        except (OSError, UnicodeDecodeError) as error:
            raise Misconfigured(f"{place} cannot be read: {error}") from None
    elif not credential.startswith("{"):
        return None
    try:
        account = msgspec.json.decode(credential, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        account = {}
    if not isinstance(account.get("client_email"), str) or not isinstance(account.get("private_key"), str):
        raise Misconfigured("its credential must be the JSON of a service account, with client_email and private_key")
    return account


def _fetch(slug: str, account: dict[str, Any], access: Access) -> Fetch:
    """Exchanges a signed assertion for an access token (RFC 7523), the way that every address of Google's takes."""
    try:
        crypt: Any = import_module("google.auth.crypt")
        jwt: Any = import_module("google.auth.jwt")
    except ImportError:
        raise Misconfigured("signing for Google needs google-auth: pip install 'isthmus[vertex]'") from None
    try:
        signer = crypt.RSASigner.from_service_account_info(account)
    except Exception:  # whatever the library finds wrong with the key; its text may quote the key
        raise Misconfigured("the private_key of its service account is not a key") from None
    transport = access.transport
    if transport is None:
        raise Misconfigured("tokens of Google's cannot be fetched here")

    async def fetch() -> Granted:
        now = int(time.time())
        claims = {
            "iss": account["client_email"],
            "scope": SCOPE,
            "aud": TOKEN_URL,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
        }
        assertion = jwt.encode(signer, claims).decode()
        form = urlencode({"grant_type": GRANT, "assertion": assertion}).encode()
        return await exchange(transport, TOKEN_URL, form, slug)

    return fetch


GOOGLE_VERTEX_AI = Provider(
    slug="google-vertex-ai",
    paths=GEMINI | ANTHROPIC | OTHERS,
    paths_of=paths_of,
    variants=COMPATIBLE,
    credential_variable="GOOGLE_APPLICATION_CREDENTIALS",
    wire_name=wire_name,
    catalogue_name=catalogue_name,
    prepare=prepare,
    native=Native(
        where=where,
        open=(
            "POST publishers/google/models/{}:countTokens",
            "POST publishers/google/models/{}:embedContent",
            "POST publishers/{}/models/{}:predict",
            "POST publishers/{}/models/{}:rawPredict",
            "POST publishers/{}/models/{}:streamRawPredict",
        ),
    ),
)
