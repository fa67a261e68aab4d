"""XML files read element by element, in constant memory. No entity is ever expanded, none is fetched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

_CHUNK = 1 << 16
_DEEPEST = 200
_LONGEST = 16 << 10  # characters that are kept of an element's text
_LARGEST = 100_000  # elements within one that is wanted


class ReportError(Exception):
    """A report's file that cannot be used; the message says why."""


@dataclass(slots=True)
class Element:
    """An element without its namespace."""

    name: str
    attributes: Mapping[str, str]
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def child(self, name: str) -> Element | None:
        """Return the first child of a name."""
        return next((each for each in self.children if each.name == name), None)

    def get(self, attribute: str, default: str = "") -> str:
        """Return an attribute."""
        return self.attributes.get(attribute, default)


@dataclass(frozen=True, slots=True)
class Found:
    """An element that was wanted, and those that it is in, the outermost first (without their children)."""

    element: Element
    around: Sequence[Element]

    def inside(self, name: str) -> Element | None:
        """Return the innermost element of a name that this one is in."""
        return next((each for each in reversed(self.around) if each.name == name), None)


def elements(path: Path, wanted: frozenset[str], roots: Sequence[str]) -> Iterator[Found]:
    """Return the elements of these names, none within another; raise `ReportError`.

    `roots` are the names that the outermost element may have.
    """
    reader = _Reader(wanted, roots)
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.EntityDeclHandler = reader.refuse
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                parser.Parse(chunk, False)
                yield from reader.take()
            parser.Parse(b"", True)
        yield from reader.take()
    except expat.ExpatError as error:
        raise ReportError(f"XML syntax error on line {error.lineno}: {expat.ErrorString(error.code)}") from None
    except (LookupError, ValueError) as error:  # an encoding that nobody knows
        raise ReportError(str(error)) from None


class _Reader:
    def __init__(self, wanted: frozenset[str], roots: Sequence[str]) -> None:
        self._wanted = wanted
        self._roots = roots
        self._open: list[Element] = []
        self._at: int | None = None  # where among the open ones the wanted one is
        self._size = 0
        self._found: list[Found] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        element = Element(name.rpartition("}")[2], attributes)
        if not self._open and element.name not in self._roots:
            raise ReportError(f"expected element type <{self._roots[0]}> but have <{element.name}>")
        if len(self._open) >= _DEEPEST:
            raise ReportError(f"its elements are nested more than {_DEEPEST} deep")
        if self._at is not None:
            self._size += 1
            if self._size > _LARGEST:
                raise ReportError(f"an element <{self._open[self._at].name}> has more than {_LARGEST} in it")
            self._open[-1].children.append(element)
        elif element.name in self._wanted:
            self._at, self._size = len(self._open), 0
        self._open.append(element)

    def end(self, _: str) -> None:
        element = self._open.pop()
        if self._at == len(self._open):
            self._found.append(Found(element, tuple(self._open)))
            self._at = None

    def text(self, text: str) -> None:
        if self._at is not None:
            element = self._open[-1]
            element.text += text[: max(0, _LONGEST - len(element.text))]

    def refuse(self, name: str, *_: object) -> None:
        raise ReportError(f"it declares the entity {name}, which is not expanded")

    def take(self) -> list[Found]:
        found, self._found = self._found, []
        return found
