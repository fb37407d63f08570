"""Each call has its own context variables."""

import contextvars
import decimal
import threading

from flaskJSONRPCServer.runtime.contexts import own_context

VARIABLE = contextvars.ContextVar("variable", default=0)


def in_new_thread(function):
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


def test_variables_set_before_are_visible_and_variables_set_inside_do_not_leak():
    def run():
        VARIABLE.set(1)
        seen = own_context().run(VARIABLE.get)
        own_context().run(VARIABLE.set, 2)
        return seen, VARIABLE.get()

    assert in_new_thread(run) == (1, 1)


def set_precision(precision):
    decimal.getcontext().prec = precision


def test_decimal_context_of_the_thread_is_copied():
    def run():
        set_precision(7)
        seen = own_context().run(lambda: decimal.getcontext().prec)
        own_context().run(set_precision, 3)
        return seen, decimal.getcontext().prec

    assert in_new_thread(run) == (7, 7)


def test_decimal_context_is_new_if_the_thread_has_none():
    def run():
        own_context().run(set_precision, 3)
        return decimal.getcontext().prec

    assert in_new_thread(run) == decimal.DefaultContext.prec
