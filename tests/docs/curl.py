"""The part of curl that the documentation uses, so that its examples run on machines without curl."""

import argparse
import http.client
import shlex
import socket
import ssl
from urllib.parse import urlsplit

_PARSER = argparse.ArgumentParser(prog="curl", exit_on_error=False)
_PARSER.add_argument("-H", "--header", action="append", default=[])
_PARSER.add_argument("-d", "--data")
_PARSER.add_argument("-X", "--request")
_PARSER.add_argument("-i", "--include", action="store_true")
_PARSER.add_argument("--unix-socket")
_PARSER.add_argument("--cacert")
_PARSER.add_argument("url")


def curl(command):
    """Run a curl command line and return what it prints."""
    arguments = _PARSER.parse_args(shlex.split(command)[1:])
    headers = {"Accept": "*/*"}
    if arguments.data is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    headers |= dict(header.split(": ", 1) for header in arguments.header)
    url = urlsplit(arguments.url)
    connection = connect(url, arguments.cacert)
    if arguments.unix_socket is not None:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(arguments.unix_socket)
    target = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
    method = arguments.request or ("GET" if arguments.data is None else "POST")
    connection.request(method, target, arguments.data, headers)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    head = [
        f"HTTP/1.1 {response.status} {response.reason}",
        *(f"{name}: {text}" for name, text in response.getheaders()),
    ]
    return "\n".join([*head, "", body]) if arguments.include else body


def connect(url, trusted):
    if url.scheme == "http":
        return http.client.HTTPConnection(url.hostname, url.port, timeout=10)
    context = ssl.create_default_context(cafile=trusted)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # as curl does
    return http.client.HTTPSConnection(url.hostname, url.port, timeout=10, context=context)
