"""The turns of a conversation, from and to OpenAI's `messages`."""

from __future__ import annotations

from isthmus.wire.openai_chat.messages.read import read_image, read_messages
from isthmus.wire.openai_chat.messages.write import Turns, write_messages

__all__ = ["Turns", "read_image", "read_messages", "write_messages"]
