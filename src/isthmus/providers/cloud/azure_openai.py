"""Azure OpenAI: chat completions and responses, as OpenAI's. `model` is the name of the deployment.
https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle

The credential is the resource's key, or the JSON of an application in Entra, for which tokens are fetched.
"""

from __future__ import annotations

import re
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import structs

from isthmus.core.native import NativeAsked
from isthmus.errors import InvalidRequest
from isthmus.providers.access import Access, Misconfigured
from isthmus.providers.cloud.access_token import AccessToken, Fetch, Granted, exchange
from isthmus.providers.native.where import Where
from isthmus.providers.provider import Auth, Native, Place, Provider

# Azure's services of this kind all take it, whatever their host. https://learn.microsoft.com/azure/ai-services/authentication
SCOPE = "https://cognitiveservices.azure.com/.default"
LOGIN = "https://login.microsoftonline.com/"
_TENANT = re.compile(r"[A-Za-z0-9.-]{1,128}")
_API_VERSION = re.compile(r"[A-Za-z0-9-]{1,64}")
_RESOURCE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_DEPLOYED = "openai/deployments/{model}/"


class Application(msgspec.Struct, frozen=True, rename="camel"):
    """An application registered in Entra (a service principal)."""

    tenant_id: str
    client_id: str
    client_secret: str


def prepare(row: Provider, access: Access) -> Provider:
    # An endpoint may be given with the path of the v1 API, as some of Azure's own pages show it.
    row = structs.replace(row, base_url=re.sub(r"openai/(v1/)?$", "", row.base_url))
    version = access.api_version or access.variable("AZURE_OPENAI_API_VERSION", "OPENAI_API_VERSION")
    if version is not None and version not in ("v1", "preview", "latest"):
        if not _API_VERSION.fullmatch(version):
            raise Misconfigured(f"'{version}' is no api_version")
        embeddings = {"openai_embeddings": Place(f"openai/deployments/{{model}}/embeddings?api-version={version}")}
        row = structs.replace(row, paths=_dated(version), embeddings=embeddings)
    application = _application(row.credential, access)
    if application is None:
        return row
    if access.transport is None:
        raise Misconfigured("tokens of Entra cannot be fetched here")
    token = AccessToken(_fetch(row.slug, application, access))
    return structs.replace(row, credential=None, sign=token.sign)


def where(row: Provider, asked: NativeAsked) -> Where:
    """`{resource}/{deployment}/{path}` (data-plane 8). Another's resource is for callers with a key of its own; an
    address of the operator's that is not Azure's stands for every resource."""
    resource, _, rest = asked.rest.partition("/")
    deployment, _, path = rest.partition("/")
    resource = resource.lower()
    if not _RESOURCE.fullmatch(resource) or not deployment or not path:
        raise InvalidRequest(
            "Name resource and deployment before the path: azure-openai/RESOURCE/DEPLOYMENT/chat/completions."
        )
    host = urlsplit(row.base_url).hostname or ""
    own, _, domain = host.partition(".")
    elsewhere = not host or (domain.endswith("azure.com") and own != resource)
    base_url = f"https://{resource}.openai.azure.com/" if elsewhere else row.base_url
    foreign = f"This installation has a credential for another resource than {resource}." if elsewhere else None
    below = f"openai/deployments/{deployment}/{path}"
    return Where(url=base_url + below, path=below, foreign=foreign)


def _dated(version: str) -> dict[str, Place]:
    """The older API: the deployment in the path. Its responses never had one.
    https://learn.microsoft.com/azure/ai-foundry/openai/reference"""
    return {
        "openai_chat": Place(f"openai/deployments/{{model}}/chat/completions?api-version={version}"),
        "openai_responses": Place(f"openai/responses?api-version={version}"),
    }


def _application(credential: str | None, access: Access) -> Application | None:
    if credential is not None:
        if not credential.startswith("{"):
            return None
        try:
            application = msgspec.json.decode(credential, type=Application)
        except (msgspec.DecodeError, RecursionError):
            raise Misconfigured(
                "its credential must be a key, or JSON with tenantId, clientId and clientSecret"
            ) from None
    else:
        found = [access.secret(name) for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")]
        if None in found:
            return None
        application = Application(*(value or "" for value in found))
    if not _TENANT.fullmatch(application.tenant_id):
        raise Misconfigured("its tenant is no name and no id of one")
    return application


def _fetch(slug: str, application: Application, access: Access) -> Fetch:
    form = urlencode(
        {
            "grant_type": "client_credentials",
            "client_id": application.client_id,
            "client_secret": application.client_secret,
            "scope": SCOPE,
        }
    ).encode()
    transport = access.transport
    assert transport is not None

    async def fetch() -> Granted:
        return await exchange(transport, f"{LOGIN}{application.tenant_id}/oauth2/v2.0/token", form, slug)

    return fetch


AZURE_OPENAI = Provider(
    slug="azure-openai",
    base_url_variable="AZURE_OPENAI_ENDPOINT",
    paths={"openai_chat": Place("openai/v1/chat/completions"), "openai_responses": Place("openai/v1/responses")},
    auth=Auth("api-key", ""),
    credential_variable="AZURE_OPENAI_API_KEY",
    prepare=prepare,
    native=Native(
        where=where,
        places=(
            ("openai_chat", Place(f"{_DEPLOYED}chat/completions")),
            ("openai_completions", Place(f"{_DEPLOYED}completions")),
        ),
        open=tuple(
            f"POST {_DEPLOYED.format(model='{}')}{path}"
            for path in (
                "embeddings",
                "images/generations",
                "images/edits",
                "audio/speech",
                "audio/transcriptions",
                "audio/translations",
            )
        ),
    ),
)
