"""Whose work it is: from the names that a server tells to those of the organisation.

What belongs here: that choice, and what is said about it. What must not be here: counters, or rows.

A name that nobody assigned stays what the server calls it, and that is told once. Only where a server tells one model,
``model`` stands for it whatever the server calls it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .options import ModelName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .counters import Served
    from .options import WorkSettings

UNKNOWN = "unknown"


class Names:
    """The names of one server's models."""

    def __init__(self, options: WorkSettings, tell: Callable[[str], None]) -> None:
        """Begin with what the settings say.

        Args:
            options: the server.
            tell: where it is told that a name is assigned to nobody.
        """
        self._options, self._tell = options, tell
        self._stands_for: str | None = None
        self._told: set[str] = set()

    def look(self, served: Iterable[Served]) -> None:
        """Decide what ``model`` stands for, from all models that a server tells at once.

        Args:
            served: names and versions.
        """
        options = self._options
        if options.model is None or self._stands_for is not None:
            return
        open_names = sorted({name for name, _ in served if name} - set(options.models) - set(options.leave_out))
        if options.model in open_names or len(open_names) == 1:
            self._stands_for = options.model if options.model in open_names else open_names[0]
        elif open_names:
            self._stands_for = ""
            shown = ", ".join(open_names[:5])
            self._once(
                f"it serves {shown}: model = {options.model!r} stands for none of them, and each is counted under its "
                'own name; assign them by models = { "its name" = "your name" }, or leave_out = ["its name"]'
            )

    def of(self, served: Served) -> ModelName | None:
        """Return what the organisation calls a model, ``None`` if it is not counted.

        Args:
            served: name and version that the server tells.
        """
        name, version = served
        options = self._options
        if name in options.leave_out:
            return None
        if name is not None and name in options.models:
            known = options.models[name]
            return known if known.model_version is not None else self._versioned(known.model, version)
        if options.model is not None and (name is None or name == self._stands_for):
            return self._versioned(options.model, version)
        if name is None:
            self._once("it does not say which model it serves, and [[work]] has no `model`: it is counted as 'unknown'")
            return ModelName(UNKNOWN, version)
        if options.model is not None or options.models:
            self._once(
                f"it serves {name!r}, which [[work]] does not assign: it is counted under that name; assign it by "
                f'models = {{ "{name}" = "your name" }}'
            )
        return ModelName(name, version)

    def state(self) -> list[Any] | None:
        """Return what ``model`` stands for, as JSON values."""
        return None if self._stands_for is None else [self._options.model, self._stands_for]

    def resume(self, state: object) -> None:
        """Go on with what ``model`` stood for in another process, if it is the same ``model``.

        Args:
            state: what ``state`` returned there; anything else changes nothing.
        """
        if isinstance(state, list) and len(state) == 2 and state[0] == self._options.model:
            self._stands_for = str(state[1])

    def _versioned(self, model: str, version: str | None) -> ModelName:
        fixed = self._options.model_version if model == self._options.model else None
        return ModelName(model, fixed or version)

    def _once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._tell(text)
