"""Spans of OpenTelemetry in JSON, one export a line, as the file exporter of its collector writes them.

What belongs here: from an export to records of requests. What must not be here: what a field means (``fields``).

A span of an agent or a workflow contains those of the models that it asked; only the latter are requests to a model.

Reference: OpenTelemetry protocol, OTLP/JSON; semantic conventions, docs/gen-ai/gen-ai-spans.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

KEY = "resourceSpans"
"""Key by which a line is known for an export."""
_OPERATIONS = {"execute_tool", "invoke_agent", "create_agent", "invoke_workflow"}
_ERROR = (2, "2", "STATUS_CODE_ERROR")
_FIELDS = {
    "model": ("gen_ai.request.model", "gen_ai.response.model"),
    "input": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "output": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "error": ("error.type",),
}


def records_of(export: dict[str, Any]) -> Iterator[dict[str, str] | None]:
    """Yield the record of each span, ``None`` for a span that is no request to a model.

    Args:
        export: one export.

    Raises:
        TypeError: if it is none.
        AttributeError: the same.
    """
    for resource in export[KEY]:
        service = _attributes(resource.get("resource", {})).get("service.name")
        for scope in resource.get("scopeSpans", []):
            for span in scope.get("spans", []):
                yield _record(span, service)


def _record(span: dict[str, Any], service: str | None) -> dict[str, str] | None:
    told = _attributes(span)
    is_model = any(name in told for names in (_FIELDS["model"], _FIELDS["input"], _FIELDS["output"]) for name in names)
    if not is_model or told.get("gen_ai.operation.name") in _OPERATIONS:
        return None
    record = {
        field: text for field, names in _FIELDS.items() if (text := next((told[n] for n in names if n in told), None))
    }
    for field, name in (("start", "startTimeUnixNano"), ("end", "endTimeUnixNano")):
        if span.get(name):
            record[field] = str(span[name])
    if span.get("status", {}).get("code") in _ERROR:
        record.setdefault("error", "error")
    if service:
        record["service"] = service
    return record


def _attributes(holder: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in holder.get("attributes", []):
        value = next(iter(item.get("value", {}).values()), None)
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            found[item["key"]] = str(value)
    return found
