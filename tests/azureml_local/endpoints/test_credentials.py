from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from azureml_local.endpoints.credentials import EndpointCredentials, EndpointKeys, Refusal
from azureml_local.errors import AzureError
from azureml_local.store import ResourceStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENDPOINT = "/subscriptions/s/onlineEndpoints/Price"


@pytest.fixture
def credentials(tmp_path: Path) -> Iterator[EndpointCredentials]:
    store = ResourceStore(tmp_path / "state.db")
    yield EndpointCredentials(store)
    store.close()


def test_keys_are_made_once_and_survive_a_restart(tmp_path: Path) -> None:
    store = ResourceStore(tmp_path / "state.db")
    keys = EndpointCredentials(store).keys(ENDPOINT)
    store.close()
    assert keys.primary != keys.secondary
    store = ResourceStore(tmp_path / "state.db")
    assert EndpointCredentials(store).keys(ENDPOINT.lower()) == keys
    store.close()


def test_either_key_opens_and_nothing_else_does(credentials: EndpointCredentials) -> None:
    keys = credentials.keys(ENDPOINT)
    check = credentials.authenticator(ENDPOINT, "Key").check
    assert check(f"Bearer {keys.primary}") is None
    assert check(f"bearer {keys.secondary}") is None
    denied = Refusal(401, "key_auth_access_denied")
    assert check(f"Bearer {keys.primary}x") == denied
    assert check("Bearer schlüssel") == denied
    assert check(f"Bearer {credentials.keys('/other').primary}") == denied
    malformed = Refusal(401, "key_auth_bad_header_forbidden")
    assert check(None) == malformed
    assert check(keys.primary) == malformed
    assert check("Bearer ") == malformed
    assert check(f"Basic {keys.primary}") == malformed


def test_a_regenerated_key_replaces_only_itself(credentials: EndpointCredentials) -> None:
    old = credentials.keys(ENDPOINT)
    new = credentials.regenerate(ENDPOINT, "Primary")
    assert new.primary != old.primary
    assert new.secondary == old.secondary
    assert credentials.regenerate(ENDPOINT, "Secondary", "mine") == EndpointKeys(new.primary, "mine")
    assert credentials.regenerate(ENDPOINT, "primary", new.primary).primary != new.primary
    with pytest.raises(AzureError, match="'third' is not a key type"):
        credentials.regenerate(ENDPOINT, "third")
    check = credentials.authenticator(ENDPOINT, "Key").check
    assert check(f"Bearer {old.primary}") is not None
    assert check("Bearer mine") is None


def test_forgotten_keys_do_not_open_an_endpoint_of_the_same_name(credentials: EndpointCredentials) -> None:
    old = credentials.keys(ENDPOINT)
    credentials.forget(ENDPOINT)
    assert credentials.keys(ENDPOINT) != old


def test_a_token_opens_its_endpoint_until_it_expires(credentials: EndpointCredentials) -> None:
    check = credentials.authenticator(ENDPOINT, "AMLToken").check
    token = credentials.issue_token(ENDPOINT)
    assert token.refresh_after < token.expires_at
    assert check(f"Bearer {token.access_token}") is None
    expired = credentials.issue_token(ENDPOINT, lifetime=-1)
    assert check(f"Bearer {expired.access_token}") == Refusal(401, "token_auth_expired")
    other = credentials.issue_token("/other")
    assert check(f"Bearer {other.access_token}") == Refusal(401, "token_auth_access_denied")
    assert check(f"Bearer {credentials.keys(ENDPOINT).primary}") == Refusal(401, "token_auth_access_denied")


def test_entra_tokens_are_checked_by_the_identity(credentials: EndpointCredentials) -> None:
    def verify(authorization: str | None) -> None:
        if authorization != "Bearer good":
            raise AzureError(401, "InvalidAuthenticationToken", "no")

    check = credentials.authenticator(ENDPOINT, "AADToken", verify).check
    assert check("Bearer good") is None
    assert check("Bearer bad") == Refusal(401, "aad_auth_access_denied")
    assert credentials.authenticator(ENDPOINT, "AADToken").check("Bearer good") is not None
