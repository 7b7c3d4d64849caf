"""Azure OpenAI: chat completions and responses, as OpenAI's. `model` is the name of the deployment.
https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle

The credential is the resource's key, or the JSON of an application in Entra, for which tokens are fetched.
"""

from __future__ import annotations

import re
from urllib.parse import urlencode

import msgspec
from msgspec import structs

from isthmus.providers.access import Access, Misconfigured
from isthmus.providers.cloud.access_token import AccessToken, Fetch, Granted, exchange
from isthmus.providers.provider import Auth, Place, Provider

# Azure's services of this kind all take it, whatever their host. https://learn.microsoft.com/azure/ai-services/authentication
SCOPE = "https://cognitiveservices.azure.com/.default"
LOGIN = "https://login.microsoftonline.com/"
_TENANT = re.compile(r"[A-Za-z0-9.-]{1,128}")
_API_VERSION = re.compile(r"[A-Za-z0-9-]{1,64}")


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
        row = structs.replace(row, paths=_dated(version))
    application = _application(row.credential, access)
    if application is None:
        return row
    if access.transport is None:
        raise Misconfigured("tokens of Entra cannot be fetched here")
    token = AccessToken(_fetch(row.slug, application, access))
    return structs.replace(row, credential=None, sign=token.sign)


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
)
