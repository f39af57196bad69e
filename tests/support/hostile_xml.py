"""Broken XML documents made from a sound one: every element in every wrong way, and abuses of XML itself."""

from __future__ import annotations

import copy
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

from tests.support.hostile import BROKEN_NUMBERS, TIME, Mutant, broken_times

Element = ElementTree.Element
_LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


def mutants(body: bytes) -> list[Mutant]:
    """Return the mutants of an XML document."""
    made = [*_whole(body)]
    for path in _places(ElementTree.fromstring(body)):
        made += [*_element(body, path)]
    return made


def _places(root: Element) -> list[tuple[int, ...]]:
    """Return where elements stand, of those with the same tags down to them only the middle one."""
    found: dict[tuple[str, ...], list[tuple[int, ...]]] = {}

    def walk(element: Element, path: tuple[int, ...], tags: tuple[str, ...]) -> None:
        for place, child in enumerate(element):
            found.setdefault((*tags, child.tag), []).append((*path, place))
            walk(child, (*path, place), (*tags, child.tag))

    walk(root, (), ())
    return [paths[len(paths) // 2] for paths in found.values()]


def _whole(body: bytes) -> Iterator[Mutant]:
    sound = body.decode().partition("?>")[2] or body.decode()
    root = ElementTree.fromstring(body)
    space = root.tag.partition("}")[0].lstrip("{") if "}" in root.tag else ""
    made = {
        "billion laughs": f'<!DOCTYPE x [<!ENTITY l0 "ha">{_LAUGHS}]><x>&l9;</x>',
        "quadratic entity": f'<!DOCTYPE x [<!ENTITY a "{"a" * 100_000}">]><x>{"&a;" * 1_000}</x>',
        "external entity": '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
        "external document type": f'<!DOCTYPE x SYSTEM "http://192.0.2.1/x.dtd">{sound}',
        "unknown entity": sound.replace("</", "&nothing;</", 1),
        "no namespace": sound.replace(f' xmlns="{space}"', ""),
        "other namespace": sound.replace(space, "urn:other:1") if space else f"<other>{sound}</other>",
        "in an envelope": f"<envelope>{sound}</envelope>",
        "a tag that stays open": sound.rpartition("</")[0],
        "tags that cross": sound.replace("</", "</x", 1),
        "100,000 levels deep": "<a>" * 100_000,
        "an instruction": f"<?php die() ?>{sound}",
        "a comment of a megabyte": sound + "<!--" + "x" * 1_000_000 + "-->",
        "other root": "<Error><Message>no data</Message></Error>",
        "JSON": '{"error": "no data"}',
        "says latin-1": f'<?xml version="1.0" encoding="latin-1"?>{sound}',
        "says UTF-16": f'<?xml version="1.0" encoding="UTF-16"?>{sound}',
        "says an unknown encoding": f'<?xml version="1.0" encoding="x-none"?>{sound}',
    }
    yield from (Mutant(f"document: {name}", content.encode()) for name, content in made.items())


def _element(body: bytes, path: tuple[int, ...]) -> Iterator[Mutant]:
    def fresh() -> tuple[Element, Element, Element]:
        root = ElementTree.fromstring(body)
        parent = root
        for place in path[:-1]:
            parent = parent[place]
        return root, parent, parent[path[-1]]

    def made(name: str, root: Element) -> Mutant:
        return Mutant(f"{label}: {name}", ElementTree.tostring(root))

    _, _, sound = fresh()
    label = _name(body, path)
    root, parent, element = fresh()
    parent.remove(element)
    yield made("missing", root)._replace(leaves_gap=len(element) > 0)
    root, parent, element = fresh()
    element.tag += "V2"
    yield made("renamed", root)
    root, parent, element = fresh()
    parent.append(copy.deepcopy(element))
    yield made("stated twice", root)
    for name, broken in _texts((sound.text or "").strip()).items():
        root, _, element = fresh()
        element.text = broken
        yield made(name, root)


def _name(body: bytes, path: tuple[int, ...]) -> str:
    """Return the local names down to an element."""
    here, names = ElementTree.fromstring(body), []
    for place in path:
        here = here[place]
        names.append(here.tag.rpartition("}")[2])
    return "/".join(names)


def _texts(text: str) -> dict[str, str]:
    if not text:
        return {}
    texts = {"empty": "", "other": "other", "long": "x" * 100_000, "blank inside": text[:1] + " " + text[1:]}
    if TIME.fullmatch(text):
        return texts | broken_times(text)
    if text.lstrip("-").replace(".", "", 1).isdigit():
        return texts | {f"number {broken[:6]!r}": broken for broken in BROKEN_NUMBERS}
    return texts
