"""Broken JSON documents made from a sound one: every field in every wrong way, and records in wrong company."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from tests.support.hostile import TIME, Mutant, broken_times, moved

Path = tuple[str | int, ...]
_RAW, _TWICE = "@raw@", "\u0001"


def mutants(body: bytes) -> list[Mutant]:
    """Return the mutants of a JSON document."""
    tree = json.loads(body)
    made = [*_whole(tree)]
    for path, value in places(tree):
        made += [Mutant(f"{_name(path)}: {name}", content) for name, content in _field(tree, path, value)]
    for path, value in places(tree):
        if isinstance(value, list) and len(value) > 2 and isinstance(value[0], dict):
            made += [*_records(tree, path)]
    return made


def places(tree: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the place of every field; of a list only the middle element stands for all."""
    if path:
        yield path, tree
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from places(value, (*path, name))
    elif isinstance(tree, list) and tree:
        yield from places(tree[len(tree) // 2], (*path, len(tree) // 2))


def text(tree: Any) -> bytes:
    """Return a tree as JSON; ``raw`` values as they are, marked keys twice."""
    dumped = json.dumps(tree).replace("\\u0001", "")
    while _RAW in dumped:
        before, _, rest = dumped.partition(f'"{_RAW}')
        literal, _, after = rest.partition(f'{_RAW}"')
        dumped = before + literal + after
    return dumped.encode()


def raw(literal: str) -> str:
    """Return a value that stands in the document as given, such as NaN."""
    return f"{_RAW}{literal}{_RAW}"


def at(tree: Any, path: Path) -> Any:
    for step in path:
        tree = tree[step]
    return tree


def with_value(tree: Any, path: Path, value: Any) -> Any:
    changed = copy.deepcopy(tree)
    at(changed, path[:-1])[path[-1]] = value
    return changed


def _name(path: Path) -> str:
    return ".".join("*" if isinstance(step, int) else step for step in path)


def _whole(tree: Any) -> Iterator[Mutant]:
    made = {name: name.encode() for name in ("null", "true", "0", "[]", "{}", '""', "[null]", "[{}]", "[[]]", "NaN")}
    sound = json.dumps(tree)
    made |= {
        "an error with status 200": b'{"error": {"code": "500", "message": "out of order"}}',
        "a message with status 200": b'{"status": "error", "message": "no data"}',
        "in a list": f"[{sound}]".encode(),
        "in an envelope": f'{{"result": {sound}}}'.encode(),
        "as text": json.dumps(sound).encode(),
        "trailing comma": (sound[:-1] + ",}").encode(),
        "single quotes": sound.replace('"', "'").encode(),
        "comment": (sound + " // end").encode(),
        "callback": f"callback({sound})".encode(),
        "a record a line": "\n".join(json.dumps({name: value}) for name, value in tree.items()).encode(),
        "100,000 levels deep": b"[" * 100_000,
        "5,000 levels deep and closed": b"[" * 5_000 + b"]" * 5_000,
        "unknown fields": json.dumps({**tree, "new": {"deep": [1, 2]}}).encode(),
        "a megabyte in a field": json.dumps({**tree, "note": "x" * 1_000_000}).encode(),
        "keys in capitals": sound.upper().encode(),
        "pretty": json.dumps(tree, indent=4).encode(),
        "keys in another order": json.dumps(tree, sort_keys=True).encode(),
    }
    yield from (Mutant(f"document: {name}", content) for name, content in made.items())


def _field(tree: Any, path: Path, value: Any) -> Iterator[tuple[str, bytes]]:
    if isinstance(path[-1], str):
        yield from _key(tree, path, value)
    changes: dict[str, Any] = {
        "null": None,
        "true": True,
        "empty text": "",
        "other text": "other",
        "empty list": [],
        "empty object": {},
        "in a list": [value],
        "in an object": {"value": value},
        "NaN": raw("NaN"),
        "Infinity": raw("Infinity"),
        "1e999": raw("1e999"),
        "-1": -1,
        "a number of 400 digits": raw("9" * 400),
        "a number of 5,000 digits": raw("9" * 5_000),
        "a long text": "x" * 100_000,
        "control characters": "\x00\x1b[2J",
        "half a surrogate pair": raw('"\\ud800"'),
        "a list of lists": [[[[[[[[value]]]]]]]],
    }
    # Without records there is nothing to refuse: what is gone shows as a gap.
    if isinstance(value, list):
        del changes["empty list"]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        changes |= {"as text": str(value), "with a comma": f"{value},0", "negative": -value - 1, "huge": value + 1e7}
        changes |= {"with unit": f"{value} g/kWh", "missing as -999": -999, "literal -Infinity": raw("-Infinity")}
    if isinstance(value, str):
        times = broken_times(value) if TIME.fullmatch(value) else {"capitals": value.upper(), "longer": value + "x"}
        changes |= times | {"as number": 1_704_067_200}
    if isinstance(value, bool):
        changes |= {"yes": "yes", "as number": int(value), "as text": str(value).lower()}
    for name, changed in changes.items():
        if changed != value or type(changed) is not type(value):
            yield name, text(with_value(tree, path, changed))


def _key(tree: Any, path: Path, value: Any) -> Iterator[tuple[str, bytes]]:
    def without(*added: tuple[str, Any]) -> bytes:
        changed = copy.deepcopy(tree)
        del at(changed, path[:-1])[path[-1]]
        at(changed, path[:-1]).update(added)
        return text(changed)

    name = str(path[-1])
    yield "missing", without()
    yield "renamed", without((f"{name}_v2", value))
    yield "key in capitals", without((name.upper(), value))
    yield "key with a blank", without((f"{name} ", value))
    yield "stated twice, null first", without((name + _TWICE, None), (name, value))
    yield "stated twice, null last", without((name, value), (name + _TWICE, None))


def _records(tree: Any, path: Path) -> Iterator[Mutant]:
    sound = at(tree, path)
    for name, change in _RECORD_CHANGES.items():
        changed = change(copy.deepcopy(sound))
        gone = name.startswith("gone: ")
        yield Mutant(f"{_name(path)}[]: {name}", text(with_value(tree, path, changed)), leaves_gap=gone)


def each_leaf(record: Any, change: Callable[[Any], Any]) -> Any:
    """Return a record with every leaf changed."""
    if isinstance(record, dict):
        return {name: each_leaf(value, change) for name, value in record.items()}
    return [each_leaf(value, change) for value in record] if isinstance(record, list) else change(record)


def _times(change: Callable[[str], Any]) -> Callable[[list[Any]], list[Any]]:
    def on_leaf(leaf: Any) -> Any:
        return change(leaf) if isinstance(leaf, str) and TIME.fullmatch(leaf) else leaf

    return lambda records: [each_leaf(record, on_leaf) for record in records]


def _numbers(change: Callable[[Any], Any]) -> Callable[[list[Any]], list[Any]]:
    def on_leaf(leaf: Any) -> Any:
        return change(leaf) if isinstance(leaf, (int, float)) and not isinstance(leaf, bool) else leaf

    return lambda records: [each_leaf(record, on_leaf) for record in records]


def _middle(change: Callable[[Any], Any]) -> Callable[[list[Any]], list[Any]]:
    def on_middle(records: list[Any]) -> list[Any]:
        place = len(records) // 2
        return [*records[:place], change(records[place]), *records[place + 1 :]]

    return on_middle


def _one(change: Callable[[list[Any]], list[Any]]) -> Callable[[Any], Any]:
    return lambda record: change([record])[0]


def _shuffled(records: list[Any]) -> list[Any]:
    random.Random(7).shuffle(records)
    return records


def _swapped_times(record: dict[str, Any]) -> dict[str, Any]:
    names = [name for name, value in record.items() if isinstance(value, str) and TIME.fullmatch(value)]
    if len(names) > 1:
        record[names[0]], record[names[1]] = record[names[1]], record[names[0]]
    return record


def _conflicting(records: list[Any]) -> list[Any]:
    return [*records, _numbers(lambda number: number + 1)([records[len(records) // 2]])[0]]


_RECORD_CHANGES: dict[str, Callable[[list[Any]], Any]] = {
    "reversed": lambda records: records[::-1],
    "shuffled": _shuffled,
    "each one twice": lambda records: records + records,
    "a page loop of 50 rounds": lambda records: records * 50,
    "one stated again with other numbers": _conflicting,
    "all stated again with other numbers": lambda records: records + _numbers(lambda number: number + 1)(records),
    "gone: the middle one": lambda records: records[: len(records) // 2] + records[len(records) // 2 + 1 :],
    "gone: the last one": lambda records: records[:-1],
    "gone: all": lambda _: [],
    "null for one": _middle(lambda _: None),
    "a number for one": _middle(lambda _: 5),
    "a text for one": _middle(lambda _: "x"),
    "a list for one": _middle(lambda record: [record]),
    "an empty object for one": _middle(lambda _: {}),
    "null for all": lambda records: [None] * len(records),
    "by number in an object": lambda records: {str(place): record for place, record in enumerate(records)},
    "in a list of its own": lambda records: [records],
    "with unknown fields": lambda records: [{**record, "extra": {"a": [1]}} for record in records],
    "all times naive": _times(lambda time: broken_times(time).get("naive", time)),
    "all times dates": _times(lambda time: time[:10]),
    "all times numbers": _times(lambda _: 1_704_067_200),
    "all times a year on": _times(lambda time: moved(time, 366 * 86_400)),
    "all times a century on": _times(lambda time: moved(time, 36_525 * 86_400)),
    "all times a month back": _times(lambda time: moved(time, -31 * 86_400)),
    "all times the same": _times(lambda _: "2024-03-05T01:00:00Z"),
    "all times with an odd offset of 7 minutes": _times(lambda time: moved(time, 7 * 60 + 1)),
    "all times with +00:00": _times(lambda time: time.replace("Z", "+00:00")),
    "one time shifted by an hour": _middle(_one(_times(lambda time: moved(time, -3_600)))),
    "one time shifted by half a step": _middle(_one(_times(lambda time: moved(time, 150)))),
    "one time shifted by a day": _middle(_one(_times(lambda time: moved(time, 86_400)))),
    "times of one swapped": _middle(_swapped_times),
    "all numbers text": _numbers(str),
    "all numbers null": _numbers(lambda _: None),
    "all numbers negative": _numbers(lambda number: -number - 1),
    "all numbers true": _numbers(lambda _: True),
    "all numbers NaN": _numbers(lambda _: raw("NaN")),
    "all numbers in another unit": _numbers(lambda number: number * 1_000),
    "one number missing as -999": _middle(_one(_numbers(lambda _: -999))),
    "one number missing as text": _middle(_one(_numbers(lambda _: "NA"))),
}
