"""XML by shape, both directions; what the query, EC2 and REST-XML protocols share.

https://smithy.io/2.0/spec/protocol-traits.html#xml-bindings
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree as ET
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from botocore.model import ListShape, MapShape, Shape, StructureShape

from tidegate.cloud.gateway.protocols.scalars import from_text, malformed, to_text

_RETURN = {"\r": "&#13;"}  # a parser would read a bare one as a line's end
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # https://www.w3.org/TR/xml/#charsets
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


def xml_text(text: str) -> str:
    """Return a text escaped; a character that no XML document can hold becomes the replacement character."""
    return escape(_NO_XML.sub("\ufffd", text), _RETURN)


def write_members(shape: StructureShape, value: Any, *, timestamp_format: str = "iso8601") -> str:
    """Return a structure's members as elements, without an element around them."""
    parts = []
    for name, member in shape.members.items():
        each = value.get(name)
        if each is None or member.serialization.get("xmlAttribute"):
            continue
        parts.append(write(member, member.serialization.get("name", name), each, timestamp_format=timestamp_format))
    return "".join(parts)


def write(shape: Shape, name: str, value: Any, *, timestamp_format: str = "iso8601") -> str:
    """Return a value as one element of this name (a flattened list: as several)."""
    if isinstance(shape, StructureShape):
        inner = write_members(shape, value, timestamp_format=timestamp_format)
        return f"<{name}{_attributes(shape, value)}>{inner}</{name}>"
    if isinstance(shape, ListShape):
        member = shape.member
        flat = shape.serialization.get("flattened")
        each_name = (member.serialization.get("name") or name) if flat else member.serialization.get("name", "member")
        items = "".join(write(member, each_name, each, timestamp_format=timestamp_format) for each in value)
        return items if flat else f"<{name}>{items}</{name}>"
    if isinstance(shape, MapShape):
        key_name = shape.key.serialization.get("name", "key")
        value_name = shape.value.serialization.get("name", "value")
        flat = shape.serialization.get("flattened")
        entry = name if flat else "entry"
        entries = "".join(
            f"<{entry}>{write(shape.key, key_name, key)}"
            f"{write(shape.value, value_name, each, timestamp_format=timestamp_format)}</{entry}>"
            for key, each in value.items()
        )
        return entries if flat else f"<{name}>{entries}</{name}>"
    return f"<{name}>{xml_text(to_text(shape, value, timestamp_format))}</{name}>"


def _attributes(shape: StructureShape, value: Any) -> str:
    text = ""
    namespace = shape.serialization.get("xmlNamespace")
    if namespace:
        prefix = namespace.get("prefix")
        text += f" xmlns{':' + prefix if prefix else ''}={quoteattr(namespace['uri'])}"
    for name, member in shape.members.items():
        if member.serialization.get("xmlAttribute") and value.get(name) is not None:
            text += f" {member.serialization['name']}={quoteattr(str(value[name]))}"
    return text


def parse(content: bytes) -> ET.Element:
    """Return the root element. Document type declarations are refused: no entity is ever expanded."""
    builder = ET.TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")

    def refuse(*_: Any) -> None:
        raise malformed("the request's body has a document type declaration")

    def start(name: str, attributes: dict[str, str]) -> None:
        builder.start(name.rpartition("}")[2], {key.rpartition("}")[2]: each for key, each in attributes.items()})

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda name: builder.end(name.rpartition("}")[2])
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(content, True)
        return builder.close()
    except (expat.ExpatError, AssertionError):
        raise malformed("the request's body is not well-formed XML") from None


def read(shape: Shape, element: ET.Element) -> Any:
    """Turn an element (as `parse` gives it) into the plain value of its shape."""
    if isinstance(shape, StructureShape):
        result = {}
        for name, member in shape.members.items():
            wire_name = member.serialization.get("name", name)
            if member.serialization.get("xmlAttribute"):
                attribute = element.get(wire_name.rpartition(":")[2])
                if attribute is not None:
                    result[name] = from_text(member, attribute)
                continue
            if isinstance(member, (ListShape, MapShape)) and member.serialization.get("flattened"):
                inner = member.member.serialization.get("name") if isinstance(member, ListShape) else None
                found = element.findall(inner or wire_name) or element.findall(wire_name)
                if found:
                    result[name] = _read_items(member, found)
                continue
            child = element.find(wire_name)
            if child is not None:
                result[name] = read(member, child)
        return result
    if isinstance(shape, (ListShape, MapShape)):
        return _read_items(shape, list(element))
    return from_text(shape, element.text or "")


def _read_items(shape: ListShape | MapShape, elements: list[ET.Element]) -> Any:
    if isinstance(shape, ListShape):
        return [read(shape.member, each) for each in elements]
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    result = {}
    for each in elements:
        value = each.find(value_name)
        if value is not None:
            result[each.findtext(key_name, "")] = read(shape.value, value)
    return result
