"""Rules of a site that say what a Slurm job does, from its name, partition or comment.

What belongs here: reading the rules and applying them. What must not be here: any guess; a job without a rule has the
phase ``unknown``.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ....contract import PHASES
from ...errors import SourceError

PATTERNS = ("job_name", "partition", "account", "qos", "wckey", "comment")
GIVES = ("phase", "model", "model_version", "task", "team", "project")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        patterns: field -> shell pattern; all must match.
        gives: attribute of the job -> value.
    """

    patterns: dict[str, str]
    gives: dict[str, str]


class Rules:
    """The rules of a file, in its order; the first that fits decides."""

    def __init__(self, rules: list[Rule]) -> None:
        """Take the rules.

        Args:
            rules: the rules in order.
        """
        self._rules = rules

    @classmethod
    def of(cls, file: str | None) -> Rules:
        """Read a TOML file with a list ``[[rule]]``.

        Args:
            file: path, or ``None`` for no rules.

        Raises:
            SourceError: if it cannot be read or has a wrong key or value.
        """
        if file is None:
            return cls([])
        try:
            document = tomllib.loads(Path(file).read_text(encoding="utf-8"))
        except OSError as error:
            raise SourceError(file, f"cannot be read: {error.strerror}") from error
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SourceError(file, f"is no TOML: {error}") from error
        entries = document.get("rule")
        if not isinstance(entries, list) or set(document) != {"rule"}:
            raise SourceError(file, "must have a list [[rule]] and nothing else")
        return cls([_rule(file, number, entry) for number, entry in enumerate(entries, 1)])

    def apply(self, fields: dict[str, str]) -> dict[str, str]:
        """Return the attributes that the first fitting rule gives, none if no rule fits.

        Args:
            fields: fields of the job; one that is not known matches no pattern.
        """
        for rule in self._rules:
            if all(fnmatchcase(fields.get(name, "\0"), pattern) for name, pattern in rule.patterns.items()):
                return rule.gives
        return {}


def _rule(file: str, number: int, entry: Any) -> Rule:  # noqa: ANN401 - a value of TOML
    known = {*PATTERNS, *GIVES}
    if not isinstance(entry, dict) or not set(entry) <= known:
        wrong = ", ".join(sorted(set(entry) - known)) if isinstance(entry, dict) else repr(entry)
        raise SourceError(file, f"rule {number}: {wrong} is unknown; allowed are {', '.join((*PATTERNS, *GIVES))}")
    if not all(isinstance(value, str) and value for value in entry.values()):
        raise SourceError(file, f"rule {number}: every value must be a text")
    patterns = {name: entry[name] for name in PATTERNS if name in entry}
    gives = {name: entry[name] for name in GIVES if name in entry}
    if not patterns or not gives:
        raise SourceError(file, f"rule {number}: it needs one of {', '.join(PATTERNS)} and one of {', '.join(GIVES)}")
    if gives.get("phase", PHASES[0]) not in PHASES:
        raise SourceError(file, f"rule {number}: phase {gives['phase']!r} is none of {', '.join(PHASES)}")
    return Rule(patterns, gives)
