"""The Model Context Protocol (MCP): methods as tools of language models."""

from ..contract.tool_options import Tool

__all__ = ["Tool"]
