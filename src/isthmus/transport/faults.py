"""Every way in which an exchange with a provider fails, put into words once. A message names hosts, ports and seconds;
never a header, a query string or a credential."""

from __future__ import annotations

import os
import ssl
from typing import TypeVar

from isthmus.errors import InternalError, Interrupted, InvalidRequest, Malformed, TimedOut, Unavailable, UpstreamError

E = TypeVar("E", bound=UpstreamError)


def final(error: E) -> E:
    """Marks an error which another try cannot mend."""
    error.retryable = False  # type: ignore[misc]  # an instance may differ from its class
    return error


def unreachable(peer: str, error: OSError) -> Unavailable:
    if isinstance(error, ssl.SSLCertVerificationError):
        return final(Unavailable(f"The certificate of {peer} was not accepted: {error.verify_message}."))
    if isinstance(error, ssl.SSLError):
        return Unavailable(f"TLS with {peer} failed: {error.reason or 'no reason given'}.")
    reason = os.strerror(error.errno) if error.errno else "the connection was closed"
    return Unavailable(f"{peer} could not be reached: {reason}.")


def unresolvable(host: str) -> Unavailable:
    return Unavailable(f"The host name {host} could not be resolved.")


def private_address(host: str) -> Unavailable:
    return final(Unavailable(f"{host} is not at a public address, and only those are allowed here."))


def no_slot(peer: str, limit: int, seconds: float) -> Unavailable:
    return Unavailable(f"All {limit} connections to {peer} stayed busy for {seconds:g} seconds.")


def crowded(peer: str, limit: int) -> Unavailable:
    return Unavailable(f"{limit} requests are waiting for a connection to {peer} already.")


def shut_down() -> Unavailable:
    return final(Unavailable("The transport has been closed."))


def unreadable_authorities() -> Unavailable:
    return final(Unavailable("A file of extra certificate authorities cannot be read, or holds no certificate."))


def unusable_proxy(variable: str) -> Unavailable:
    return final(Unavailable(f"The proxy named by {variable} is not an http:// address."))


def no_tunnel(proxy: str, peer: str, status: int) -> Unavailable:
    reason = f"answered {status}" if status else "closed the connection or spoke no HTTP"
    return Unavailable(f"The proxy {proxy} opened no tunnel to {peer}: it {reason}.")


def closed_early(peer: str, *, untouched: bool) -> Unavailable:
    when = "before answering" if untouched else "in the head of its answer"
    return Unavailable(f"{peer} closed the connection {when}.")


def cut_short(peer: str) -> Interrupted:
    return Interrupted(f"{peer} closed the connection before its answer was complete.")


def left_unread() -> Interrupted:
    return Interrupted("The answer was closed before its end.")


def long_body(declared_bytes: int) -> InvalidRequest:
    return InvalidRequest(f"The body of the request goes on after the {declared_bytes} bytes that were declared.")


def short_body(given_bytes: int, declared_bytes: int) -> InvalidRequest:
    return InvalidRequest(f"The body of the request ended after {given_bytes} of the {declared_bytes} bytes declared.")


def body_broken_off() -> InternalError:
    return InternalError("The body of the request was broken off.")


def connect_timeout(peer: str, seconds: float) -> TimedOut:
    return TimedOut(f"Connecting to {peer} took longer than {seconds:g} seconds.")


def upload_timeout(peer: str, seconds: float) -> TimedOut:
    return TimedOut(f"{peer} read nothing of the request for {seconds:g} seconds.")


def first_byte_timeout(peer: str, seconds: float) -> TimedOut:
    return TimedOut(f"{peer} did not begin to answer within {seconds:g} seconds.")


def idle_timeout(peer: str, seconds: float) -> TimedOut:
    return final(TimedOut(f"{peer} fell silent for {seconds:g} seconds in the middle of its answer."))


def bad_head(peer: str, reason: str) -> Malformed:
    return Malformed(f"{peer} sent an answer which is not valid HTTP/1.1: {reason}.")


def bad_body(peer: str, reason: str) -> Malformed:
    return final(Malformed(f"{peer} broke the framing of its answer's body: {reason}."))


def large_head(peer: str) -> Malformed:
    return Malformed(f"{peer} sent an answer whose head is too large.")
