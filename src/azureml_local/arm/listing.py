"""Lists: archived filter, equality filters, order and pages with a nextLink."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from azureml_local.errors import bad_request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from azureml_local.store import Resource

_PAGE = 100
_PAGE_LIMIT = 1000
_VIEWS: dict[str, Callable[[bool], bool]] = {
    "activeonly": lambda archived: not archived,
    "archivedonly": lambda archived: archived,
    "all": lambda _: True,
}
_ORDERS: dict[str, Callable[[Resource], str]] = {
    "createdtime": lambda resource: resource.created_at,
    "createdat": lambda resource: resource.created_at,
    "modifiedtime": lambda resource: resource.modified_at,
    "updatedat": lambda resource: resource.modified_at,
}


def page(
    resources: list[Resource],
    query: Mapping[str, str],
    url: str,
    present: Callable[[Resource], dict[str, Any]],
) -> dict[str, Any]:
    """Return one page of a list as ARM sends it.

    Parameters
    ----------
    resources
        All that match, in order of creation.
    query
        Query parameters, names in lower case.
    url
        Address of the list without a query, for the link to the next page.
    present
        Returns the body of a resource as it goes out.
    """
    chosen = ordered(viewed(resources, query), query)
    top, skip = _number(query, "$top"), _number(query, "$skip") or 0
    # `count` is how many one page of the endpoint collections holds; `$top` bounds the whole list.
    size = min(_number(query, "count") or _PAGE, _PAGE_LIMIT)
    end = len(chosen) if top is None else min(len(chosen), _number(query, "$until") or skip + top)
    content: dict[str, Any] = {
        "value": [present(resource) for resource in chosen[skip : min(skip + size, end)]]
    }
    if skip + size < end:
        following = dict(query) | {"$skip": str(skip + size)}
        if top is not None:
            following["$until"] = str(end)
        content["nextLink"] = f"{url}?{urlencode(following)}"
    return content


def viewed(resources: list[Resource], query: Mapping[str, str]) -> list[Resource]:
    """Keep what ``listViewType`` asks for; archived ones are hidden by default."""
    view = query.get("listviewtype", "ActiveOnly")
    # On some paths the SDK sends the name of its enumeration's member: "ListViewType.ACTIVE_ONLY".
    keeps = _VIEWS.get(view.removeprefix("ListViewType.").replace("_", "").lower())
    if keeps is None:
        raise bad_request(f"The value '{view}' is not valid for ListViewType.", target="listViewType")
    return [resource for resource in resources if keeps(bool(resource.properties.get("isArchived")))]


def ordered(resources: list[Resource], query: Mapping[str, str]) -> list[Resource]:
    """Sort as ``$orderBy`` asks (``createdtime desc``)."""
    order = query.get("$orderby", "").split()
    if not order:
        return resources
    key = _ORDERS.get(order[0].lower())
    if key is None:
        raise bad_request(f"Cannot order by '{order[0]}'.", target="$orderBy")
    indexed = sorted(enumerate(resources), key=lambda item: (key(item[1]), item[0]))
    if len(order) > 1 and order[1].lower() == "desc":
        indexed.reverse()
    return [resource for _, resource in indexed]


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if not text:
        return None
    if not text.isdigit():
        raise bad_request(f"The value '{text}' is not valid for {name}.", target=name)
    return int(text)
