"""Errors of the gateway host in the shape E2 (data-plane 5.1): `error` is an array, and the code is there thrice."""

from __future__ import annotations

import msgspec

from isthmus.errors import GatewayError


class GatewayHostErrors:
    name = "gateway_host"

    def write_error(self, error: GatewayError, request_id: str) -> bytes:
        listed = [{"code": error.code, "message": error.message}]
        return msgspec.json.encode(
            {
                "success": False,
                "result": [],
                "messages": [],
                "error": listed,
                "errors": listed,
                "name": "AiGatewayError",
                "httpCode": error.status,
                "internalCode": error.code,
                "message": error.message,
            }
        )


GATEWAY_HOST_ERRORS = GatewayHostErrors()
