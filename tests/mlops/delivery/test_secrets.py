"""Planted secrets are found and masked, what only looks like one is not, and this repository holds none."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from mlops.cli.application import run
from mlops.delivery.secrets import MASK, mask, scan, scan_text

ROOT = Path(__file__).resolve().parents[3]
# Put together here, so that this file holds no secret itself.
PLANTED = {
    "private key": "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    "Azure storage or service key": "Account" + f"Key={'Ab3+' * 21}A==",
    "Azure key with its checksum": "Ab3/" * 19 + "+ASt" + "Ab3xyZ==",
    "signature of a shared access address": "https://x.blob.core.windows.net/c?sv=2024&sig="
    + "aB3%2F" * 8
    + "%3D",
    "client secret of Entra": "abc8" + "Q~" + "x1Y_" * 8 + "z",
    "GitHub token": "gh" + "p_" + "a1B2" * 9,
    "Pulumi access token": "pul" + "-" + "0f" * 20,
    "signed web token": "eyJ" + "hbGciOiJI" * 2 + ".eyJ" + "zdWIiOiIx" * 2 + "." + "s1g" * 5,
    "bearer token": "Authorization: " + "Bearer " + "a1b2c3d4" * 4,
    "AWS access key": "AKIA" + "ABCDEFGH23456723",
    "webhook of Slack or Teams": "https://hooks.slack.com/" + "services/T000/B000/" + "x" * 24,
    "password in an address": "postgres://user:" + "hunter2hunter2" + "@db.internal/x",
    "password in plain words": "pass" + 'word: "correct-horse-battery"',
}
HARMLESS = [
    "uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1",
    "--hash=sha256:" + "0a" * 32,
    '"integrity": "sha512-' + "Ab3+" * 21 + 'Ab=="',
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg",
    "password: ${{ secrets.PASSWORD }}",
    'password = "$PASSWORD_FROM_VAULT"',
    "https://user@example.com/path:12345678@x",
    "git@github.com:contoso/mlops.git",
    "token=[masked]",
    "PULUMI_CONFIG_PASSPHRASE=…",
]


@pytest.mark.parametrize("kind", PLANTED)
def test_planted_secret_is_found_where_it_is_and_masked(kind: str) -> None:
    text = f"first line\nkey: {PLANTED[kind]} # and more\n"
    found = list(scan_text(text, "a.yaml"))
    assert kind in {leak.kind for leak in found}
    assert {str(leak).partition(": ")[0] for leak in found} == {"a.yaml:2"}
    masked = mask(text)
    assert MASK in masked
    assert list(scan_text(masked)) == []


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_is_left_alone(text: str) -> None:
    assert list(scan_text(text)) == []
    assert mask(text) == text


def test_state_file_of_pulumi_with_a_secret_in_plain_text_is_found(tmp_path: Path) -> None:
    state = {
        "checkpoint": {
            "latest": {"resources": [{"outputs": {"primaryKey": PLANTED["Azure key with its checksum"]}}]}
        }
    }
    (tmp_path / "dev.json").write_text(json.dumps(state))
    (tmp_path / "model.bin").write_bytes(b"\0" + PLANTED["GitHub token"].encode())
    leaks = scan(sorted(tmp_path.iterdir()), tmp_path)
    assert [(leak.path, leak.kind) for leak in leaks] == [("dev.json", "Azure key with its checksum")]


def test_command_looks_at_what_git_would_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("ignored\n")
    (tmp_path / "ignored").write_text(PLANTED["GitHub token"])
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    assert run(["ci", "secrets"]) == 0
    (tmp_path / "new.txt").write_text(PLANTED["GitHub token"])
    assert run(["ci", "secrets", "--json"]) == 1
    said = capsys.readouterr()
    assert PLANTED["GitHub token"] not in said.out + said.err
    assert '"path": "new.txt"' in said.out
    assert run(["ci", "secrets", str(tmp_path / "nothing")]) == 2


def test_this_repository_holds_no_secret() -> None:
    assert run(["ci", "secrets"]) == 0
