"""The subject of GitHub's tokens: read from its API in every form it has."""

from __future__ import annotations

import pytest

from mlops.errors import SettingsError
from mlops.onboarding.subject import subject_prefix


@pytest.mark.parametrize(
    ("answer", "prefix"),
    [
        ({"use_default": True}, "repo:Octo-Org/Repo"),
        ({"use_default": True, "use_immutable_subject": False}, "repo:Octo-Org/Repo"),
        (
            {
                "use_default": True,
                "use_immutable_subject": True,
                "sub_claim_prefix": "repo:Octo-Org@1234/Repo@5678",
            },
            "repo:Octo-Org@1234/Repo@5678",
        ),
    ],
)
def test_the_prefix_is_what_github_says(answer: dict[str, object], prefix: str) -> None:
    assert subject_prefix(answer, "Octo-Org/Repo") == prefix


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"use_default": False, "include_claim_keys": ["repo", "job_workflow_ref"]}, "template of its own"),
        ({"use_default": True, "use_immutable_subject": True}, "not how they begin"),
        ({"use_default": True, "sub_claim_prefix": "org:octo"}, "no shape"),
    ],
)
def test_a_subject_that_would_be_guessed_is_refused(answer: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        subject_prefix(answer, "Octo-Org/Repo")
