"""A page as a tree, for asking what must hold of every page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "link", "br", "input", "hr", "img"}


@dataclass
class Element:
    """One element; text of its own and of what is inside in `text`."""

    name: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    def walk(self) -> Iterator[Element]:
        """Yield the element and everything inside it, in document order."""
        yield self
        for child in self.children:
            yield from child.walk()

    def all(self, *names: str) -> list[Element]:
        """Elements of these names."""
        return [element for element in self.walk() if element.name in names]

    def of_class(self, name: str) -> list[Element]:
        """Elements of a class."""
        return [one for one in self.walk() if name in one.attributes.get("class", "").split()]

    @property
    def text(self) -> str:
        """Text with white space made one."""
        parts = [piece for one in self.walk() for piece in one.pieces]
        return " ".join(" ".join(parts).replace("\u202f", " ").replace("\u00a0", " ").split())


class Reader(HTMLParser):
    """Reads a page strictly: what is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"{tag} has an attribute twice: {names}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1].name == tag, f"</{tag}> closes <{self._open[-1].name}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].pieces.append(data)

    def finished(self) -> Element:
        """The document, when everything is closed."""
        assert self._open == [self.root], f"left open: {[one.name for one in self._open[1:]]}"
        return self.root


def read(page: str) -> Element:
    """Read a page."""
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader.finished()
