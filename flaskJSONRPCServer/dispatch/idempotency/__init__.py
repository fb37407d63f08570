"""Idempotency keys: a call that is sent again under its key gets the stored answer, and does not run again.

A request carries the key of its whole body in the header ``Idempotency-Key``; a call carries its own key in its member
``idempotencyKey``. Only requests with keys reach this package, so all others pay nothing for it.

Source: draft-ietf-httpapi-idempotency-key-header-06.
"""
