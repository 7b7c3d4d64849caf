"""Which gateway a call passes, and how `default` comes to be."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from isthmus.core.snapshot import Snapshot
from isthmus.core.stage import compose
from isthmus.data_plane.gateway_host.universal import Given
from isthmus.data_plane.options.headers import read_options
from isthmus.data_plane.read_request import read_request
from isthmus.errors import InternalError, InvalidRequest, Unauthenticated
from isthmus.policies.choose_gateway import choose_gateway, chooser

ACCOUNT = "a" * 32
OTHER = "b" * 32


class Maker:
    """Makes `default`, as the control plane does."""

    def __init__(self, snapshot: Snapshot | None = None, error: Exception | None = None) -> None:
        self.snapshot = snapshot
        self.error = error
        self.asked: list[str] = []

    async def __call__(self, account_id: str) -> Snapshot:
        self.asked.append(account_id)
        if self.error is not None:
            raise self.error
        assert self.snapshot is not None
        return self.snapshot


def prepared(made: Any, *parts: Any, token: Any = None, path: str = "v1/chat/completions", **headers: str) -> Any:
    call = made.call(made.snapshot(*parts), path, **headers)
    call.token = token
    call.options = read_options(call.headers)
    return call


async def test_the_one_that_the_header_names(made: Any, rest: Any) -> None:
    first, second = made.gateway(), made.gateway("team-a")
    maker = Maker()
    call = prepared(made, first, second, token=made.token(), cf_aig_gateway_id="team-a")
    assert await choose_gateway(maker)(call, rest) is rest.reply
    assert call.gateway is second and rest.calls == [call] and maker.asked == []


@pytest.mark.parametrize("headers", [{}, {"cf_aig_gateway_id": "default"}, {"cf_aig_gateway_id": " "}])
async def test_default_where_none_is_named(made: Any, rest: Any, headers: dict[str, str]) -> None:
    default = made.gateway()
    maker = Maker()
    call = prepared(made, default, made.gateway("team-a"), token=made.token(), **headers)
    await choose_gateway(maker)(call, rest)
    assert call.gateway is default and maker.asked == []


async def test_1_default_is_made_on_first_use(made: Any, rest: Any) -> None:
    after = made.snapshot(made.gateway())
    maker = Maker(after)
    call = prepared(made, token=made.token())
    await choose_gateway(maker)(call, rest)
    assert call.gateway is after.gateways[ACCOUNT, "default"]
    assert call.snapshot is after and maker.asked == [ACCOUNT]


async def test_default_that_cannot_be_made(made: Any, rest: Any) -> None:
    maker = Maker(error=InternalError("The store does not answer.", status=503))
    with pytest.raises(InternalError):
        await choose_gateway(maker)(prepared(made, token=made.token()), rest)
    still_without = Maker(made.snapshot())
    with pytest.raises(InvalidRequest):
        await choose_gateway(still_without)(prepared(made, token=made.token()), rest)
    assert rest.calls == []


@pytest.mark.parametrize("name", ["nope", "Default", "x" * 5000, "a\tb", "ÿ"])
async def test_3_an_unknown_one_is_2001_and_not_made(made: Any, rest: Any, name: str) -> None:
    maker = Maker()
    call = prepared(made, made.gateway(), token=made.token(), cf_aig_gateway_id=name)
    with pytest.raises(InvalidRequest) as caught:
        await choose_gateway(maker)(call, rest)
    assert (caught.value.status, caught.value.code) == (400, 2001)
    assert "Please configure AI Gateway" in caught.value.message and len(caught.value.message) < 400
    assert rest.calls == [] and maker.asked == [] and call.gateway is None


async def test_anothers_gateway_is_unknown(made: Any, rest: Any) -> None:
    theirs = made.gateway("team-b", account_id=OTHER)
    call = prepared(made, made.gateway(), theirs, token=made.token(), cf_aig_gateway_id="team-b")
    with pytest.raises(InvalidRequest):
        await choose_gateway(Maker())(call, rest)


async def test_a_token_bound_to_gateways(made: Any, rest: Any) -> None:
    """It learns nothing about the others, not even whether they exist; and makes none."""
    token = made.token(gateways=("team-a",))
    stage = choose_gateway(maker := Maker(made.snapshot(made.gateway())))
    call = prepared(made, made.gateway("team-a"), token=token, cf_aig_gateway_id="team-a")
    await stage(call, rest)
    assert len(rest.calls) == 1
    messages = set()
    for headers in ({}, {"cf_aig_gateway_id": "team-b"}, {"cf_aig_gateway_id": "nope"}):
        with pytest.raises(Unauthenticated) as caught:
            await stage(prepared(made, made.gateway("team-b"), token=token, **headers), rest)
        messages.add((caught.value.status, caught.value.code, caught.value.message))
    assert messages == {(401, 10000, "Authentication error")}
    assert maker.asked == [] and len(rest.calls) == 1


async def test_settings_come_with_it(made: Any, rest: Any) -> None:
    quiet = made.gateway("quiet", msgspec.structs.replace(made.gateway().settings, collect_logs=False))
    call = prepared(made, quiet, token=made.token(), cf_aig_gateway_id="quiet")
    await choose_gateway(Maker())(call, rest)
    assert call.gateway.settings.collect_logs is False


# Where the body of /ai/run may name it.


class Run:
    """A call to it, and where it came to."""

    def __init__(self, made: Any, rest: Any, *, bypass: bool = False) -> None:
        self.maker = Maker(made.snapshot(made.gateway(), made.gateway("team-a"), made.gateway("team-b")))
        self._made = made
        self._stages = compose((choose_gateway(self.maker), read_request(100, bypass, chooser(self.maker))), rest)

    async def __call__(self, gateway_id: Any, token: Any, *, input: Any = None, **headers: str) -> Any:
        made = self._made
        call = prepared(made, made.gateway("team-a"), made.gateway("team-b"), token=token, path="run", **headers)
        body = {"model": "@cf/a/b", "input": {"prompt": "hello"} if input is None else input}
        if gateway_id is not None:
            body["options"] = {"gateway": {"id": gateway_id}}
        call.incoming = Given(msgspec.json.encode(body))
        self.call = call
        await self._stages(call)
        return call


async def test_the_body_names_it_where_no_header_does(made: Any, rest: Any) -> None:
    run = Run(made, rest)
    call = await run("team-a", made.token())
    assert call.gateway.id == "team-a" and call.options.notices == ()
    assert (await run(None, made.token())).gateway.id == "default"
    for nothing in ("", " ", 7):
        call = await run(nothing, made.token())
        assert call.gateway.id == "default"
        assert [notice.field for notice in call.options.notices] == ["options.gateway.id"]
    call = await run("team-b", made.token(), cf_aig_gateway_id="team-a")
    assert call.gateway.id == "team-a"
    assert [notice.field for notice in call.options.notices] == ["options.gateway.id"]
    assert b"options" not in call.body.data


async def test_3_an_unknown_one_in_a_body_is_2001(made: Any, rest: Any) -> None:
    run = Run(made, rest)
    with pytest.raises(InvalidRequest) as caught:
        await run("nope", made.token())
    assert (caught.value.status, caught.value.code) == (400, 2001)
    assert run.call.gateway is None and rest.calls == []


async def test_a_bound_token_and_the_gateway_of_a_body(made: Any, rest: Any) -> None:
    run = Run(made, rest)
    bound = made.token(gateways=("team-a",))
    assert (await run("team-a", bound)).gateway.id == "team-a"
    assert (await run("team-b", bound, cf_aig_gateway_id="team-a")).gateway.id == "team-a"
    rest.calls.clear()
    for named in ("team-b", "nope", "default", None, ""):
        with pytest.raises(Unauthenticated) as caught:
            await run(named, bound)
        assert (caught.value.code, caught.value.message) == (10000, "Authentication error")
        assert run.call.gateway is None
    both = made.token(gateways=("default", "team-a"))
    with pytest.raises(Unauthenticated):
        await run("team-b", both)
    assert run.call.gateway is None and rest.calls == []
    assert run.maker.asked == [both.account_id]  # for the one that may pass it, and for nobody else


async def test_a_refused_body_has_its_row_where_it_belongs(made: Any, rest: Any) -> None:
    run = Run(made, rest)
    with pytest.raises(InvalidRequest):
        await run("team-a", made.token(), input=7)
    assert run.call.gateway.id == "team-a"


async def test_a_platform_model_passes_a_gateway_that_the_body_names(made: Any, rest: Any) -> None:
    run = Run(made, rest, bypass=True)
    assert (await run("team-a", made.token())).gateway.id == "team-a"
    assert (await run(None, made.token())).gateway is None
