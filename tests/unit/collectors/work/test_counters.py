"""Differences of counters: nothing is counted that was not done, whatever restarts, appears, vanishes or is missed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collectors.work.counters import ServerCounters
from collectors.work.known import KNOWN
from collectors.work.minutes import Minutes
from tests.support.work_servers import NOON_MS, reading

VLLM = "vllm:prompt_tokens_total"
GENAI = "gen_ai_client_token_usage_sum"
EVERY_MS = 15_000


def tokens(step) -> int | None:
    return None if step is None else sum(sums.get("input_tokens_n", 0) for sums in step.work.values())


def run(kind, name, readings, **options):
    """Feed readings ``(at_s, {label: value}, start_s)``; return the steps."""
    counters = ServerCounters(KNOWN[kind], **options)
    steps = []
    for at_s, values, start_s in readings:
        found = reading(kind, {(name, label): value for label, value in values.items()}, start_s)
        steps.append(counters.update(NOON_MS + at_s * 1000, found))
    return counters, steps


BEFORE_S = NOON_MS / 1000 - 1000


def test_the_first_reading_counts_nothing_and_the_next_the_difference():
    _, steps = run("vllm", VLLM, [(0, {"a": 500}, BEFORE_S), (15, {"a": 512}, BEFORE_S)])
    assert steps[0] is None
    assert (steps[1].start_ms, steps[1].end_ms, tokens(steps[1])) == (NOON_MS, NOON_MS + 15_000, 12)


def test_each_engine_is_differenced_by_itself():
    # The sum over both grew; one of them was reset.
    _, steps = run("vllm", VLLM, [(0, {"0": 100, "1": 100}, None), (15, {"0": 5, "1": 400}, None)])
    assert tokens(steps[1]) == 5 + 300
    assert steps[1].is_reset


def test_a_restart_that_is_told_counts_from_zero_though_the_counter_is_higher():
    restart_s = NOON_MS / 1000 + 5
    counters, steps = run("vllm", VLLM, [(0, {"a": 10}, BEFORE_S), (15, {"a": 40}, restart_s)])
    assert tokens(steps[1]) == 40
    assert steps[1].start_ms == NOON_MS + 5_000  # before it nobody knows what was done
    assert counters.resets_n == 1


def test_a_counter_that_fell_counts_from_zero():
    _, steps = run("tgi", "tgi_request_input_length_sum", [(0, {"": 90}, None), (15, {"": 7}, None)])
    assert (tokens(steps[1]), steps[1].start_ms, steps[1].is_reset) == (7, NOON_MS, True)


def test_two_processes_at_one_address_are_not_differenced():
    """A balancer answers with one replica and then with another: their counters must not be taken for restarts."""
    older = BEFORE_S - 500
    answers = [(0, {"a": 1_000_000}, BEFORE_S), (15, {"a": 2_000_000}, older), (30, {"a": 1_000_009}, BEFORE_S)]
    counters, steps = run("vllm", VLLM, answers)
    assert steps == [None, None, None]
    assert "another process answers" in counters.trouble


def test_a_balancer_in_front_of_servers_that_tell_no_start_is_found_out():
    """Each answer is another replica's: without this all that both ever did would count again every half a minute."""
    name = "tgi_request_input_length_sum"
    flips = [(15 * n, {"": 1_000_000 if n % 2 else 2_000_000}, None) for n in range(40)]
    counters, steps = run("tgi", name, flips)
    assert sum(tokens(step) or 0 for step in steps) <= 4_000_000
    assert steps[6:] == [None] * 34
    assert "several processes answer" in counters.trouble
    calm = [(600 + 15 * n, {"": 2_000_000 + n}, None) for n in range(30)]
    counters, steps = run("tgi", name, flips + calm)
    assert [tokens(step) for step in steps[-5:]] == [1] * 5
    assert counters.trouble is None


def test_a_server_that_restarts_now_and_then_is_not_suspected():
    _, steps = run("tgi", "tgi_request_input_length_sum", [(180 * n, {"": 100 - n}, None) for n in range(20)])
    assert all(step is not None for step in steps[1:])


def test_a_series_that_appears_began_at_zero_where_the_server_itself_tells_it():
    _, steps = run("tgi", "tgi_request_input_length_sum", [(0, {}, None), (15, {"": 30}, None), (30, {"": 31}, None)])
    assert [tokens(step) for step in steps] == [None, 30, 1]


def test_a_series_of_a_relay_may_have_been_there_before():
    """A collector of OpenTelemetry forgets a series that is quiet, and brings it back at its full value."""
    answers = [(0, {"a": 100}, None), (15, {}, None), (30, {"a": 103, "b": 50}, None), (45, {"a": 103, "b": 51}, None)]
    _, steps = run("otel", GENAI, answers)
    assert [tokens(step) for step in steps[1:]] == [0, 3, 1]


def test_a_restart_of_a_relay_says_nothing_about_the_counters():
    _, steps = run("otel", GENAI, [(0, {"a": 100}, BEFORE_S), (15, {"a": 105, "b": 70}, NOON_MS / 1000 + 10)])
    assert tokens(steps[1]) == 5


def test_a_counter_that_was_created_anew_counts_from_zero():
    counters = ServerCounters(KNOWN["otel"])
    counters.update(NOON_MS, reading("otel", {(GENAI, "a"): 10}, created_s=5.0))
    step = counters.update(NOON_MS + 15_000, reading("otel", {(GENAI, "a"): 40}, created_s=NOON_MS / 1000 + 3))
    assert tokens(step) == 40


def test_work_of_a_process_that_began_after_the_job_counts_at_once():
    born_s = NOON_MS / 1000 + 20
    _, steps = run("vllm", VLLM, [(60, {"a": 9}, born_s)], since_ms=NOON_MS)
    assert (tokens(steps[0]), steps[0].start_ms) == (9, NOON_MS + 20_000)
    _, steps = run("vllm", VLLM, [(60, {"a": 9}, BEFORE_S)], since_ms=NOON_MS)
    assert steps == [None]


def test_a_clock_that_was_set_back_loses_nothing():
    _, steps = run("vllm", VLLM, [(0, {"a": 1}, BEFORE_S), (-100, {"a": 6}, BEFORE_S)])
    assert (tokens(steps[1]), steps[1].end_ms - steps[1].start_ms) == (5, 1)


def test_another_process_goes_on_where_this_one_stopped():
    first, _ = run("vllm", VLLM, [(0, {"a": 100}, BEFORE_S)])
    second = ServerCounters(KNOWN["vllm"])
    second.resume(first.state())
    step = second.update(NOON_MS + 3_600_000, reading("vllm", {(VLLM, "a"): 1100}, BEFORE_S))
    assert (step.start_ms, tokens(step)) == (NOON_MS, 1000)


def test_a_state_that_is_none_is_not_taken():
    for state in (None, [], {}, {"at_ms": 1, "start_s": None, "values": {"a": 5}, "ranks": {}}, {"at_ms": 1}):
        counters = ServerCounters(KNOWN["vllm"])
        counters.resume(state)
        assert counters.at_ms is None


def test_one_of_two_metrics_that_say_the_same_counts_and_the_choice_stays():
    name, other = "gen_ai_client_token_usage_count", "gen_ai_server_request_duration_seconds_count"
    counters = ServerCounters(KNOWN["otel"])
    values = [{(name, "a"): 5}, {(name, "a"): 7, (other, "a"): 7}, {(name, "a"): 8, (other, "a"): 8}]
    steps = [counters.update(NOON_MS + at * 15_000, reading("otel", value)) for at, value in enumerate(values)]
    assert [sum(s["requests_n"] for s in step.work.values()) for step in steps[1:]] == [2, 1]


# ---- conservation, against a server that knows what it has done ----

ACTS = st.one_of(
    st.tuples(st.just("work"), st.integers(0, 2), st.integers(0, 10_000)),
    st.tuples(st.just("restart"), st.none(), st.none()),
    st.tuples(st.just("read"), st.none(), st.none()),
    st.tuples(st.just("miss"), st.none(), st.none()),
    st.tuples(st.just("agent"), st.none(), st.none()),
)


@given(st.lists(ACTS, max_size=80), st.booleans(), st.booleans())
def test_the_sum_of_rows_is_the_work_done_less_what_a_restart_hides(acts, tells_start, appears_late):
    """The oracle keeps its own books: what was read of each life of the server, and what nobody could have read.

    Without a told start a restart is seen only where a counter fell; a life that overtook the one before hides more.
    """
    at_ms, start_s, life = NOON_MS, BEFORE_S, [0, 0, 0]
    read_of_life, first, counted, true_work, hidden = [0, 0, 0], True, 0, 0, 0
    counters, minutes, spans = ServerCounters(KNOWN["vllm"]), Minutes(15.0), []
    undetected = False
    restarted_since = False
    for act, engine, amount in acts:
        if act == "work":
            life[engine] += amount
            true_work += 0 if first else amount
        elif act == "restart":
            hidden += 0 if first else sum(life) - sum(read_of_life)
            life, start_s, restarted_since = [0, 0, 0], at_ms / 1000 + 2, True
            read_of_life = [0, 0, 0]
        elif act == "agent" and not first:
            state, opened = counters.state(), minutes.state()
            counters, minutes = ServerCounters(KNOWN["vllm"]), Minutes(15.0)
            counters.resume(state)
            minutes.resume(opened)
            spans += minutes.close()
        elif act == "miss":
            at_ms += EVERY_MS
        elif act == "read":
            at_ms += EVERY_MS
            values = {str(i): value for i, value in enumerate(life) if value or not appears_late}
            previous = dict(counters._values)
            found = reading(
                "vllm", {(VLLM, label): value for label, value in values.items()}, start_s if tells_start else None
            )
            step = counters.update(at_ms, found)
            if restarted_since and not tells_start and not first:
                for name, point in found.points.items():
                    # Only a counter that fell tells; equal or higher ones are taken for the same life.
                    if name in previous and point.value >= previous[name][0] and previous[name][0]:
                        undetected = True
            undetected |= counters.trouble is not None  # it fell too often to be believed; less is counted, never more
            if step is not None:
                assert step.start_ms < step.end_ms == at_ms
                spans += minutes.add(step)
                counted += tokens(step)
            read_of_life, first, restarted_since = list(life), False, False
    spans += minutes.close()
    landed = sum(sums["input_tokens_n"] for span in spans for sums in span.work.values())
    unread = 0 if first else sum(life) - sum(read_of_life)
    assert landed == counted
    assert 0 <= counted <= true_work
    if not undetected:
        assert counted == true_work - hidden - unread
    ends = NOON_MS
    for span in spans:
        assert ends <= span.start_ms < span.end_ms
        ends = span.end_ms
        assert all(count >= 0 for sums in span.work.values() for count in sums.values())
