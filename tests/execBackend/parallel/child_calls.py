"""Calls that a ChildServer makes inside the process of the tests."""

import pickle
import threading

from flaskJSONRPCServer.execBackend.parallel.messages import make_call_message

REQUEST = {
    "headers": {"X-Asked": "yes"},
    "cookies": {"c": "1"},
    "environ": {"SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8080", "wsgi.input": threading.Lock()},
    "remote_addr": "192.0.2.1",
}


def call_message_for(server, method, params=None, *, path="/api/", request=REQUEST, is_jsonp=False, notify=False):
    """Return a call as it arrives in a child."""
    route = server._engine.router.table.find(path, method)
    data = {"method": method, "params": params, "id": None if notify else 1, "notify": notify}
    return pickle.loads(
        pickle.dumps(make_call_message(server._backend_context, route, "the id", data, request, is_jsonp))
    )


def run_call(server, child_server, method, params=None, *, path="/api/", **options):
    """Make a call, and return its outcome as it arrives in the parent."""
    function = server._engine.router.table.find(path, method).function
    call_message = call_message_for(server, method, params, path=path, **options)
    return pickle.loads(child_server.pack(call_message, child_server.call(call_message, function))[0])
