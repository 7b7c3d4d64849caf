"""Providers of pictures, sound and tasks: no chat models, so far an address and a way of signing each."""

from __future__ import annotations

from isthmus.providers.provider import Auth, Provider

MEDIA: tuple[Provider, ...] = (
    # https://replicate.com/docs/reference/http
    Provider(slug="replicate", base_url="https://api.replicate.com/v1/", credential_variable="REPLICATE_API_TOKEN"),
    # https://docs.fal.ai/model-apis/model-endpoints
    Provider(slug="fal", base_url="https://fal.run/", auth=Auth(scheme="Key "), credential_variable="FAL_KEY"),
    # https://developer.ideogram.ai/ideogram-api/api-setup
    Provider(
        slug="ideogram",
        base_url="https://api.ideogram.ai/",
        auth=Auth("api-key", ""),
        credential_variable="IDEOGRAM_API_KEY",
    ),
    # https://docs.cartesia.ai/use-the-api/api-conventions; older versions took the key in x-api-key
    Provider(
        slug="cartesia",
        base_url="https://api.cartesia.ai/",
        credential_variable="CARTESIA_API_KEY",
        headers=((b"cartesia-version", b"2025-04-16"),),
    ),
    # https://developers.deepgram.com/guides/fundamentals/authenticating
    Provider(
        slug="deepgram",
        base_url="https://api.deepgram.com/",
        auth=Auth(scheme="Token "),
        credential_variable="DEEPGRAM_API_KEY",
    ),
    # https://elevenlabs.io/docs/api-reference/authentication
    Provider(
        slug="elevenlabs",
        base_url="https://api.elevenlabs.io/",
        auth=Auth("xi-api-key", ""),
        credential_variable="ELEVENLABS_API_KEY",
    ),
)
