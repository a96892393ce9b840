"""`.github/` as it is has no findings; with a fault planted, the fault is found."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from mlops.delivery.infra_report import OVERRIDE_LABEL
from tests.workflows.checks import findings
from tests.workflows.conftest import copy_github
from tests.workflows.node_service import ROOT
from tests.workflows.policy import policy_findings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.workflows.node_service import NodeService


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_github(tmp_path_factory.mktemp("spoilt"))


def test_validators_find_nothing(node: NodeService) -> None:
    assert findings(ROOT, node) == []


def test_own_rules_find_nothing() -> None:
    assert policy_findings(ROOT) == []


@dataclass(frozen=True)
class Fault:
    """A fault, where it is planted, and words of the finding that has to come of it."""

    name: str
    file: str
    old: str
    new: str
    finding: str


CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"
FORK = "&& github.event.pull_request.head.repo.full_name == github.repository"
FAULTS = (
    Fault("a-moving-tag", "workflows/ci.yml", CHECKOUT, "actions/checkout@v7", "is not pinned"),
    Fault("a-pin-without-version", "workflows/ci.yml", f"{CHECKOUT}", CHECKOUT[:-9], "is not pinned"),
    Fault(
        "two-releases-of-one-action",
        "workflows/ci.yml",
        CHECKOUT,
        CHECKOUT[:-5] + "6.0.0",
        "different releases",
    ),
    Fault(
        "input-of-an-action",
        "workflows/ci.yml",
        "persist-credentials",
        "persist-credential",
        "persist-credential",
    ),
    Fault("input-of-a-local-action", "workflows/stack.yml", 'pulumi: "true"', 'pulumy: "true"', "pulumy"),
    Fault(
        "local-action-that-is-not-there", "workflows/ci.yml", "actions/set-up", "actions/setup", "no action"
    ),
    Fault("input-of-a-called-workflow", "workflows/drift.yml", "command: drift", "comand: drift", "comand"),
    Fault("required-input-left-out", "workflows/drift.yml", "      command: drift\n", "", "command"),
    Fault(
        "caller-without-a-right",
        "workflows/infra-deploy.yml",
        "      id-token: write\n    uses: ./.github/workflows/stack.yml\n    with:\n      stack: prod",
        "    uses: ./.github/workflows/stack.yml\n    with:\n      stack: prod",
        "prod does not give",
    ),
    Fault(
        "write-all",
        "workflows/ci.yml",
        "permissions: {}\nconcurrency",
        "permissions: write-all\nconcurrency",
        "jobs name",
    ),
    Fault(
        "lost-default-shell",
        "workflows/drift.yml",
        "defaults:\n  run:\n    shell: bash\n",
        "",
        "no default shell",
    ),
    Fault(
        "and-echo", "workflows/ci.yml", "- run: make unit", "- run: make unit && echo fine", "does not stop"
    ),
    Fault(
        "apply-that-is-cancelled",
        "workflows/stack.yml",
        "cancel-in-progress: false",
        "cancel-in-progress: true",
        "can be cancelled",
    ),
    Fault("no-timeout", "workflows/ci.yml", "    timeout-minutes: 20\n", "", "timeout-minutes"),
    Fault(
        "misspelt-key", "workflows/ci.yml", "timeout-minutes: 20", "time-out-minutes: 20", "time-out-minutes"
    ),
    Fault(
        "injection",
        "workflows/ci.yml",
        "- run: make unit",
        "- run: echo '${{ github.event.pull_request.title }}'",
        "template-injection",
    ),
    Fault(
        "stored-secret",
        "workflows/stack.yml",
        "          DIGEST: ",
        "          PULUMI_ACCESS_TOKEN: ${{ secrets.PULUMI_ACCESS_TOKEN }}\n          DIGEST: ",
        "uses a stored secret",
    ),
    Fault(
        "dangerous-trigger",
        "workflows/ml-pr.yml",
        "  pull_request:\n",
        "  pull_request_target:\n",
        "strangers",
    ),
    Fault(
        "needs-what-is-not-there", "workflows/infra-pr.yml", "needs: changes\n", "needs: change\n", "change"
    ),
    Fault(
        "misspelt-context",
        "workflows/infra-pr.yml",
        "steps.changes.outputs.stacks",
        "stepz.changes.outputs.stacks",
        "stepz",
    ),
    Fault("misspelt-function", "workflows/infra-pr.yml", "fromJSON(", "fromJsn(", "fromJsn"),
    Fault(
        "unquoted-variable", "workflows/stack.yml", 'mlops ci plan "$STACK"', "mlops ci plan $STACK", "SC2086"
    ),
    Fault("broken-script", "workflows/ci.yml", "          done\n", "", "SC1"),
    Fault("duplicate-key", "workflows/ci.yml", "name: ci\n", "name: ci\nname: cj\n", "duplication of key"),
    Fault("schedule-that-never-comes", "workflows/drift.yml", '"43 2 * * *"', '"43 25 * * *"', "cron"),
    Fault("fork-with-an-identity", "workflows/ml-pr.yml", FORK, "&& true", "may be a fork's"),
    Fault(
        "gate-that-forgets-a-job",
        "workflows/ci.yml",
        "needs: [lint, unit, ",
        "needs: [lint, ",
        "does not need unit",
    ),
    Fault("gate-that-is-skipped", "workflows/ci.yml", "    if: always()\n", "", "counts as passed"),
    Fault(
        "gate-that-never-reports",
        "workflows/ci.yml",
        "  pull_request:\n",
        "  pull_request:\n    paths: [src/**]\n",
        "waits for ever",
    ),
    Fault(
        "gate-of-another-name",
        "rulesets/main.json",
        '"gate (models)"',
        '"gate (model)"',
        "the gates are called",
    ),
    Fault(
        "token-left-behind",
        "workflows/ci.yml",
        "          persist-credentials: false\n",
        "          fetch-depth: 1\n",
        "leaves its token",
    ),
    Fault(
        "identity-without-environment",
        "workflows/stack.yml",
        "    environment: ${{ inputs.stack }}\n",
        "",
        "without an environment",
    ),
    Fault(
        "preview-that-may-deploy",
        "workflows/stack.yml",
        "${{ inputs.stack }}-plan",
        "${{ inputs.stack }}",
        "may deploy",
    ),
    Fault(
        "option-that-is-not-there",
        "workflows/infra-pr.yml",
        '--stacks "$STACKS"',
        '--stack "$STACKS"',
        "no option --stack",
    ),
    Fault(
        "command-that-is-not-there",
        "workflows/infra-pr.yml",
        "mlops ci comment",
        "mlops ci remark",
        "no command remark",
    ),
    Fault(
        "called-job-without-status",
        "workflows/stack.yml",
        "    if: ${{ !cancelled() }}\n",
        "",
        "names no status",
    ),
    Fault(
        "release-that-is-deployed-twice-at-once",
        "workflows/deploy.yml",
        "group: endpoint-${{ matrix.release.environment }}-${{ matrix.release.usecase }}",
        "group: endpoints",
        "deploys without waiting",
    ),
    Fault(
        "promotion-that-writes-as-an-identity",
        "workflows/promote.yml",
        "      contents: read\n      id-token: write\n",
        "      contents: write\n      id-token: write\n",
        "writes to the repository as an identity",
    ),
    Fault(
        "promotion-whose-caller-lacks-a-right",
        "workflows/retrain.yml",
        "      id-token: write\n      pull-requests: write\n",
        "      id-token: write\n",
        "promote does not give pull-request the right pull-requests",
    ),
    Fault(
        "gate-that-forgets-releases",
        "workflows/ml-pr.yml",
        "    needs: [changes, train, azureml, alert-rules, releases]\n    if: always()",
        "    needs: [changes, train, azureml, alert-rules]\n    if: always()",
        "does not need releases",
    ),
    Fault(
        "images-that-two-runs-push-at-once",
        "workflows/images.yml",
        "group: images-${{ inputs.environment }}",
        "group: images",
        "deploys without waiting",
    ),
    Fault(
        "registry-that-is-looked-into-by-who-may-push",
        "workflows/images.yml",
        "environment: ${{ inputs.environment }}-plan",
        "environment: ${{ inputs.environment }}",
        "looks as an identity that may deploy",
    ),
    Fault(
        "images-whose-caller-lacks-a-right",
        "workflows/infra-deploy.yml",
        "      id-token: write\n    uses: ./.github/workflows/images.yml\n    with:\n      environment: dev",
        "    uses: ./.github/workflows/images.yml\n    with:\n      environment: dev",
        "dev-images does not give",
    ),
    Fault("runner-that-changes", "workflows/ci.yml", "ubuntu-24.04", "ubuntu-latest", "changes under it"),
    Fault("no-cooldown", "dependabot.yml", "    cooldown:\n      default-days: 7\n", "", "on its first day"),
    Fault("nobody-owns-workflows", "CODEOWNERS", "/.github/ ", "/.gitlab/ ", "nobody owns /.github/"),
    Fault(
        "nobody-owns-releases",
        "CODEOWNERS",
        "/environments/releases/ ",
        "/environments/release/ ",
        "nobody owns /environments/releases/",
    ),
    Fault("form-without-body", "ISSUE_TEMPLATE/model.yml", "body:\n", "bodies:\n", "github-issue-forms"),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_planted_fault_is_found(fault: Fault, spoilt: Path, node: NodeService) -> None:
    path = spoilt / ".github" / fault.file
    original = path.read_text(encoding="utf-8")
    assert fault.old in original
    path.write_text(original.replace(fault.old, fault.new), encoding="utf-8")
    try:
        found = (
            [] if path.suffix == ".json" or path.name == "CODEOWNERS" else findings(spoilt, node, fault.file)
        )
        if not any("syntax error" in one for one in found):
            found += policy_findings(spoilt)
    finally:
        path.write_text(original, encoding="utf-8")
    assert any(fault.finding in one for one in found), found


def test_label_of_the_guard_is_the_one_that_starts_the_workflow_again() -> None:
    text = (ROOT / ".github/workflows/infra-pr.yml").read_text(encoding="utf-8")
    assert "labeled, unlabeled" in text
    assert OVERRIDE_LABEL == "allow:data-loss"


def test_rulesets_protect_the_branch_and_the_tags() -> None:
    for name, target in (("main", "branch"), ("tags", "tag")):
        content = json.loads((ROOT / f".github/rulesets/{name}.json").read_text(encoding="utf-8"))
        assert (content["target"], content["enforcement"]) == (target, "active")
        assert {"deletion"} <= {rule["type"] for rule in content["rules"]}
