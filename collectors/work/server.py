"""One inference server: asking it for its counters.

What belongs here: one reading, from the address to the series that count work. What must not be here: what a counter
says since the reading before (``counters``), threads (``poller``).

Only the lines that count work are parsed: a server states hundreds of others, and the agent has better things to do.

Reference: Prometheus, "Exposition formats".
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from ..metrics.asking import ask
from ..metrics.text import MetricsTextError, parse_metrics_text
from ..sources.http_client import HttpClient, HttpError
from .known import KNOWN, PROCESS_START

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..metrics.text import Sample
    from .known import WorkMetric
    from .options import WorkSettings

_EOF = "# EOF"
_MAX_COUNT = 2**53  # above it a floating-point number is no exact count any more
MAX_SERIES = 10_000
"""Most series of one server; more of them are a mistake, and would cost the host its memory."""


class Point(NamedTuple):
    """One series of a metric that counts work.

    Attributes:
        metric: what it counts.
        served: name that the server gives the model, ``None`` if it tells none.
        version: version that the server tells, or ``None``.
        value: its value.
        created_s: when the counter was created [epoch s, the server's clock], ``None`` if it is not told.
    """

    metric: WorkMetric
    served: str | None
    version: str | None
    value: int
    created_s: float | None = None


class WorkReading(NamedTuple):
    """What a server said at one moment.

    Attributes:
        taken_ns: when, on the monotonic clock [ns].
        points: series by name and labels.
        start_s: when its process began [epoch s, the server's clock], ``None`` if it is not told.
    """

    taken_ns: int
    points: dict[str, Point]
    start_s: float | None = None


class WorkServer:
    """Asks one inference server for its counters."""

    def __init__(
        self, options: WorkSettings, *, monotonic_ns: Callable[[], int], environ: Mapping[str, str] | None = None
    ) -> None:
        """Name the server; nothing is asked yet.

        Args:
            options: which server.
            monotonic_ns: the monotonic clock [ns].
            environ: environment that holds the token; by default this process's.
        """
        self._options, self._monotonic_ns = options, monotonic_ns
        self._environ = os.environ if environ is None else environ
        parts = urlsplit(options.url)
        self._path = (parts.path or "/metrics") + (f"?{parts.query}" if parts.query else "")
        self._kind = KNOWN[options.kind]
        self._known = self._kind.by_name()
        created = {metric.created for metric in self._kind.metrics}
        self._wanted = (PROCESS_START, *self._known, *created)
        self._client = HttpClient(
            options.url,
            timeout_s=options.timeout_s,
            max_bytes=options.max_bytes,
            ca_file=options.ca_file,
            is_verified=options.is_verified,
        )

    def read(self, at_most_s: float = math.inf) -> WorkReading:
        """Return what the server says now.

        Args:
            at_most_s: a shorter time than usual [s].

        Raises:
            HttpError: if there is no answer that can be used; the message says why.
        """
        began_ns = self._monotonic_ns()
        self._client.begin(at_most_s)
        body, is_open = ask(self._client, self._path, self._options.token_env, self._environ)
        # The middle of the call is the best guess at when the answer was true.
        taken_ns = began_ns + (self._monotonic_ns() - began_ns) // 2
        try:
            text = body.decode("utf-8")
            samples = self._samples(text, is_open=is_open)
        except (MetricsTextError, UnicodeDecodeError) as error:
            message = f"its answer is no metrics text: {error}"
            raise HttpError(message) from error
        reading = self._reading(taken_ns, samples)
        if not reading.points and not _has_line(text, (self._kind.prefix,)):
            # Were a page of maintenance taken for a server that has done nothing, all it ever did would count again.
            message = f"it states no metric of {self._kind.name}; {self._hint(text)}"
            raise HttpError(message, "not_supported")
        return reading

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _hint(self, text: str) -> str:
        """Return what to do about an answer without a metric of this kind."""
        kinds = [name for name, kind in KNOWN.items() if _has_line(text, tuple(kind.by_name()))]
        if kinds:
            return f'it looks like {" or ".join(kinds)}: set kind = "{kinds[0]}"'
        return "check url and kind, and that it exposes metrics"

    def _samples(self, text: str, *, is_open: bool) -> list[Sample]:
        """Return the samples of the metrics that are wanted.

        Raises:
            MetricsTextError: if one of them is malformed, or the text is cut off.
        """
        lines = text.split("\n")
        kept = [line for line in lines if line.lstrip(" \t").startswith(self._wanted) or (is_open and line == _EOF)]
        if lines[-1] and lines[-1] != _EOF:
            raise MetricsTextError(len(lines), "the last line has no end: the text is cut off")
        return list(parse_metrics_text("".join(f"{line}\n" for line in kept), openmetrics=is_open))

    def _reading(self, taken_ns: int, samples: list[Sample]) -> WorkReading:
        created: dict[tuple[str, str], float] = {}
        start_s: float | None = None
        for sample in samples:
            if sample.name == PROCESS_START and math.isfinite(sample.value):
                start_s = sample.value
            elif sample.name.endswith("_created") and math.isfinite(sample.value):
                created[sample.name, _shown(sample.labels)] = sample.value
        points: dict[str, Point] = {}
        for sample in samples:
            if not 0 <= sample.value < _MAX_COUNT:  # NaN as well
                continue
            metric = next((item for item in self._known.get(sample.name, ()) if item.counts(sample.labels)), None)
            if metric is None:
                continue
            labels = _shown(sample.labels)
            served = next((text for name in self._kind.model_labels if (text := sample.labels.get(name))), None)
            version = sample.labels.get(self._kind.version_label or "") or None
            points[f"{sample.name}{{{labels}}}"] = Point(
                metric, served, version, round(sample.value), created.get((metric.created, labels))
            )
        if len(points) > MAX_SERIES:
            message = f"it states {len(points)} series of work, more than {MAX_SERIES}: one of its labels never repeats"
            raise HttpError(message, "not_supported")
        return WorkReading(taken_ns, points, start_s)


def _has_line(text: str, starts: tuple[str, ...]) -> bool:
    return any(line.startswith(starts) for line in text.split("\n"))


def instance_of(options: WorkSettings, host: str) -> str:
    """Return the name by which rows tell this server from others that serve the same.

    Args:
        options: the server.
        host: name of the host that reads it.
    """
    parts = urlsplit(options.url)
    path = parts.path if parts.path not in ("", "/", "/metrics") else ""
    return f"{host}/{parts.netloc}{path}"


def _shown(labels: Mapping[str, str]) -> str:
    return ",".join(f"{name}={labels[name]!r}" for name in sorted(labels))
