"""Amazon Bedrock: Converse. https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html

The credential is an API key of Bedrock's, sent as a bearer, or the JSON of AWS keys (data-plane 8), which sign.
"""

from __future__ import annotations

import re

import msgspec
from msgspec import structs

from isthmus.providers.access import Access, Misconfigured
from isthmus.providers.cloud.sigv4 import AwsKeys, signer
from isthmus.providers.provider import Place, Provider

_PROFILE = re.compile(r"(?:us|us-gov|eu|apac|jp|au|ca|global)\.(?=[a-z0-9]+\.)")
_REGION = re.compile(r"[a-z]{2,}(-[a-z0-9]+)+")


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
    return row if keys is None else structs.replace(row, credential=None, sign=signer(keys, "bedrock", region))


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
)
