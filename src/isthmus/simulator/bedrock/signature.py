"""AWS Signature Version 4 as Bedrock checks it: the signature is computed anew with the one key pair the simulator
knows, over the request as it came (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from datetime import UTC, datetime
from urllib.parse import quote

import msgspec

from isthmus.simulator.exchange import Rejection
from isthmus.simulator.recorded import RecordedRequest

ACCESS_KEY_ID = "AKIAIOSFODNN7EXAMPLE"  # the pair of AWS's own documentation
SECRET_ACCESS_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SESSION_TOKEN = "simulated-session-token"
SERVICE = "bedrock"
MAX_SKEW_SECONDS = 300
_ALGORITHM = "AWS4-HMAC-SHA256"
_FIELD = re.compile(r"(\w+)=([^,\s]+)")
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d")
_TIME = "%Y%m%dT%H%M%SZ"
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


class _Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What the authorization header says."""

    access_key_id: str
    date: str
    region: str
    service: str
    signed: list[str]
    signature: str
    timestamp: str


def check_signature(request: RecordedRequest) -> None:
    """Raises `Rejection` in AWS's words, with AWS's name of the error as its kind."""
    claim = _read(request)
    token = request.header("x-amz-security-token")
    if claim.access_key_id != ACCESS_KEY_ID or token not in (None, SESSION_TOKEN):
        raise _refused("The security token included in the request is invalid.", "UnrecognizedClientException")
    _check_scope(claim)
    for name, _ in request.headers:
        lowered = name.decode("latin-1").lower()
        if (lowered == "host" or lowered.startswith("x-amz-")) and lowered not in claim.signed:
            raise _refused(f"'{lowered}' must be a 'SignedHeader' in the AWS Authorization.")
    if not hmac.compare_digest(claim.signature, signature(request, claim)):
        raise _refused(_MISMATCH)


def _refused(message: str, kind: str = "InvalidSignatureException") -> Rejection:
    return Rejection(message, status=403, kind=kind)


def _read(request: RecordedRequest) -> _Claim:
    header = request.header("authorization") or ""
    algorithm, _, rest = header.partition(" ")
    fields = dict(_FIELD.findall(rest))
    scope = fields.get("Credential", "").split("/")
    timestamp = request.header("x-amz-date") or ""
    complete = "SignedHeaders" in fields and "Signature" in fields and len(scope) == 5 and scope[4] == "aws4_request"
    if algorithm != _ALGORITHM or not complete or not timestamp:
        raise _refused(
            "Authorization header requires 'Credential' parameter, 'Signature' parameter, 'SignedHeaders' parameter "
            "and existence of either a 'X-Amz-Date' or a 'Date' header.",
            "IncompleteSignatureException",
        )
    return _Claim(
        access_key_id=scope[0],
        date=scope[1],
        region=scope[2],
        service=scope[3],
        signed=fields["SignedHeaders"].split(";"),
        signature=fields["Signature"],
        timestamp=timestamp,
    )


def _check_scope(claim: _Claim) -> None:
    if claim.service != SERVICE:
        raise _refused(f"Credential should be scoped to correct service: '{SERVICE}'. ")
    if not _REGION.fullmatch(claim.region):
        raise _refused("Credential should be scoped to a valid region. ")
    try:
        signed_at = datetime.strptime(claim.timestamp, _TIME).replace(tzinfo=UTC).timestamp()
    except ValueError as error:
        raise _refused(
            f"Date must be in ISO-8601 'basic format'. Got '{claim.timestamp}'.", "IncompleteSignatureException"
        ) from error
    if not claim.timestamp.startswith(claim.date):
        raise _refused(f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date '{claim.date}'")
    now = time.time()
    if abs(now - signed_at) > MAX_SKEW_SECONDS:
        at = datetime.fromtimestamp(now, UTC).strftime(_TIME)
        word = "earlier" if signed_at < now else "later"
        raise _refused(f"Signature expired: {claim.timestamp} is now {word} than {at}")


def signature(request: RecordedRequest, claim: _Claim) -> str:
    scope = f"{claim.date}/{claim.region}/{claim.service}/aws4_request"
    digest = hashlib.sha256(_canonical(request, claim.signed).encode()).hexdigest()
    text = "\n".join((_ALGORITHM, claim.timestamp, scope, digest))
    key = f"AWS4{SECRET_ACCESS_KEY}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def _canonical(request: RecordedRequest, signed: list[str]) -> str:
    """The path is encoded once more than it was sent, which all services but S3 want: `%3A` becomes `%253A`."""
    values: dict[str, list[str]] = {}
    for name, value in request.headers:
        text = " ".join(value.decode("latin-1").split())
        values.setdefault(name.decode("latin-1").lower(), []).append(text)
    headers = [f"{name}:{','.join(values.get(name, []))}" for name in signed]
    query = "&".join(sorted(pair if "=" in pair else f"{pair}=" for pair in request.query.split("&") if pair))
    body = hashlib.sha256(request.body).hexdigest()
    path = quote(request.path, safe="/~")
    return "\n".join((request.method, path, query, *headers, "", ";".join(signed), body))
