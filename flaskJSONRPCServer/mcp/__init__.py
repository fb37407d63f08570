"""The functions of a server as tools for language models: the Model Context Protocol, version 2026-07-28.

``server.mcp()`` opens the endpoint, and ``registerFunction(..., mcp=True)`` makes a function a tool. `docs/mcp.md`
explains both.
"""

from ..contract.tool_options import Tool
from .asking.ask import CannotAskError, InputRequiredError, ask, ask_all, client_offers
from .asking.questions import Form, FormAnswer, ListRoots, Sample, Visit
from .authorization import Authorization, Grant
from .calls.leaving import ProtocolError, begin_task
from .calls.log_messages import log
from .content import Audio, EmbeddedResource, Image, ResourceLink, Text, ToolResult
from .features.completion import Completion
from .features.prompt_messages import Message
from .features.resources import ResourceNotFoundError

__all__ = [
    "Audio",
    "Authorization",
    "CannotAskError",
    "Completion",
    "EmbeddedResource",
    "Form",
    "FormAnswer",
    "Grant",
    "Image",
    "InputRequiredError",
    "ListRoots",
    "Message",
    "ProtocolError",
    "ResourceLink",
    "ResourceNotFoundError",
    "Sample",
    "Text",
    "Tool",
    "ToolResult",
    "Visit",
    "ask",
    "ask_all",
    "begin_task",
    "client_offers",
    "log",
]
