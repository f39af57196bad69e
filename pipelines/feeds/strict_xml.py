"""XML without document types, entities or deep nesting, as small elements by local name.

What belongs here: reading text into elements, and one element out of another with an error that names the place. What
must not be here: the shape of any one source.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.parsers import expat

from pipelines.feeds.feed import FeedError
from pipelines.feeds.strict_json import ShapeError, shown

MAX_DEPTH = 32
"""Deepest nesting that is read [elements]; ENTSO-E's documents have six."""


@dataclass(slots=True)
class Element:
    """One element.

    Attributes:
        name: local name; which namespace (version of the schema) it is of is left out.
        text: text directly inside of it.
        children: elements inside of it, in order.
    """

    name: str
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def all(self, name: str) -> list[Element]:
        """Give the elements of a name directly inside."""
        return [child for child in self.children if child.name == name]

    def optional(self, name: str) -> Element | None:
        """Give the element of a name, or None.

        Raises:
            ShapeError: if there is more than one.
        """
        found = self.all(name)
        if len(found) > 1:
            msg = f"{self.name}: {len(found)} elements {name}, one is needed"
            raise ShapeError(msg)
        return found[0] if found else None

    def only(self, *path: str) -> Element:
        """Give the one element along a path of names.

        Raises:
            ShapeError: if there is none, or more than one.
        """
        here = self
        for name in path:
            found = here.optional(name)
            if found is None:
                msg = f"{here.name}: {name} is missing"
                raise ShapeError(msg)
            here = found
        return here

    def unknown_part(self, known: frozenset[str]) -> str | None:
        """Give the name of an element inside that has parts of its own and is not known; None if there is none.

        A renamed part would otherwise be taken for a missing one.
        """
        return next((child.name for child in self.children if child.children and child.name not in known), None)

    def only_text(self, *path: str) -> str:
        """Give the text of the one element along a path, without blanks around it."""
        return self.only(*path).text.strip()


def load(body: bytes, what: str) -> Element:
    """Give the root element of an XML text.

    Args:
        body: the text.
        what: name of the document, for errors.

    Raises:
        FeedError: ``not_the_format`` if it is no XML, declares a document type or an entity, or nests too deeply.
    """
    reader = _Reader()
    try:
        return reader.read(body)
    except (expat.ExpatError, ValueError, LookupError) as error:
        text = f"{what} is no XML that we read ({shown(str(error))}); it begins with {shown(body[:80])}"
        raise FeedError(reason="not_the_format", message=text) from None


class _Reader:
    """Builds elements from what expat reports."""

    def __init__(self) -> None:
        self._open: list[Element] = []
        self._root: Element | None = None
        self._parts: list[str] = []

    def read(self, body: bytes) -> Element:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._data
        parser.StartDoctypeDeclHandler = _refuse
        parser.EntityDeclHandler = _refuse
        parser.Parse(body, True)
        if self._root is None:
            msg = "there is no element"
            raise ValueError(msg)
        return self._root

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        if len(self._open) >= MAX_DEPTH:
            msg = f"nested deeper than {MAX_DEPTH} elements"
            raise ValueError(msg)
        element = Element(name.rpartition(" ")[2])
        if self._open:
            self._open[-1].children.append(element)
        else:
            self._root = element
        self._open.append(element)

    def _end(self, _name: str) -> None:
        self._open.pop()

    def _data(self, text: str) -> None:
        if self._open and text.strip():
            self._open[-1].text += text


def _refuse(*_declared: object) -> None:
    """Refuse a document type or an entity: no source has one, and both can blow up memory or read files."""
    msg = "it declares a document type or an entity"
    raise ValueError(msg)
