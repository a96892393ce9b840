"""From a view to one HTML file: templates, the one script and its hash in the page's content policy."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from mlops.reporting.definitions import text_of
from mlops.reporting.formats import NOTHING, count, moment, number
from mlops.reporting.units import Unit

__all__ = ["TEMPLATES", "render"]

TEMPLATES: Final = Path(__file__).parent / "templates"
"""Where the shared style sheet lives, for the loaders of other pages."""


def render(template: str, *, data: Any, **context: Any) -> str:
    """Return a page.

    Parameters
    ----------
    template
        Name of a file in `TEMPLATES`.
    data
        JSON-ready values for the page's script.
    """
    script = _script()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template(template)
        .render(data=data, script=Markup(script), script_hash=f"sha256-{digest}", **context)  # noqa: S704  (our own file)
    )


@cache
def _script() -> str:
    return (TEMPLATES / "page.js").read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    environment.filters |= {
        "moment": moment,
        "count_of": count,
        "share": lambda value: number(value, Unit.SHARE),
    }
    environment.globals |= {"text_of": text_of, "nothing": NOTHING}
    return environment
