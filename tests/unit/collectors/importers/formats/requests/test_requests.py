"""Logs of requests: each request once, in its minute, whoever wrote the log and however it is cut."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.importers.errors import SourceError
from collectors.importers.formats import load
from collectors.importers.run import import_format
from tests.support.measuring import landed

FORMAT = load("requests")
NOON_MS = 1_795_348_800_000
OPENAI = '"created": 1795348805, "model": "m", "usage": {"prompt_tokens": 4, "completion_tokens": 6}'
AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n2026-11-22 12:00:05.1234567,4,6\n"
PLAIN = """time,model,input tokens,Output-Tokens,status
2026-11-22T12:00:01Z,m,10,5,200
2026-11-22T12:00:59.999Z,m,20,7,ok
2026-11-22T13:01:00+01:00,m,1,2,
2026-11-22T12:01:30Z,n,3,4,500
"""


def run(tmp_path, *texts, name="log.csv", root="a", **options):
    source = tmp_path / f"logs-{root}"
    source.mkdir(parents=True, exist_ok=True)
    for number, text in enumerate(texts):
        (source / (name if len(texts) == 1 else f"{number}-{name}")).write_text(text, encoding="utf-8")
    place = source if len(texts) > 1 else source / name
    return import_format(FORMAT, place, tmp_path / f"landing-{root}", options)


def sums(tmp_path, root="a"):
    rows = landed(tmp_path / f"landing-{root}").get("work_counter", [])
    return {
        ((row["start_ms"] - NOON_MS) // 1000, row["model"]): (
            row["requests_n"],
            row["input_tokens_n"],
            row["output_tokens_n"],
        )
        for row in rows
    }


def test_requests_are_counted_in_their_minute_and_failed_ones_only_by_their_tokens(tmp_path):
    result = run(tmp_path, PLAIN)
    assert sums(tmp_path) == {(0, "m"): (2, 30, 12), (60, "m"): (1, 1, 2), (60, "n"): (0, 3, 4)}
    assert (result.rows_read, result.rows_landed, result.rows_rejected) == (4, 3, 0)
    assert any("input tokens = 'input tokens'" in text for text in result.assumptions)
    assert any("2026-11-22T12:00Z and 2026-11-22T12:01Z" in text for text in result.assumptions)
    assert {row["end_ms"] - row["start_ms"] for row in landed(tmp_path)["work_counter"]} == {60_000}


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        # OpenAI's answers, one a line.
        (f"{{{OPENAI}}}\n", "x.jsonl", {}),
        # Its batches.
        (
            f'{{"response": {{"status_code": 200, "body": {{{OPENAI}}}}}}}\n',
            "x.jsonl",
            {},
        ),
        # Azure's trace: no model, no zone, seven digits.
        (AZURE, "x.csv", {"model": "m", "zone": "UTC"}),
        # Start and end: the end counts.
        ("start_ms\tend_ms\tmodel\tprompt_tokens\toutput_tokens\n1795348799000\t1795348801000\tm\t4\t6\n", "x.tsv", {}),
        # Names of nobody else.
        (
            "when;llm;eaten;said;how\n1795348805000000;raw;4;6;ok\n",
            "x.csv",
            {"time_column": "when", "model_column": "llm", "input_column": "eaten", "output_column": "said",
             "status_column": "how", "rename": "raw=m"},
        ),
    ],
)  # fmt: skip
def test_logs_of_many_tools_say_the_same(tmp_path, text, name, options):
    run(tmp_path, text, name=name, **options)
    assert sums(tmp_path) == {(0, "m"): (1, 4, 6)}


def span(number: int, operation: str = "chat", **more) -> dict:
    attributes = {
        "gen_ai.operation.name": operation,
        "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 4,
    } | more
    told = [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
        for key, value in attributes.items()
    ]
    start_ns = (NOON_MS + number * 1000) * 1_000_000
    return {"startTimeUnixNano": str(start_ns), "endTimeUnixNano": str(start_ns + 10**9), "attributes": told}


def export(*spans: dict) -> str:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": list(spans)}]}]}) + "\n"


def test_spans_of_opentelemetry_are_requests_to_models_and_nothing_else(tmp_path):
    failed = span(3) | {"status": {"code": 2}}
    text = export(span(1), span(2, "invoke_agent"), {"attributes": []}) + export(
        failed, span(59), span(4, "execute_tool")
    )
    result = run(tmp_path, text, name="spans.jsonl")
    # The span of second 59 ends in the next minute.
    assert sums(tmp_path) == {(0, "m"): (1, 20, 8), (60, "m"): (1, 10, 4)}
    assert {row["service"] for row in landed(tmp_path)["work_counter"]} == {"shop"}
    assert (result.rows_filtered, result.rows_read) == (3, 6)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("yesterday,m,1,1,", "unparseable_time"),
        ("2026-11-22T12:00:00,m,1,1,", "unparseable_time"),
        ("12,m,1,1,", "out_of_range"),
        ("1950-01-01T00:00:00Z,m,1,1,", "out_of_range"),
        (",m,1,1,", "missing_value"),
        ("2026-11-22T12:00:00Z,,1,1,", "missing_value"),
        ("2026-11-22T12:00:00Z,m,many,1,", "unparseable_number"),
        ("2026-11-22T12:00:00Z,m,1.5,1,", "unparseable_number"),
        ("2026-11-22T12:00:00Z,m,-1,1,", "out_of_range"),
        ("2026-11-22T12:00:00Z,m,1,1,perhaps", "unknown_value"),
        ("2026-11-22T12:00:00Z,m,1", "torn_row"),
    ],
)
def test_a_bad_row_costs_no_other_and_says_why(tmp_path, line, reason):
    result = run(tmp_path, PLAIN + line + "\n")
    assert result.rejected_by_reason == {reason: 1}
    assert result.rejected[0].row == 5
    assert sums(tmp_path)[0, "m"] == (2, 30, 12)
    assert json.loads(result.rejected_file.read_text())["file"] == "log.csv"


@pytest.mark.parametrize(
    "line", ["{", "[1]", '{"resourceSpans": 5}', '{"resourceSpans": [{"scopeSpans": [{"spans": [3]}]}]}']
)
def test_a_torn_line_of_json_costs_no_other(tmp_path, line):
    good = '{"time": "2026-11-22T12:00:00Z", "model": "m", "input_tokens": 1, "output_tokens": 1}\n'
    result = run(tmp_path, good + line + "\n" + good, name="x.jsonl")
    assert result.rejected_by_reason == {"torn_row": 1}
    assert result.rejected[0].row == 2
    assert sums(tmp_path) == {(0, "m"): (2, 2, 2)}


@pytest.mark.parametrize(
    ("text", "name", "options", "message"),
    [
        ("a,b\n1,2\n", "x.csv", {}, "no column that is known for a time; it has a, b: name it with --time-column"),
        (PLAIN, "x.csv", {"time_column": "t"}, "has no column 't'; it has time, model"),
        ("[{}]\n", "x.json", {}, "jq -c"),
        ("time,model\nx,m\n", "x.csv", {}, "not one request"),
        (PLAIN, "x.csv", {"rename": "m"}, "LOGGED=YOURS"),
        (PLAIN, "x.csv", {"zone": "CEST"}, "unknown zone"),
        ("", "x.csv", {}, "not one request"),
    ],
)
def test_what_is_no_log_of_requests_lands_nothing(tmp_path, text, name, options, message):
    with pytest.raises(SourceError, match=message):
        run(tmp_path, text, name=name, **options)
    assert not landed(tmp_path)


def test_tokens_that_nobody_logs_are_not_known_and_single_ones_are_told(tmp_path):
    run(tmp_path, "time,model\n2026-11-22T12:00:00Z,m\n", root="none")
    assert sums(tmp_path, "none") == {(0, "m"): (1, None, None)}
    result = run(tmp_path, "time,model,input_tokens\n2026-11-22T12:00:00Z,m,5\n2026-11-22T12:00:00Z,m,\n", root="one")
    assert sums(tmp_path, "one") == {(0, "m"): (2, 5, None)}
    assert any("1 answered requests do not tell their input tokens" in text for text in result.findings)


def test_the_same_log_twice_changes_nothing_and_packed_ones_are_read(tmp_path):
    first = run(tmp_path, PLAIN)
    again = run(tmp_path, PLAIN)
    assert first.files_new > 0
    assert (again.files, again.files_new) == (first.files, 0)
    packed = tmp_path / "packed.csv.gz"
    packed.write_bytes(gzip.compress(PLAIN.encode()))
    import_format(FORMAT, packed, tmp_path / "landing-gz", {})
    assert sums(tmp_path, "gz") == sums(tmp_path)


LOG = st.lists(
    st.tuples(st.integers(0, 600_000), st.sampled_from("mn"), st.integers(0, 99), st.integers(0, 99), st.booleans()),
    min_size=1,
    max_size=60,
)


def _text(log) -> str:
    lines = [f"{NOON_MS + at},{model},{i},{o},{'ok' if good else 'error'}\n" for at, model, i, o, good in log]
    return "ts_ms,model,input_tokens,output_tokens,status\n" + "".join(lines)


@settings(max_examples=40, deadline=None)
@given(log=LOG, cut=st.integers(0, 60))
def test_however_a_log_is_cut_and_shuffled_no_request_is_lost_or_counted_twice(tmp_path_factory, log, cut):
    """The oracle counts requests one by one."""
    root: Path = tmp_path_factory.mktemp("cut")
    want: dict[tuple, Counter] = {}
    for at, model, inputs, outputs, good in log:
        want.setdefault((at // 60_000 * 60, model), Counter()).update(r=good, i=inputs, o=outputs)
    expected = {key: (count["r"], count["i"], count["o"]) for key, count in want.items()}
    run(root, _text(log), root="one")
    assert sums(root, "one") == expected
    parts = [part for part in (log[:cut], log[cut:]) if part]
    run(root, *[_text(part) for part in parts], root="parts")
    assert sums(root, "parts") == expected
    # Two imports of logs that follow one another, told to end where they end.
    ordered = sorted(log)
    if len({at for at, *_ in ordered}) > 1:
        middle = next(n for n in range(1, len(ordered)) if ordered[n][0] != ordered[n - 1][0])
        for part in (ordered[:middle], ordered[middle:]):
            run(root, _text(part), name=f"{part[0][0]}.csv", root="cut", edges="cut")
        rows = landed(root / "landing-cut")["work_counter"]
        keys = [(row["start_ms"], row["end_ms"], row["model"]) for row in rows]
        assert len(set(keys)) == len(keys)
        got: dict[tuple, Counter] = {}
        for row in rows:
            key = ((row["start_ms"] - NOON_MS) // 60_000 * 60, row["model"])
            got.setdefault(key, Counter()).update(
                r=row["requests_n"], i=row["input_tokens_n"], o=row["output_tokens_n"]
            )
        assert {key: (c["r"], c["i"], c["o"]) for key, c in got.items()} == expected


def test_the_example_of_the_page_lands_what_it_says(tmp_path):
    page = (Path(__file__).resolve().parents[6] / "docs" / "importers" / "requests.md").read_text(encoding="utf-8")
    text = re.search(r"<!-- example: chat.csv -->\n```\n(.*?)```", page, re.S)[1]
    run(tmp_path, text)
    model = "llama-3.1-8b"
    assert sums(tmp_path) == {(0, model): (2, 263, 76), (60, model): (1, 90, 31)}
    words = set(re.findall(r"[\w.-]+", page))
    assert {f"--{option.name.replace('_', '-')}" for option in FORMAT.options} <= words
