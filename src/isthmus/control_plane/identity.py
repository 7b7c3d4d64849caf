"""Who calls: token verification, and the accounts that a token speaks for (control-plane 11)."""

from __future__ import annotations

from typing import Any

from isthmus.control_plane.api_request import ApiRequest
from isthmus.control_plane.envelope import Answer, Message, success
from isthmus.control_plane.instant import write_instant
from isthmus.control_plane.paging import read_page
from isthmus.control_plane.publish import Publisher
from isthmus.core.account import Account
from isthmus.errors import NotFound
from isthmus.validation.fields import one_problem

PER_PAGE_MAX = 50
INVALID_TOKEN = 1000
"""An error's code: told by the verify calls alone, where any other call says 10000."""

VALID_TOKEN = Message(code=10000, message="This API Token is valid and active")


class IdentityCalls:
    def __init__(self, publisher: Publisher[Any]) -> None:
        self._publisher = publisher

    async def verify_token(self, request: ApiRequest) -> Answer:
        """Whoever comes so far has a live token."""
        shown = {"id": request.token.id, "status": "active"}
        if request.token.expires_on is not None:
            shown["expires_on"] = write_instant(request.token.expires_on)
        return success(shown, messages=[VALID_TOKEN])

    async def list_accounts(self, request: ApiRequest) -> Answer:
        page = read_page(request, PER_PAGE_MAX)
        direction = request.asked("direction") or "asc"
        if direction not in ("asc", "desc"):
            message = f"Invalid enum value. Expected 'asc' | 'desc', received '{direction}'"
            raise one_problem(message, "query", "direction")
        part = (request.asked("name") or "").casefold()
        found = [
            account
            for account in self._publisher.configuration.accounts
            if account.id == request.token.account_id and part in account.name.casefold()
        ]
        found.sort(key=lambda account: account.name, reverse=direction == "desc")
        shown = [_shape(account) for account in page.cut(found)]
        return success(shown, page=page.info(len(shown), len(found)))

    async def get_account(self, request: ApiRequest) -> Answer:
        for account in self._publisher.configuration.accounts:
            if account.id == request.account_id:
                return success(_shape(account))
        raise NotFound("No route for the URI")


def _shape(account: Account) -> dict[str, object]:
    return {
        "id": account.id,
        "name": account.name,
        "type": "standard",
        "created_on": write_instant(account.created_at),
    }
