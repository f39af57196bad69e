"""The text parser of metrics: what is rendered is read back, and what is none of the format is refused."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.metrics.text import MetricsTextError, Sample, is_openmetrics, parse_metrics_text

REPOSITORY = Path(__file__).resolve().parents[4]
NAMES = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,12}", fullmatch=True)
KEYS = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,8}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES = st.floats(allow_nan=True, allow_infinity=True)
STAMPS = st.none() | st.integers(-(10**15), 10**15)
SAMPLES = st.lists(
    st.builds(Sample, NAMES, st.dictionaries(KEYS, TEXTS, max_size=4), VALUES, STAMPS), min_size=1, max_size=8
)


def _value(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value) or repr(value)


def _escaped(text: str) -> str:
    return "".join({"\\": "\\\\", '"': '\\"', "\n": "\\n"}.get(sign, sign) for sign in text)


def _rendered(sample: Sample, *, openmetrics: bool, exemplar: str = "") -> str:
    labels = ",".join(f'{key}="{_escaped(text)}"' for key, text in sample.labels.items())
    stamp = ""
    if sample.timestamp_ms is not None:
        sign, rest = ("-", -sample.timestamp_ms) if sample.timestamp_ms < 0 else ("", sample.timestamp_ms)
        stamp = f" {sign}{rest // 1000}.{rest % 1000:03}" if openmetrics else f" {sample.timestamp_ms}"
    return f"{sample.name}{{{labels}}} {_value(sample.value)}{stamp}{exemplar}\n"


def _same(left: Sample, right: Sample) -> bool:
    values = (left.value, right.value)
    return left[:2] == right[:2] and left[3] == right[3] and (values[0] == values[1] or all(map(math.isnan, values)))


@given(SAMPLES, st.booleans())
def test_what_is_rendered_is_read_back(samples: list[Sample], openmetrics: bool) -> None:
    exemplar = ' # {trace="a\\"}b"} 1.5 1700000000.25' if openmetrics else ""
    text = "".join(_rendered(sample, openmetrics=openmetrics, exemplar=exemplar) for sample in samples)
    text += "# EOF\n" if openmetrics else ""
    read = list(parse_metrics_text(text, openmetrics=openmetrics))
    assert len(read) == len(samples)
    assert all(map(_same, read, samples))


@given(SAMPLES, st.booleans(), st.data())
def test_a_text_that_is_cut_off_is_never_read_as_if_it_were_whole(
    samples: list[Sample], openmetrics: bool, data: st.DataObject
) -> None:
    text = "".join(_rendered(sample, openmetrics=openmetrics) for sample in samples)
    text += "# EOF\n" if openmetrics else ""
    cut = text[: data.draw(st.integers(1, len(text) - 1))]
    if cut.endswith("\n") and not openmetrics:
        assert len(list(parse_metrics_text(cut))) == cut.count("\n")
    elif openmetrics and cut.endswith("# EOF"):
        assert len(list(parse_metrics_text(cut, openmetrics=True))) == len(samples)
    else:
        with pytest.raises(MetricsTextError, match=r"cut off|not a value|malformed|neither|no blank|no metric name"):
            list(parse_metrics_text(cut, openmetrics=openmetrics))


@given(st.text('ab{}="\\\n#, \t1.e+NaNIf', max_size=60) | st.text(max_size=40), st.booleans())
def test_any_text_is_read_or_refused_with_its_line(text: str, openmetrics: bool) -> None:
    lines = text.count("\n")
    try:
        read = len(list(parse_metrics_text(text, openmetrics=openmetrics)))
        bad_line = 1
    except MetricsTextError as error:
        read, bad_line = 0, error.line
    assert read <= lines
    assert 1 <= bad_line <= lines + 2


PLAIN = """
# HELP power_watts Draw \\n of the card
# TYPE power_watts gauge
power_watts 1
power_watts{} 2
\t power_watts {card="0", host="a\\"b\\\\c\\nd",}\t3e2  1700000000000
power_watts{card="}#{"}+Inf
{"hw.power","host.name"="n1"} .5
# a comment
"""


def test_the_plain_format_takes_blanks_a_last_comma_comments_and_quoted_names() -> None:
    assert list(parse_metrics_text(PLAIN)) == [
        Sample("power_watts", {}, 1.0, None),
        Sample("power_watts", {}, 2.0, None),
        Sample("power_watts", {"card": "0", "host": 'a"b\\c\nd'}, 300.0, 1_700_000_000_000),
        Sample("power_watts", {"card": "}#{"}, math.inf, None),
        Sample("hw.power", {"host.name": "n1"}, 0.5, None),
    ]


def test_stamps_are_milliseconds_in_the_plain_format_and_seconds_in_openmetrics() -> None:
    assert next(parse_metrics_text("a 1 1700000000\n")).timestamp_ms == 1_700_000_000
    text = "a 1 1700000000.0004\n# EOF"
    assert is_openmetrics(text)
    assert next(parse_metrics_text(text, openmetrics=True)).timestamp_ms == 1_700_000_000_000
    assert not is_openmetrics("a 1\n# EOF \n")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a 1\na 12", "line 2: the last line has no end"),
        ('a{x="1" 1\n', "malformed labels"),
        ('a{x="1";y="2"} 1\n', "malformed labels"),
        ("a{x=1} 1\n", "label 'x' has no value"),
        ('a{x="1",x="2"} 1\n', "label 'x' is stated twice"),
        ('a{x="\\q"} 1\n', "is no escape"),
        ('a{"b"} 1\n', "label 'b' has no value"),
        ('{x="1"} 1\n', "begins with no metric name"),
        ("1a 1\n", "begins with no metric name"),
        ("a\n", "no blank after the name"),
        ("a 1_000\n", "not a value"),
        ("a 0x1p3\n", "not a value"),
        ("a 1 1.5\n", "not a value"),
        ("a 1 # {} 1\n", "not a value"),
        ("a 1\r\n", "not a value"),
        ("# TYPE a meter\n", "type 'meter' of a is none of"),
        ("# TYPE a gauge\n# TYPE a gauge\n", "line 2: the type of a is stated twice"),
    ],
)
def test_a_line_that_is_not_of_the_plain_format_is_refused(text: str, says: str) -> None:
    with pytest.raises(MetricsTextError, match=says):
        list(parse_metrics_text(text))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a 1\n", "# EOF is missing"),
        ("", "# EOF is missing"),
        ("a 1\n# EOF\na 2\n", "line 3: there is text after # EOF"),
        ("a  1\n# EOF\n", "not a value"),
        ('a{x="1",} 1\n# EOF\n', "malformed labels"),
        ('a 1 # {x="1"\n# EOF\n', "not a value"),
        ('a 1 # {x="1"y} 1\n# EOF\n', "malformed labels"),
        ("a 1 1e999999999\n# EOF\n", "is no time"),
        ("# nothing\n# EOF\n", "neither a sample nor HELP"),
        ("# TYPE a untyped\n# EOF\n", "type 'untyped'"),
    ],
)
def test_a_line_that_is_not_of_openmetrics_is_refused(text: str, says: str) -> None:
    with pytest.raises(MetricsTextError, match=says):
        list(parse_metrics_text(text, openmetrics=True))


def test_openmetrics_keeps_an_escape_that_it_does_not_define() -> None:
    assert next(parse_metrics_text('a{x="\\d"} 1\n# EOF\n', openmetrics=True)).labels == {"x": "\\d"}


def test_parser_and_table_load_nothing_but_the_standard_library() -> None:
    code = (
        "import sys, collectors.metrics.text, collectors.metrics.known\n"
        "print(sorted({'pyarrow', 'pandas', 'numpy', 'click'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
