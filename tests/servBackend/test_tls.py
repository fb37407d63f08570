"""The option `ssl`: its forms, and its errors."""

import shutil
import ssl

import pytest
from cryptography.hazmat.primitives import serialization

from flaskJSONRPCServer import SettingsError, UnsupportedError, flaskJSONRPCServer
from flaskJSONRPCServer.servBackend.tls import server_context
from tests.certificates import make_certificates

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts, reloads and collections


def make(option, **options):
    return flaskJSONRPCServer(["127.0.0.1", 0], log=0, ssl=option, **options)


@pytest.mark.parametrize("option", [False, None])
def test_disabled_tls_has_no_context(option):
    assert server_context(option) is None


@pytest.mark.parametrize("form", [list, tuple], ids=["list", "tuple"])
@pytest.mark.parametrize("convert", [str, lambda path: path], ids=["str", "path"])
def test_files_make_a_context_of_tls_1_2_and_later(certificates, form, convert):
    context = server_context(form(map(convert, certificates.files)))

    assert context.protocol == ssl.PROTOCOL_TLS_SERVER
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.maximum_version == ssl.TLSVersion.MAXIMUM_SUPPORTED


def test_context_is_used_as_it_is():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)

    assert server_context(context) is context


@pytest.mark.parametrize(
    "option",
    [True, 5, "cert.pem", ["cert.pem"], ["a", "b", "c"], [], [b"a", b"b"], ["a", None], {"a": "b"}, "ab"],
    ids=repr,
)
def test_other_values_are_refused_by_the_constructor(option):
    with pytest.raises(SettingsError) as raised:
        make(option)

    assert str(raised.value) == (
        f"ssl={option!r} is refused: it takes [key file, certificate file], an ssl.SSLContext, or False"
    )


@pytest.mark.parametrize("changed", [{"check_hostname": True, "verify_mode": ssl.CERT_REQUIRED}, None])
def test_context_for_clients_is_refused(changed):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH if changed else ssl.Purpose.SERVER_AUTH)
    for name, value in reversed((changed or {}).items()):
        setattr(context, name, value)

    with pytest.raises(SettingsError, match=r"it is for clients; make one with ssl\.create_default_context\(ssl\.Purp"):
        make(context)


@pytest.fixture
def files(certificates, tmp_path):
    """Copies of the files by name, and files with one fault each."""
    paths = {name: tmp_path / f"{name}.pem" for name in ("key", "cert", "other", "text", "encrypted", "missing")}
    shutil.copy(certificates.key, paths["key"])
    shutil.copy(certificates.certificate, paths["cert"])
    (tmp_path / "another").mkdir()
    shutil.copy(make_certificates(tmp_path / "another").key, paths["other"])
    paths["text"].write_text("no PEM", encoding="utf-8")
    key = serialization.load_pem_private_key(certificates.key.read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"secret")
    paths["encrypted"].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    )
    return {**paths, "folder": tmp_path}


BAD_FILES = [
    ("missing", "cert", "cannot read '{key}': No such file or directory"),
    ("key", "missing", "cannot read '{certificate}': No such file or directory"),
    ("folder", "cert", "cannot read '{key}': Is a directory"),
    ("cert", "key", "the two are in the wrong order; the key file comes first"),
    ("text", "cert", "'{key}' has no private key in PEM form"),
    ("cert", "cert", "'{key}' has no private key in PEM form"),
    ("key", "text", "'{certificate}' has no certificate in PEM form"),
    ("key", "key", "'{certificate}' has no certificate in PEM form"),
    ("other", "cert", "the key is not the one of the certificate, which has to come first in its file"),
    ("encrypted", "cert", "the key is encrypted; give an ssl.SSLContext that has loaded it with its password"),
]


@pytest.mark.parametrize(("key", "certificate", "message"), BAD_FILES)
def test_files_that_cannot_be_used_are_named_by_the_constructor(files, key, certificate, message):
    key, certificate = str(files[key]), str(files[certificate])
    with pytest.raises(SettingsError) as raised:
        make([key, certificate])

    option = message.format(key=key, certificate=certificate)
    assert str(raised.value) == f"ssl=[{key!r}, {certificate!r}] is refused: {option}"


def test_unknown_fault_is_described_by_openssl(files):
    text = files["key"].read_bytes()
    files["key"].write_bytes(text[:100] + b"\n" + text[-50:])

    with pytest.raises(SettingsError, match=r"key\.pem', '.*cert\.pem'\] is refused: \[SSL\]"):
        make([files["key"], files["cert"]])


def test_both_may_be_in_one_file(files):
    both = files["folder"] / "both.pem"
    both.write_bytes(files["key"].read_bytes() + files["cert"].read_bytes())

    assert server_context([both, both])


def test_files_are_read_again_at_the_start(files):
    server = make([files["key"], files["cert"]])
    key = files["key"].read_bytes()
    files["key"].unlink()
    with pytest.raises(SettingsError, match="cannot read"):
        server.start()

    files["key"].write_bytes(key)
    server.start()  # nothing of the failed start is left
    server.stop()


class Backend:
    _id = "mine"

    def __init__(self):
        self.contexts = []

    def start(self, bindAdress, wsgiApp, server, joinLoop):
        self.contexts.append(server_context(server.settings.ssl))


def test_custom_backend_without_tls_is_refused(certificates):
    with pytest.raises(UnsupportedError, match=r"^servBackend 'mine' cannot serve with ssl=.*_supportTLS"):
        make(certificates.files, servBackend=Backend())
    server = make(False, servBackend=Backend())
    server.settings.ssl = certificates.files
    with pytest.raises(UnsupportedError, match="servBackend 'mine'"):
        server.start()


@pytest.mark.parametrize("form", ["object", "dict"])
def test_custom_backend_with_tls_is_started(certificates, form):
    backend = Backend()
    backend._supportTLS = True
    server_backend = backend if form == "object" else {"_id": "mine", "start": backend.start, "_supportTLS": True}
    server = make(certificates.files, servBackend=server_backend)
    server.start()
    server.stop()

    assert [type(context) for context in backend.contexts] == [ssl.SSLContext]
