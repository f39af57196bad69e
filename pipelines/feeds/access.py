"""What every client needs from the configuration: variables of the environment, times in an address.

What belongs here: reading of settings. What must not be here: requests and answers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from pipelines.feeds.feed import FeedError, Settings


def variable(environ: Mapping[str, str], name: str, title: str) -> str:
    """Give the value of an environment variable, without blanks around it.

    Args:
        environ: the environment.
        name: name of the variable.
        title: the source that needs it, for the message.

    Raises:
        FeedError: ``not_configured`` if it is not set or empty.
    """
    found = environ.get(name, "").strip()
    if not found:
        msg = f"{title} needs the environment variable {name}, which is not set"
        raise FeedError(reason="not_configured", message=msg)
    return found


def signals(settings: Settings, default: tuple[str, ...], known: Collection[str], title: str) -> tuple[str, ...]:
    """Give the signals that are wanted, each once.

    Raises:
        FeedError: ``not_configured`` if one is not known.
    """
    wanted = tuple(dict.fromkeys(settings.signals or default))
    unknown = [name for name in wanted if name not in known]
    if unknown:
        msg = f"{title} has no signal {unknown[0]!r}: `signals` may hold {', '.join(sorted(known))}"
        raise FeedError(reason="not_configured", message=msg)
    return wanted


def iso_utc(time_ms: int, form: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    """Give a moment as text in UTC.

    Args:
        time_ms: the moment [epoch ms UTC].
        form: as for ``strftime``.
    """
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime(form)
