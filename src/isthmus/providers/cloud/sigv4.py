"""AWS Signature Version 4, by botocore's own signer. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import msgspec

from isthmus.core.attempt import Headers, Sign
from isthmus.providers.access import Misconfigured


class AwsKeys(msgspec.Struct, frozen=True, rename="camel"):
    """As data-plane 8 spells a credential. `region` wins over the installation's."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None
    region: str | None = None


def signer(keys: AwsKeys, service: str, region: str) -> Sign:
    """Raises `Misconfigured` where botocore is not installed."""
    try:
        auth: Any = import_module("botocore.auth")
        requests: Any = import_module("botocore.awsrequest")
        credentials: Any = import_module("botocore.credentials")
    except ImportError:
        raise Misconfigured("signing for AWS needs botocore: pip install 'isthmus[bedrock]'") from None
    held = credentials.Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token)

    async def sign(method: str, url: str, headers: Headers, body: bytes) -> Headers:
        # Only what no proxy on the way may change is signed.
        signed_too = {name.decode(): value.decode("latin-1") for name, value in headers if name == b"content-type"}
        request = requests.AWSRequest(method=method, url=url, data=body, headers=signed_too)
        auth.SigV4Auth(held, service, region).add_auth(request)
        signed = [
            (name.lower().encode(), value.encode())
            for name, value in request.headers.items()
            if name.lower() != "content-type"
        ]
        return (*headers, *signed)

    return sign
