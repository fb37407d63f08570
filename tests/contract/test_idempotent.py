"""The option ``idempotent``, from the registration to the document."""

import pytest

from flaskJSONRPCServer import RegistrationError, flaskJSONRPCServer, rpc


class Api:
    @rpc(idempotent=True)
    def read(self):
        return 1

    @rpc(idempotent=False)
    def write(self):
        return 1

    def plain(self):
        return 1


def marks(server):
    """Return the member of each method in the document; None if it has none."""
    return {method["name"]: method.get("x-idempotent") for method in server.openrpc("/api")["methods"]}


def test_document_says_which_methods_are_idempotent():
    server = flaskJSONRPCServer(None, log=0)
    server.registerInstance(Api(), path="/api")
    server.registerFunction(lambda: 1, path="/api", name="function", idempotent=True)

    @server.method("/api", idempotent=True)
    def decorated():
        return 1

    assert marks(server) == {"decorated": True, "function": True, "plain": None, "read": True, "write": None}


def test_instance_has_the_option_for_methods_that_do_not_say():
    server = flaskJSONRPCServer(None, log=0)
    server.registerInstance(Api(), path="/api", idempotent=True)

    assert marks(server)["plain"] is True


@pytest.mark.parametrize("value", [1, "yes", []])
def test_other_values_are_refused(value):
    with pytest.raises(RegistrationError, match=r"idempotent=.* is refused: it takes True or False"):
        flaskJSONRPCServer(None, log=0).registerFunction(lambda: 1, name="f", idempotent=value)
