"""Certificates for tests that serve or call over TLS."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificates:
    """A certificate authority, and the key and certificate files of a server on this machine."""

    authority: trustme.CA
    key: Path
    certificate: Path

    @property
    def files(self):
        """Return the value for the option `ssl`."""
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
    certificates = Certificates(authority, folder / "key.pem", folder / "cert.pem")
    issued.private_key_pem.write_to_path(certificates.key)
    for pem in issued.cert_chain_pems:
        pem.write_to_path(certificates.certificate, append=True)
    return certificates
