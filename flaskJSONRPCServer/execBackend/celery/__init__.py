"""The exec backend ``celery``: runs calls in Celery workers. It imports Celery, so it is imported when it is used."""

from .backend import DEFAULT_HEADERS, CeleryBackend

__all__ = ["DEFAULT_HEADERS", "CeleryBackend"]
