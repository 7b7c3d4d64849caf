"""The rules of a conversation in Converse, whatever the model: the user begins, roles alternate, nothing is blank, each
tool call is answered in the next message.
"""

from __future__ import annotations

from itertools import pairwise

from isthmus.simulator.bedrock import request as shapes
from isthmus.simulator.bedrock.request import CountedRequest
from isthmus.simulator.bedrock.rules import MOST_DOCUMENTS, MOST_IMAGES
from isthmus.simulator.bedrock.vendor import refused

_ONLY_USER = ("image", "document", "toolResult", "guardContent", "searchResult")
_ONLY_ASSISTANT = ("toolUse", "reasoningContent", "citationsContent")


def read_messages(request: CountedRequest) -> list[shapes.Message]:
    """Raises `Rejection`."""
    messages = request.messages or []
    if not messages:
        raise refused("A conversation must start with a user message. Try again with a conversation that has messages.")
    if messages[0].role != "user":
        raise refused(
            "A conversation must start with a user message. Try again with a conversation that starts with a user "
            "message."
        )
    for before, after in pairwise(messages):
        if before.role == after.role:
            raise refused(
                "A conversation must alternate between user and assistant roles. Make sure the conversation alternates "
                "between user and assistant roles and try again."
            )
    for place, message in enumerate(messages):
        _check_content(message, f"messages.{place}")
        _check_documents(message)
    _check_tool_config(request, messages)
    for place, message in enumerate(messages):
        _check_results(message, messages[place - 1] if place else None, f"messages.{place}")
    if messages[-1].role == "assistant" and _uses(messages[-1]):
        raise refused(_expected(len(messages), _uses(messages[-1])))
    _check_system(request)
    return messages


def _check_content(message: shapes.Message, where: str) -> None:
    if not message.content:
        raise refused(
            f"The content field in the Message object at {where} is empty. Add a ContentBlock object to the content "
            "field and try again."
        )
    wrong = _ONLY_ASSISTANT if message.role == "user" else _ONLY_USER
    for index, block in enumerate(message.content):
        place = f"{where}.content.{index}"
        _check_blank(block.text, place)
        if misplaced := [name for name in wrong if getattr(block, name) is not None]:
            raise refused(f"The {misplaced[0]} field at {place} can't be used in a message of the {message.role} role.")
        if block.toolResult is not None:
            _check_result_content(block.toolResult, f"{place}.toolResult")
        if block.cachePoint is not None:
            before = message.content[index - 1] if index else None
            _check_cache_point(before, place)


def _check_blank(text: str | None, where: str) -> None:
    if text is not None and not text.strip():
        raise refused(
            f"The text field in the ContentBlock object at {where} is blank. Add text to the text field, and try again."
        )


def _check_result_content(result: shapes.ToolResultBlock, where: str) -> None:
    if not result.content and result.status == "error":
        raise refused(f"The content field at {where} cannot be empty when status value is error.")
    for index, part in enumerate(result.content):
        if part.text is not None and not part.text.strip():
            raise refused(
                f"The text field in the ToolResultContentBlock object at {where}.content.{index} is blank. Add text to "
                "the text field, and try again."
            )


def _check_cache_point(before: shapes.ContentBlock | None, where: str) -> None:
    if before is None or before.cachePoint is not None:
        raise refused(f"A cachePoint at {where} has no content before it.")
    if before.reasoningContent is not None:
        raise refused(
            "Cache point cannot be inserted after reasoning block. Please remove the invalid cache point and try again."
        )


def _check_documents(message: shapes.Message) -> None:
    documents = [block.document for block in message.content if block.document is not None]
    if documents and not any(block.text for block in message.content):
        raise refused("A message with a document must also have a text block. Add a text block and try again.")
    if len(documents) > MOST_DOCUMENTS:
        raise refused(f"A message can have up to {MOST_DOCUMENTS} documents, this one has {len(documents)}.")
    names = [document.name for document in documents]
    if len(set(names)) < len(names):
        raise refused("Documents of one request must have different names. Rename one and try again.")
    if len([block for block in message.content if block.image is not None]) > MOST_IMAGES:
        raise refused(f"A message can have up to {MOST_IMAGES} images.")


def _check_tool_config(request: CountedRequest, messages: list[shapes.Message]) -> None:
    blocks = [block for message in messages for block in message.content]
    if request.toolConfig is None and any(block.toolUse or block.toolResult for block in blocks):
        raise refused("The toolConfig field must be defined when using toolUse and toolResult content blocks.")


def _check_results(message: shapes.Message, before: shapes.Message | None, where: str) -> None:
    results = [block.toolResult.toolUseId for block in message.content if block.toolResult is not None]
    calls = _uses(before) if before is not None else []
    if missing := [call for call in calls if call not in results]:
        raise refused(_expected(int(where.rpartition(".")[2]), missing))
    if len(results) > len(calls):
        raise refused(
            f"The number of toolResult blocks at {where}.content exceeds the number of toolUse blocks of previous turn."
        )


def _expected(place: int, missing: list[str]) -> str:
    return f"Expected toolResult blocks at messages.{place}.content for the following Ids: {', '.join(missing)}"


def _uses(message: shapes.Message) -> list[str]:
    return [block.toolUse.toolUseId for block in message.content if block.toolUse is not None]


def _check_system(request: CountedRequest) -> None:
    for index, block in enumerate(request.system or ()):
        if block.text is not None and not block.text.strip():
            raise refused(
                f"The text field in the SystemContentBlock object at system.{index} is blank. Add text to the text "
                "field, and try again."
            )
        if block.cachePoint is not None and (not index or (request.system or ())[index - 1].cachePoint is not None):
            raise refused(f"A cachePoint at system.{index} has no content before it.")
