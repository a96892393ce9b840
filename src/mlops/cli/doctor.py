"""``mlops doctor``: what an environment lacks, and the exact remedy."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

import typer

from mlops.cli.context import JsonOption
from mlops.cli.output import Output
from mlops.errors import ControlPlaneError, ProjectError
from mlops.settings import ROOT, load
from mlops.settings.together import STACKS, load_together

if TYPE_CHECKING:
    from mlops.github import GitHub
    from mlops.onboarding.azure import Azure
    from mlops.onboarding.doctor import Findings
    from mlops.settings import Environment

__all__ = ["add_commands"]

_FREE_GIB: Final = 3
_CLOUD_TOOLS: Final = ("git", "make", "az", "gh", "pulumi")
_LOCAL_TOOLS: Final = ("git", "make")


def add_commands(app: typer.Typer) -> None:
    """Add ``doctor`` to the command line."""
    app.command("doctor", epilog="Example: `mlops doctor dev`")(doctor)


def doctor(
    environment: Annotated[str, typer.Argument(metavar="ENV", help="local, dev, staging or prod.")] = "local",
    repository: Annotated[
        str | None, typer.Option(help="OWNER/NAME; the remote origin by default.", metavar="OWNER/NAME")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Look at tools, login, rights, names, quota, policies and GitHub, and change nothing.

    Exit code 1 when a check failed or could not look.
    """
    from mlops.onboarding.doctor import Findings, Report

    output = Output(as_json)
    settings = load(environment)
    findings = Findings()
    if settings.control_plane == "embedded":
        _check_local(findings)
    else:
        _check_cloud(findings, settings, repository, output)
    report = Report(environment, tuple(findings.checks))
    output.result(report.to_dict(), report.to_text())
    if not report.healthy:
        raise typer.Exit(1)


def _check_local(findings: Findings) -> None:
    from mlops.cli.local import instance_at
    from mlops.client import Home
    from mlops.onboarding.doctor.machine import check_tools

    check_tools(findings, ROOT, names=_LOCAL_TOOLS)
    home = Home.from_environment(ROOT)
    findings.group = "control plane"
    state = instance_at(home).status()
    if state.ready:
        findings.passed("embedded control plane", f"{state.base_url} (process {state.pid})")
    elif state.running:
        findings.warned("embedded control plane", "it starts, or hangs", "mlops local down && mlops local up")
    else:
        findings.passed("embedded control plane", "down; mlops local up starts it")
    place = next(one for one in (home.path, *home.path.parents) if one.exists())
    free = shutil.disk_usage(place).free / 2**30
    found = f"{free:.0f} GiB free at {place}"
    findings.judge("disk", free >= _FREE_GIB, found, f"free {_FREE_GIB} GiB, or set MLOPS_HOME elsewhere")
    writable = os.access(place, os.W_OK)
    findings.judge("folder", writable, str(home.path), "set MLOPS_HOME to a folder of yours")


def _check_cloud(findings: Findings, settings: Environment, repository: str | None, output: Output) -> None:
    from mlops.onboarding.azure import AZURE
    from mlops.onboarding.doctor import machine

    machine.check_tools(findings, ROOT, names=_CLOUD_TOOLS)
    if not _check_settings(findings, settings):
        return
    output.progress("asking GitHub …")
    github = _github(findings, repository)
    origin = _origin(findings, github) if github else None
    output.progress("asking Azure …")
    azure = _azure(findings, settings)
    hosts = {
        urlsplit(azure.endpoint if azure else AZURE).hostname or "": "to Azure",
        "login.microsoftonline.com": "to Microsoft Entra",
        "api.github.com": "to GitHub",
    }
    machine.check_reach(findings, hosts, machine.reach)
    if azure:
        _check_declared(findings, settings, azure, github, origin, output)
    if github and origin:
        from mlops.onboarding.doctor.github import check_gates, check_reviews

        production = settings.profile == "prod"
        check_gates(findings, github, settings.name, production=production)
        owners = ROOT / ".github" / "CODEOWNERS"
        check_reviews(findings, github, origin[1], settings.name, production=production, owners=owners)


def _check_settings(findings: Findings, settings: Environment) -> bool:
    from mlops.client import UNSET_ID

    findings.group = "settings"
    try:
        load_together(ROOT)
        findings.passed("all environments together", ", ".join(STACKS))
    except ProjectError as error:
        findings.failed("all environments together", f"{error.what} {error.where}", error.next_step or "")
        return False
    ids = settings.azure
    known = UNSET_ID not in {ids.subscription_id, ids.tenant_id}
    found = ids.subscription_id if known else "no subscription or no directory yet"
    findings.judge("ids", known, found, "mlops init --subscription ID")
    own = not settings.project.owner.endswith("@example.com")
    findings.judge("owner", own, settings.project.owner, "mlops init --owner MAIL", warn=True)
    if settings.profile == "prod":
        base = settings.images.base
        remedy = "images.base: NAME@sha256:… in environments/base.yaml"
        findings.judge("base of images", bool(base), base or "a tag, which moves", remedy, warn=True)
    return known


def _github(findings: Findings, repository: str | None) -> GitHub | None:
    from mlops.cli import clouds
    from mlops.github import repository_of

    findings.group = "login"
    try:
        return clouds.open_github(repository or repository_of(ROOT))
    except ControlPlaneError as error:
        findings.failed("GitHub", f"{error.got}", error.next_step or "")
    except ProjectError as error:
        findings.failed("GitHub", f"{error.what} {error.got}", error.next_step or "")
    return None


def _origin(findings: Findings, github: GitHub) -> tuple[str, str] | None:
    from mlops.onboarding.doctor.github import check_repository

    return check_repository(findings, github)


def _azure(findings: Findings, settings: Environment) -> Azure | None:
    from mlops.cli import clouds
    from mlops.onboarding.doctor.azure import check_login

    azure = clouds.open_azure(settings)
    return azure if check_login(findings, azure, settings, os.environ) else None


def _check_declared(
    findings: Findings,
    settings: Environment,
    azure: Azure,
    github: GitHub | None,
    origin: tuple[str, str] | None,
    output: Output,
) -> None:
    """Check what the programs declare; without GitHub's prefix only what does not need it."""
    from mlops.cli.declared import declare
    from mlops.onboarding.doctor import azure as checks
    from mlops.onboarding.doctor.delivery import check_delivery

    checks.check_subscription(findings, azure, settings)
    output.progress(f"rendering what {settings.name} declares …")
    prefix, branch = origin or ("", "main")
    declaration = declare(ROOT, settings.name, subject_prefix=prefix, branch=branch)
    made = declaration.prerequisites.resources
    with findings.about("rights", "rights"):
        checks.check_permissions(findings, azure, made)
    checks.check_names(findings, azure, (*made, *declaration.stack))
    checks.check_quota(findings, azure, settings)
    checks.check_policies(findings, azure, (*made, *declaration.stack))
    if github and origin:
        output.progress("comparing with what bootstrap makes …")
        check_delivery(findings, declaration.prerequisites, azure, github, contract=declaration.contract)
    else:
        findings.group = "bootstrap"
        findings.unknown("what bootstrap makes", "GitHub could not be asked", "see the group github above")
