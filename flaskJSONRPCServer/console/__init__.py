"""The page on which people see the methods of a server, call them, and watch it work.

It is made of static files, without a build step and without a framework.
"""

from .pages import console_urls, has_console

__all__ = ["console_urls", "has_console"]
