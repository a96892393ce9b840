"""The rules that an endpoint's splits of traffic keep."""

from __future__ import annotations

from azureml_local.errors import bad_request

MIRROR_LIMIT = 50


def check_traffic(traffic: dict[str, int], mirror: dict[str, int], deployments: set[str]) -> None:
    """Hold both splits to the service's rules.

    Live traffic names deployments that exist and sums to 0 or 100. Mirrored traffic goes to one deployment
    that exists, has no live traffic, and takes at most half (Azure ML, safe rollout, limits of mirroring).
    """
    lower = {name.lower() for name in deployments}
    for field, split in (("traffic", traffic), ("mirrorTraffic", mirror)):
        for name, percent in split.items():
            target = f"properties.{field}.{name}"
            if name.lower() not in lower:
                known = ", ".join(sorted(deployments)) or "none"
                raise bad_request(
                    f"The {field} names the deployment '{name}', which does not exist. Known: {known}.",
                    target,
                )
            if not 0 <= percent <= 100:
                raise bad_request(f"The {field} of '{name}' is {percent}; expected 0 to 100.", target)
    total = sum(traffic.values())
    if total not in (0, 100):
        raise bad_request(
            f"The traffic percentages sum to {total}; the sum must be 0 or 100.", "properties.traffic"
        )
    _check_mirror(traffic, {name: percent for name, percent in mirror.items() if percent})


def _check_mirror(traffic: dict[str, int], mirror: dict[str, int]) -> None:
    target = "properties.mirrorTraffic"
    if len(mirror) > 1:
        raise bad_request(f"Traffic can be mirrored to one deployment; got {', '.join(mirror)}.", target)
    for name, percent in mirror.items():
        if percent > MIRROR_LIMIT:
            raise bad_request(
                f"The mirrored percentage of '{name}' is {percent}; at most {MIRROR_LIMIT} is allowed.",
                target,
            )
        if traffic.get(name):
            raise bad_request(
                f"'{name}' receives {traffic[name]} % of the live traffic and cannot receive a mirror.",
                target,
            )
