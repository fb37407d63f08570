"""The error of all commands."""

__all__ = ["CommandError"]


class CommandError(Exception):
    """The command cannot be carried out. The message is for the user of the command line."""
