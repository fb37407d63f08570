"""The error of all commands."""

__all__ = ["CommandError"]


class CommandError(Exception):
    """The command cannot be carried out. The message is for the user of the command line.

    Attributes:
        status: The exit status.
    """

    status = 2
