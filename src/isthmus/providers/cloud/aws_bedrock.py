"""Amazon Bedrock: Converse. https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html

The credential is an API key of Bedrock's, sent as a bearer, or the JSON of AWS keys (data-plane 8), which sign.
"""

from __future__ import annotations

import re
from functools import partial

import msgspec
from msgspec import structs

from isthmus.core.native import NativeAsked
from isthmus.errors import InvalidRequest
from isthmus.providers.access import Access, Misconfigured
from isthmus.providers.cloud.sigv4 import AwsKeys, signer
from isthmus.providers.native.where import Where
from isthmus.providers.provider import Native, Place, Provider

_PROFILE = re.compile(r"(?:us|us-gov|eu|apac|jp|au|ca|global)\.(?=[a-z0-9]+\.)")
_REGION = re.compile(r"(?=.{1,32}\Z)[a-z]{2,}(-[a-z0-9]+)+")
_HOSTS = {
    "bedrock-runtime": ("https://bedrock-runtime.{region}.amazonaws.com/", "bedrock"),
    # https://docs.aws.amazon.com/bedrock/latest/userguide/bedrock-mantle.html
    "bedrock-mantle": ("https://bedrock-mantle.{region}.api.aws/", "bedrock-mantle"),
}
"""The first segment of a native path, the address that it stands for, and the name that signatures have for it."""


def prepare(row: Provider, access: Access) -> Provider:
    keys = _keys(row.credential, access)
    region = (keys and keys.region) or access.region or access.variable("AWS_REGION", "AWS_DEFAULT_REGION")
    if region is not None and not _REGION.fullmatch(region):
        raise Misconfigured(f"'{region}' is no region of AWS")
    if region is None:
        if keys is not None or (row.credential is not None and not row.base_url):
            raise Misconfigured("its region is not known: set AWS_REGION, or `region` in isthmus.toml")
        return row
    row = structs.replace(row, base_url=row.base_url or f"https://bedrock-runtime.{region}.amazonaws.com/")
    if keys is None:
        return row
    native = structs.replace(row.native, where=partial(where, keys=keys))
    return structs.replace(row, credential=None, sign=signer(keys, "bedrock", region), native=native)


def where(row: Provider, asked: NativeAsked, keys: AwsKeys | None = None) -> Where:
    """`bedrock-runtime/{region}/…`, `bedrock-mantle/{region}/…` (data-plane 8). Signatures are for one region; Mantle's
    messages take a key where Anthropic's own do."""
    service, _, rest = asked.rest.partition("/")
    region, _, path = rest.partition("/")
    if service not in _HOSTS or not _REGION.fullmatch(region) or not path:
        raise InvalidRequest(
            "Name service and region before the path: aws-bedrock/bedrock-runtime/us-east-1/model/MODEL/converse, or "
            "aws-bedrock/bedrock-mantle/us-east-1/anthropic/v1/messages."
        )
    address, signs_as = _HOSTS[service]
    base_url = row.base_url if row.moved else address.format(region=region)
    bearer_as = b"x-api-key" if service == "bedrock-mantle" and path.startswith("anthropic/") else None
    held = row.credential
    return Where(
        url=base_url + path,
        path=path,
        sign=None if keys is None else signer(keys, signs_as, region),
        bearer_as=bearer_as,
        headers=None if held is None or bearer_as is None else ((bearer_as, held.encode()),),
    )


def _keys(credential: str | None, access: Access) -> AwsKeys | None:
    if credential is not None:
        if not credential.startswith("{"):
            return None
        try:
            return msgspec.json.decode(credential, type=AwsKeys)
        except (msgspec.DecodeError, RecursionError):
            raise Misconfigured("its credential must be a key, or JSON with accessKeyId and secretAccessKey") from None
    key_id, secret = access.secret("AWS_ACCESS_KEY_ID"), access.secret("AWS_SECRET_ACCESS_KEY")
    if key_id is None or secret is None:
        return None
    return AwsKeys(key_id, secret, access.secret("AWS_SESSION_TOKEN"))


def _foundation(model: str) -> str:
    """Tokens are counted by the foundation model's own id, without the inference profile's region."""
    return _PROFILE.sub("", model)


AWS_BEDROCK = Provider(
    slug="aws-bedrock",
    paths={
        "bedrock_converse": Place(
            "model/{model}/converse",
            stream="model/{model}/converse-stream",
            count="model/{model}/count-tokens",
            counts_as=_foundation,
        )
    },
    credential_variable="AWS_BEARER_TOKEN_BEDROCK",
    prepare=prepare,
    native=Native(
        where=where,
        places=(
            ("anthropic_messages", Place("anthropic/v1/messages", count="anthropic/v1/messages/count_tokens")),
            ("openai_chat", Place("v1/chat/completions")),
            ("openai_chat", Place("openai/v1/chat/completions")),
            ("openai_responses", Place("v1/responses")),
            ("openai_responses", Place("openai/v1/responses")),
        ),
        open=("POST model/{+}/invoke", "POST model/{+}/invoke-with-response-stream", "GET v1/models"),
    ),
)
