"""The certificate authority of an instance: made once, so that a client's trust survives a restart."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import trustme

from azureml_local.identity import write_private

if TYPE_CHECKING:
    from pathlib import Path

CA_BUNDLE = "ca.pem"
_CA_KEY = "ca-key.pem"


def server_context(home: Path) -> ssl.SSLContext:
    """Return a TLS context whose certificate the instance's own authority signed for the loopback names.

    The SDK refuses to send a token over plain HTTP, and takes an authority to trust from
    ``REQUESTS_CA_BUNDLE``: the path of the bundle is ``home / CA_BUNDLE``.
    """
    authority = _authority(home)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


def _authority(home: Path) -> trustme.CA:
    bundle, key = home / CA_BUNDLE, home / _CA_KEY
    if bundle.exists() and key.exists():
        return trustme.CA.from_pem(bundle.read_bytes(), key.read_bytes())
    authority = trustme.CA()
    write_private(key, authority.private_key_pem.bytes())
    # The public half last: whoever sees it can rely on the key being there.
    write_private(bundle, authority.cert_pem.bytes())
    return authority
