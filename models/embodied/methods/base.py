"""What every compatibility method is: a name, a tool at a version, a boundary, formulas, and an answer for a device.

What belongs here: the types that all methods share. What must not be here: any tool's formula.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from models.embodied.catalogue import AcceleratorSpec, ProcessorSpec

Constants = Mapping[str, float]
"""Constants of one tool by name; the unit of each stands in ``method_constant.csv``."""
Formula = Callable[..., float]
"""A formula of a tool: keyword arguments in, one number out, in the method's unit for it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The hardware model that a method is asked about.

    Attributes:
        model: canonical name in our catalogue; an archetype begins with ``*``.
        kind: ``accelerator``, ``cpu``, ``server`` or ``building``.
        accelerator: what we know of an accelerator, None for other kinds or where its dies are not known.
        processor: what we know of a processor, None for other kinds.
    """

    model: str
    kind: str
    accelerator: AcceleratorSpec | None = None
    processor: ProcessorSpec | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a method says about a hardware model.

    Attributes:
        kgco2e: figure [kgCO2e per unit], None where the method says nothing; never 0 for "not known".
        counts: what this figure holds.
        why: why it differs from our figure, or why there is none.
    """

    kgco2e: float | None
    counts: str
    why: str


@dataclass(frozen=True, slots=True)
class Method:
    """One tool at one version.

    Attributes:
        name: how it is selected.
        tool: name of the tool.
        version: version or commit whose behaviour is reproduced.
        counts: what it counts.
        leaves_out: what it leaves out.
        unit: unit of its figures.
        reference: where the method is described.
        defects: what is known to be wrong with it, and is reproduced.
        source_id: key of ``source.csv``; empty for a specification without constants.
        formulas: its formulas by name.
        answer: what it says about a hardware model.
    """

    name: str
    tool: str
    version: str
    counts: str
    leaves_out: str
    unit: str
    reference: str
    defects: tuple[str, ...]
    source_id: str
    formulas: Mapping[str, Formula]
    answer: Callable[[Subject], Answer]

    def evaluate(self, formula: str, **inputs: object) -> float:
        """Give the value of one formula.

        Args:
            formula: one of ``formulas``.
            **inputs: its arguments by name, in the units of its docstring.

        Raises:
            ValueError: if the formula is not known, an argument is missing or not one of its own, or a value is bad.
        """
        if formula not in self.formulas:
            msg = f"method {self.name} has no formula {formula!r}; known: {', '.join(sorted(self.formulas))}"
            raise ValueError(msg)
        try:
            return self.formulas[formula](**inputs)
        except TypeError as error:
            msg = f"method {self.name}, formula {formula}: {error}"
            raise ValueError(msg) from error


def nothing(why: str) -> Answer:
    """Give the answer of a method that says nothing about a model, with the reason."""
    return Answer(None, "", why)


def constant(constants: Constants, field: str, name: str) -> float:
    """Give a constant of a tool by a name that the caller chose.

    Args:
        constants: of the tool.
        field: what the name is, such as ``dram process``; also the prefix of the constants, ``dram.``.
        name: such as ``ddr4_10nm``.

    Raises:
        ValueError: if the tool has no constant of that name; unlike some tools we do not end the process.
    """
    prefix = field.partition(" ")[0] + "."
    if prefix + name not in constants:
        known = sorted(key.removeprefix(prefix) for key in constants if key.startswith(prefix))
        msg = f"unknown {field} {name!r}; known: {', '.join(known)}"
        raise ValueError(msg)
    return constants[prefix + name]
