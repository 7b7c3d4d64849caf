"""What the settings say to each part of its limits."""

from __future__ import annotations

from isthmus.data_plane.caching.cache import CacheLimits
from isthmus.data_plane.gateway_host.native import NativeLimits
from isthmus.data_plane.gateway_host.websocket.session import SocketLimits
from isthmus.data_plane.incoming import IngressLimits
from isthmus.data_plane.outbound.fetch_media import MediaLimits
from isthmus.data_plane.send import EgressLimits
from isthmus.data_plane.state.keeper import StateLimits
from isthmus.settings import Settings
from isthmus.transport.protocol import Timeouts


def egress_limits(settings: Settings) -> EgressLimits:
    return EgressLimits(
        answer_max_bytes=settings.answer_max_bytes,
        stream_max_bytes=settings.stream_max_bytes,
        stream_max_seconds=settings.stream_max_seconds,
        log_body_bytes=settings.log_body_bytes,
        keep_alive_seconds=settings.stream_keep_alive_seconds,
    )


def cache_limits(settings: Settings) -> CacheLimits:
    return CacheLimits(
        entry_max_bytes=settings.cache_entry_max_bytes,
        joining_max_bytes=settings.cache_joining_max_bytes,
        ttl_enables=settings.cache_ttl_header == "enables",
    )


def socket_limits(settings: Settings) -> SocketLimits:
    return SocketLimits(
        message_max_bytes=settings.body_max_bytes,
        answer_max_bytes=settings.answer_max_bytes,
        requests=settings.websocket_max_requests,
        idle_seconds=settings.websocket_idle_seconds,
        ping_seconds=settings.websocket_ping_seconds,
    )


def state_limits(settings: Settings) -> StateLimits:
    return StateLimits(retention_days=settings.state_retention_days, account_max_bytes=settings.state_max_bytes)


def ingress_limits(settings: Settings) -> IngressLimits:
    return IngressLimits(
        body_max_bytes=settings.body_max_bytes,
        passed_max_bytes=settings.passed_max_bytes,
        read_seconds=settings.request_read_seconds,
        concurrent_calls=settings.max_concurrent_calls,
    )


def native_limits(settings: Settings) -> NativeLimits:
    return NativeLimits(
        body_max_bytes=settings.body_max_bytes,
        log_body_bytes=settings.log_body_bytes,
        platform_keys=settings.platform_keys_native,
    )


def timeouts(settings: Settings) -> Timeouts:
    return Timeouts(
        connect_seconds=settings.connect_timeout_seconds,
        first_byte_seconds=settings.first_byte_timeout_seconds,
        idle_seconds=settings.idle_timeout_seconds,
    )


def media_limits(settings: Settings) -> MediaLimits:
    return MediaLimits(
        max_bytes=settings.media_max_bytes, allow_private_address=settings.media_private_addresses == "allow"
    )
