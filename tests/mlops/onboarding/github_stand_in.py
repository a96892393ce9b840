"""GitHub's REST API on the loopback interface, for one repository."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

Answer = tuple[int, dict[str, str], Any]
REPOSITORY = "Octo-Org/churn"
# As GitHub shows people: by a role, and by what the role is based on.
ANN = {"login": "ann", "type": "User", "role_name": "admin", "permissions": {"pull": True, "push": True}}
BEN = {"login": "ben", "type": "User", "role_name": "write", "permissions": {"pull": True, "push": True}}
UPGRADE = "Upgrade to GitHub Pro or make this repository public to enable this feature."


@dataclass
class GitHubStandIn:
    """One repository; `plan` decides what a private one may have."""

    private: bool = True
    plan: str = "enterprise"
    admin: bool = True
    actions_enabled: bool = True
    may_request: bool = True
    customization: dict[str, Any] = field(
        default_factory=lambda: {
            "use_default": True,
            "use_immutable_subject": True,
            "sub_claim_prefix": "repo:Octo-Org@1234/churn@5678",
        }
    )
    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    branches: dict[str, list[str]] = field(default_factory=dict)
    variables: dict[str, dict[str, str]] = field(default_factory=dict)
    rulesets: dict[int, dict[str, Any]] = field(default_factory=dict)
    repository_variables: dict[str, str] = field(default_factory=dict)
    people: list[dict[str, Any]] = field(default_factory=lambda: [ANN, BEN])

    def answer(  # noqa: PLR0911 - one line a route
        self, method: str, path: str, query: dict[str, str], body: Any, base: str
    ) -> Answer:
        below = path.removeprefix(f"/repos/{REPOSITORY}")
        if below == path:
            return self._elsewhere(path)
        if not self.admin and method != "GET":
            return 403, {}, {"message": "Must have admin rights to Repository."}
        found = re.fullmatch(r"/environments/([^/]+)(/.*)?", below)
        if found:
            return self._environment(method, unquote(found[1]), found[2] or "", body)
        if below == "/collaborators":
            size, page = int(query["per_page"]), int(query.get("page", 1))
            link = f'<{base}{path}?per_page={size}&page={page + 1}>; rel="next"'
            headers = {"Link": link} if len(self.people) > size * page else {}
            return 200, headers, self.people[size * (page - 1) : size * page]
        if below == "/rules/branches/main":
            return self._rules()
        if below.startswith("/rulesets"):
            return self._ruleset(method, below.removeprefix("/rulesets").strip("/"), body)
        if below.startswith("/actions/variables"):
            name = below.removeprefix("/actions/variables").strip("/")
            return self._repository_variable(method, name, body)
        if below == "/actions/oidc/customization/sub":
            return 200, {}, self.customization
        if below == "/actions/permissions/workflow":
            return 200, {}, {"can_approve_pull_request_reviews": self.may_request}
        if below == "/actions/permissions":
            return 200, {}, {"enabled": self.actions_enabled}
        if below == "":
            return 200, {}, {
                "full_name": REPOSITORY, "private": self.private, "default_branch": "main",
                "permissions": {"admin": self.admin},
            }  # fmt: skip
        return 404, {}, {"message": "Not Found"}

    def _elsewhere(self, path: str) -> Answer:
        people = {"/users/ann": (200, {"id": 7, "login": "ann", "type": "User"})}
        people["/orgs/Octo-Org/teams/ml"] = (200, {"id": 42, "slug": "ml"})
        status, content = people.get(path, (404, {"message": "Not Found"}))
        return status, {}, content

    def _environment(  # noqa: PLR0911 - one line a route
        self, method: str, name: str, rest: str, body: Any
    ) -> Answer:
        if self.private and self.plan == "free":
            return (404 if method == "GET" else 403), {}, {"message": UPGRADE}
        if rest == "" and method == "PUT":
            return self._put_environment(name, body)
        if name not in self.environments:
            return 404, {}, {"message": "Not Found"}
        if rest == "":
            if method == "DELETE":
                for kept in (self.environments, self.branches, self.variables):
                    kept.pop(name, None)
                return 204, {}, None
            return 200, {}, self.environments[name]
        if rest.startswith("/deployment-branch-policies"):
            names = self.branches.setdefault(name, [])
            if method == "POST":
                names.append(body["name"])
                return 200, {}, {"name": body["name"]}
            return 200, {}, {"branch_policies": [{"name": one} for one in names]}
        return self._variable(method, self.variables.setdefault(name, {}), body)

    def _put_environment(self, name: str, body: Any) -> Answer:
        if body["reviewers"] and self.private and self.plan != "enterprise":
            message = "Failed to create the environment protection rule: see the billing plan."
            return 422, {}, {"message": message}
        rules: list[dict[str, Any]] = []
        if body["reviewers"]:
            reviewers = [{"type": one["type"], "reviewer": {"id": one["id"]}} for one in body["reviewers"]]
            rules.append({"type": "required_reviewers", "prevent_self_review": False, "reviewers": reviewers})
        policy = body["deployment_branch_policy"]
        self.environments[name] = {
            "name": name, "protection_rules": rules, "deployment_branch_policy": policy,
        }  # fmt: skip
        return 200, {}, self.environments[name]

    def _variable(self, method: str, kept: dict[str, str], body: Any) -> Answer:
        if method == "GET":
            rows = [{"name": name, "value": value} for name, value in kept.items()]
            return 200, {}, {"total_count": len(rows), "variables": rows}
        if method == "POST" and body["name"] in kept:
            return 409, {}, {"message": "Already exists - Variable already exists"}
        kept[body["name"]] = body["value"]
        return (201 if method == "POST" else 204), {}, {} if method == "POST" else None

    def _repository_variable(self, method: str, name: str, body: Any) -> Answer:
        if method in {"POST", "PATCH"}:
            self.repository_variables[body["name"]] = body["value"]
            return (201 if method == "POST" else 204), {}, None
        if name not in self.repository_variables:
            return 404, {}, {"message": "Not Found"}
        if method == "DELETE":
            del self.repository_variables[name]
            return 204, {}, None
        return 200, {}, {"name": name, "value": self.repository_variables[name]}

    def _rules(self) -> Answer:
        """Return the rules that hold for the default branch."""
        if self.private and self.plan == "free":
            return 403, {}, {"message": UPGRADE}
        return 200, {}, [
            {**rule, "ruleset_source_type": "Repository"}
            for one in self.rulesets.values()
            if one["target"] == "branch" and one["enforcement"] == "active"
            for rule in one["rules"]
        ]  # fmt: skip

    def _ruleset(self, method: str, number: str, body: Any) -> Answer:
        if self.private and self.plan == "free":
            return 403, {}, {"message": UPGRADE}
        if method == "POST":
            self.rulesets[len(self.rulesets) + 1] = body
            return 201, {}, {"id": len(self.rulesets), **body}
        if method == "PUT":
            self.rulesets[int(number)] = body
        if number:
            return 200, {}, {"id": int(number), **self.rulesets[int(number)]}
        return 200, {}, [{"id": key, "name": one["name"]} for key, one in self.rulesets.items()]
