"""Certificates for tests that serve or call over TLS."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificates:
    """An authority, and the files of a server on this machine whose certificate it has signed."""

    authority: trustme.CA
    key: Path
    certificate: Path

    @property
    def files(self):
        """What the option `ssl` takes."""
        return [self.key, self.certificate]

    def client(self, **attributes):
        """Return the context of a client that trusts the authority."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        for name, value in attributes.items():
            setattr(context, name, value)
        return context


def make_certificates(folder):
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "::1", "localhost")
    made = Certificates(authority, folder / "key.pem", folder / "cert.pem")
    issued.private_key_pem.write_to_path(made.key)
    for pem in issued.cert_chain_pems:
        pem.write_to_path(made.certificate, append=True)
    return made
