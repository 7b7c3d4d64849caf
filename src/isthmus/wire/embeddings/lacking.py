"""What several vendors lack alike: refused where the vectors would be other ones, noted where they stay the same."""

from __future__ import annotations

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.model import Model
from isthmus.core.embeddings.embed import Embed
from isthmus.errors import Unsupported


def refuse_tokens(embed: Embed, model: Model) -> None:
    """Token numbers mean something to the one tokenizer that they come from."""
    if embed.tokens:
        raise Unsupported(
            f"The model {model.name} takes texts, not the numbers of tokens: send `input` as strings.", param="input"
        )


def refuse_dimensions(embed: Embed, model: Model, given: int | None = None) -> None:
    """`given`: how many numbers its vectors have, where that is known. A vector of a model that was not made for it
    says less when it is cut, so that nothing is cut here."""
    if embed.dimensions is not None and embed.dimensions != given:
        has = "" if given is None else f": its vectors have {given} numbers"
        raise Unsupported(f"The model {model.name} does not take `dimensions`{has}. Leave it out.", param="dimensions")


def note_pooling(embed: Embed, receipt: Receipt) -> None:
    if embed.pooling is not None:
        receipt.lost("pooling", "this provider pools in its model's own way")


def note_user(embed: Embed, receipt: Receipt) -> None:
    if embed.user is not None:
        receipt.lost("user", "this provider has no field for it")
