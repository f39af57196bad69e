"""What the fields of a logged request mean.

What belongs here: the names under which tools log them, and one request from one record. What must not be here: files.

Reference: OpenAI API, ``usage`` of a completion; Azure Public Dataset, AzureLLMInferenceDataset2023; OpenTelemetry
semantic conventions, docs/gen-ai/gen-ai-spans.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import tzinfo
from typing import NamedTuple

from ....contract import MAX_TIME_MS, MIN_TIME_MS
from ...errors import MISSING_VALUE, OUT_OF_RANGE, UNKNOWN_VALUE, UNPARSEABLE_NUMBER
from ...moments import MomentError, moment_ms

_USAGE = ("", "usage_", "response_usage_", "gen_ai_usage_", "llm_usage_")


def _tokens(*names: str) -> tuple[str, ...]:
    return tuple(f"{prefix}{name}" for prefix in _USAGE for name in names)


# Field -> names under which it is logged, the best first; blanks, dots and hyphens are written as underscores.
ALIASES: dict[str, tuple[str, ...]] = {
    "end": ("end", "end_time", "end_ms", "ended_at", "finished_at", "completed_at", "endtime", "end_time_unix_nano"),
    "time": ("time", "timestamp", "ts", "ts_ms", "datetime", "_timestamp", "created", "created_at", "request_time"),
    "start": ("start", "start_time", "start_ms", "started_at", "starttime", "start_time_unix_nano"),
    "model": ("model", "model_name", "gen_ai_request_model", "gen_ai_response_model", "response_model"),
    "model_version": ("model_version",),
    "service": ("service", "service_name"),
    "job_id": ("job_id",),
    "input": (
        *_tokens("input_tokens", "prompt_tokens", "input_tokens_n"),
        "contexttokens",
        "context_tokens",
        "request_tokens",
        "prompt_token_count",
    ),
    "output": (
        *_tokens("output_tokens", "completion_tokens", "output_tokens_n"),
        "generatedtokens",
        "generated_tokens",
        "response_tokens",
        "candidates_token_count",
    ),
    "status": ("status", "status_code", "http_status", "response_status_code", "state", "outcome"),
    "error": ("error", "error_type", "error_message", "exception"),
}
WORDS = {"end": "end", "time": "time", "start": "start", "input": "input tokens", "output": "output tokens"}
_GOOD = {"ok", "success", "succeeded", "successful", "completed", "complete", "done", "true", "stop", "length", "unset"}
_BAD = {
    "error",
    "failed",
    "failure",
    "fail",
    "timeout",
    "cancelled",
    "canceled",
    "aborted",
    "abort",
    "rejected",
    "false",
}
_SEPARATORS = re.compile(r"[\s.\-@/]+")
_WHOLE = re.compile(r"[+-]?[0-9]+(\.0*)?\Z")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?\Z")
# A number of the years 2000 to 2100 is in exactly one of these units: their ranges do not touch.
_PER_MS = ((1_000, 1), (1, 1), (1, 1_000), (1, 1_000_000))
_HTTP_GOOD, _HTTP_BAD = range(200, 400), range(400, 600)
_MAX_TOKENS = 10**12


class FieldError(ValueError):
    """A record of which no request can be made.

    Attributes:
        reason: reason for refusing the row.
    """

    def __init__(self, reason: str, message: str) -> None:
        """Say why.

        Args:
            reason: reason for refusing the row.
            message: field, value and what is wrong with it.
        """
        self.reason = reason
        super().__init__(message)


class Who(NamedTuple):
    """Whose work a request is; the columns of ``work_counter`` of these names."""

    job_id: str | None
    service: str | None
    model: str
    model_version: str | None


class Request(NamedTuple):
    """One request.

    Attributes:
        at_ms: when it ended, or the only time that is told [epoch ms].
        who: whose work it is.
        is_answered: whether it was answered.
        input_tokens_n: tokens read, ``None`` if that is not told.
        output_tokens_n: tokens written, ``None`` if that is not told.
    """

    at_ms: int
    who: Who
    is_answered: bool
    input_tokens_n: int | None
    output_tokens_n: int | None


class Stated(NamedTuple):
    """What the options state of a log.

    Attributes:
        zone: zone of times that state none, or ``None`` if they must.
        who: model, version, service and job of requests that name none; an empty model is none.
        names: model as it is logged -> what the organisation calls it.
    """

    zone: tzinfo | None
    who: Who
    names: Mapping[str, str]


def plain(name: str) -> str:
    """Return the name of a field in the form of ``ALIASES``."""
    return _SEPARATORS.sub("_", name.strip().lower())


def request_of(record: Mapping[str, str], stated: Stated) -> Request:
    """Return the request of a record.

    Args:
        record: text of each field, by the keys of ``ALIASES``; a missing or empty one is not told.
        stated: what the options state.

    Raises:
        FieldError: if it is none.
    """
    moment = next((text for name in ("end", "time", "start") if (text := record.get(name))), None)
    if moment is None:
        raise FieldError(MISSING_VALUE, "time: it has none")
    model = record.get("model") or stated.who.model
    if not model:
        raise FieldError(MISSING_VALUE, "model: it names none; say whose requests these are with --model")
    who = Who(
        record.get("job_id") or stated.who.job_id,
        record.get("service") or stated.who.service,
        stated.names.get(model, model),
        record.get("model_version") or stated.who.model_version,
    )
    return Request(
        time_ms(moment, stated.zone),
        who,
        _is_answered(record.get("status"), record.get("error")),
        _count("input tokens", record.get("input")),
        _count("output tokens", record.get("output")),
    )


def time_ms(text: str, zone: tzinfo | None) -> int:
    """Return a time [epoch ms]: ISO 8601, or seconds, milli-, micro- or nanoseconds since 1970.

    Args:
        text: the time as logged.
        zone: zone of a text that states none.

    Raises:
        FieldError: if it is none of these, or not of the years 2000 to 2100.
    """
    if _NUMBER.match(text):
        whole, _, rest = text.partition(".")
        for times, over in _PER_MS:
            at_ms = (int(whole) * times + (int((rest + "000")[:3]) if times > 1 else 0)) // over
            if MIN_TIME_MS <= at_ms <= MAX_TIME_MS:
                return at_ms
        raise FieldError(OUT_OF_RANGE, f"time: {text} is no time since 1970 between the years 2000 and 2100")
    try:
        # Python reads six digits of a second; clouds write seven and more.
        at_ms = moment_ms(re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", text), zone)
    except MomentError as error:
        hint = "; say its zone with --zone" if "has no zone" in str(error) else ""
        raise FieldError(error.reason, f"time: {error}{hint}") from error
    if not MIN_TIME_MS <= at_ms <= MAX_TIME_MS:
        raise FieldError(OUT_OF_RANGE, f"time: {text} is not between the years 2000 and 2100")
    return at_ms


def _count(name: str, text: str | None) -> int | None:
    if not text:
        return None
    if not _WHOLE.match(text):
        raise FieldError(UNPARSEABLE_NUMBER, f"{name}: {text!r} is no whole number")
    count = int(text.partition(".")[0])
    if not 0 <= count < _MAX_TOKENS:
        raise FieldError(OUT_OF_RANGE, f"{name}: {text} is no number of tokens of one request")
    return count


def _is_answered(status: str | None, error: str | None) -> bool:
    """Return whether a request was answered; one of which nothing is told was.

    Raises:
        FieldError: if the status is not one that is known.
    """
    if error and error.lower() not in ("none", "null", "false", "0"):
        return False
    if not status:
        return True
    word = status.strip().lower().removeprefix("status_code_").partition(" ")[0]
    if word.isdigit() and (int(word) in _HTTP_GOOD or int(word) in _HTTP_BAD):
        return int(word) in _HTTP_GOOD
    if word not in _GOOD | _BAD:
        raise FieldError(UNKNOWN_VALUE, f"status: {status!r} is neither an HTTP status nor ok, error and the like")
    return word in _GOOD
