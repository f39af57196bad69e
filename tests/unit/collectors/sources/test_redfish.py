"""Redfish against a local stand-in for a controller; shapes as DMTF's schemas and a Dell answer (Kepler issue 644)."""

from __future__ import annotations

import time

import pytest

from collectors import contract
from collectors.sources.options import RedfishOptions
from collectors.sources.redfish import AUTH_PAUSE_S, FineCounter, RedfishSource
from tests.support.stub_http import Reply, as_json, self_signed, serving

CHASSIS, SYSTEM = "/redfish/v1/Chassis/System.Embedded.1", "/redfish/v1/Systems/System.Embedded.1"
SESSIONS = "/redfish/v1/SessionService/Sessions"
S = 1_000_000_000


def _ref(*paths: str) -> list[dict[str, str]]:
    return [{"@odata.id": path} for path in paths]


def _entry(name: str, watts: object, *related: str, member: str = "0") -> dict:
    return {"MemberId": member, "Name": name, "PowerConsumedWatts": watts, "RelatedItem": _ref(*related)}


WHOLE = _entry("System Power Control", 389, CHASSIS, SYSTEM)


@pytest.fixture
def bmc():
    with serving() as stub:
        _serve(stub, [WHOLE])
        yield stub


def _serve(stub, entries: list, **chassis) -> None:
    stub.answers |= {
        "/redfish/v1/Chassis": as_json({"Members": _ref(CHASSIS)}),
        CHASSIS: as_json({"Id": "System.Embedded.1", "Power": _ref(f"{CHASSIS}/Power")[0], **chassis}),
        f"{CHASSIS}/Power": as_json({"PowerControl": entries}),
    }


@pytest.fixture
def ask(clock):
    sources: list[RedfishSource] = []

    def make(stub, environ: dict[str, str] | None = None, **options) -> RedfishSource:
        given = RedfishOptions(url=stub.url, timeout_s=options.pop("timeout_s", 3.0), **options)
        sources.append(RedfishSource(given, monotonic_ns=clock.monotonic_ns, environ=environ or {}))
        return sources[-1]

    yield make
    for source in sources:
        source.close()


def _metrics(stub, watts: object = None, kwh: object = None) -> None:
    stub.answers[f"{CHASSIS}/EnvironmentMetrics"] = as_json(
        {"PowerWatts": {"Reading": watts}, "EnergykWh": {"Reading": kwh}}
    )


def test_the_only_entry_of_the_only_chassis_is_the_node(bmc, ask):
    source = ask(bmc)
    assert [(d.id, d.kind, d.point, d.source, d.parent) for d in source.devices()] == [
        ("node", "node", "ac", "redfish", None)
    ]
    assert [(r.power_mw, r.energy_mj, r.gap_reason) for r in source.read()] == [(389_000, None, None)]
    asked = len(bmc.seen)
    source.read()
    assert len(bmc.seen) == asked + 1  # where the power is, is asked once
    assert bmc.connections == 1
    assert ask(bmc, point="dc").devices()[0].point == "dc"


def test_overlapping_entries_are_never_added_up(bmc, ask):
    parts = [
        _entry("Server Power Control", 500, CHASSIS),
        _entry("CPU Sub-system Power", 200, f"{SYSTEM}/Processors/1", member="1"),
        _entry("Memory Sub-system Power", 60, f"{SYSTEM}/Memory/1", member="2"),
    ]
    _serve(bmc, parts)
    assert ask(bmc).read()[0].power_mw == 500_000


@pytest.mark.parametrize(
    "entries",
    [
        [_entry("A", 500, CHASSIS), _entry("B", 480, SYSTEM, member="1")],
        [_entry("A", 500), _entry("B", 480, member="1")],
        [],
    ],
)
def test_entries_that_do_not_say_which_is_the_node_are_a_reason_and_what_to_configure(bmc, ask, entries):
    _serve(bmc, entries)
    source = ask(bmc)
    assert [(r.power_mw, r.gap_reason) for r in source.read()] == [(None, "not_supported")]
    assert 'set power_control = "..." in [[redfish]]' in source.trouble()
    if entries:
        assert "A, B" in source.trouble()
        assert ask(bmc, power_control="B").read()[0].power_mw == 480_000
        assert ask(bmc, power_control="1").read()[0].power_mw == 480_000
        assert ask(bmc, power_control="C").read()[0].gap_reason == "not_supported"


def test_of_several_chassis_the_one_that_houses_the_system_is_taken(bmc, ask):
    bmc.answers["/redfish/v1/Chassis"] = as_json({"Members": _ref("/redfish/v1/Chassis/HGX_GPU_0", CHASSIS)})
    source = ask(bmc)
    assert source.read()[0].gap_reason == "not_supported"
    bmc.answers |= {
        "/redfish/v1/Systems": as_json({"Members": _ref(SYSTEM)}),
        SYSTEM: as_json({"Links": {"Chassis": _ref(CHASSIS + "/")}}),
    }
    assert source.read()[0].power_mw == 389_000


def test_several_chassis_without_a_hint_must_be_chosen(bmc, ask):
    bmc.answers |= {
        "/redfish/v1/Chassis": as_json({"Members": _ref("/redfish/v1/Chassis/HGX_GPU_0", CHASSIS)}),
        "/redfish/v1/Systems": as_json({"Members": _ref("/redfish/v1/Systems/a", "/redfish/v1/Systems/b")}),
    }
    source = ask(bmc)
    assert source.read()[0].gap_reason == "not_supported"
    assert "HGX_GPU_0, System.Embedded.1" in source.trouble()
    assert ask(bmc, chassis="System.Embedded.1").read()[0].power_mw == 389_000


def test_the_newer_metrics_come_first_and_the_older_where_they_state_nothing(bmc, ask):
    _serve(bmc, [WHOLE], EnvironmentMetrics=_ref(f"{CHASSIS}/EnvironmentMetrics")[0])
    _metrics(bmc, 374.5)
    assert ask(bmc).read()[0].power_mw == 374_500
    _metrics(bmc)
    assert ask(bmc).read()[0].power_mw == 389_000


def test_a_fine_energy_counter_is_used_once_it_has_moved(bmc, ask, clock):
    _serve(bmc, [], EnvironmentMetrics=_ref(f"{CHASSIS}/EnvironmentMetrics")[0])
    source, readings = ask(bmc), []
    for step in range(6):
        _metrics(bmc, 720, 12.5 + step * 0.001)  # 1 Wh each 5 s is 720 W
        readings += source.read()
        clock.advance_s(5)
    assert [reading.energy_mj is None for reading in readings] == [True, True, False, False, False, False]
    assert readings[5].energy_mj - readings[2].energy_mj == 3 * 3_600_000
    _metrics(bmc, 720, 0.001)  # somebody resets it
    assert source.read()[0].energy_mj is None
    assert {reading.power_mw for reading in readings} == {720_000}


def test_a_counter_of_whole_kilowatt_hours_would_be_hours_of_0_joules_and_is_not_used(bmc, ask, clock):
    _serve(bmc, [], EnvironmentMetrics=_ref(f"{CHASSIS}/EnvironmentMetrics")[0])
    source, readings = ask(bmc), []
    for step in range(40):
        _metrics(bmc, 500, 26_880 + step // 18)
        readings += source.read()
        clock.advance_s(60)
    assert {(reading.power_mw, reading.energy_mj, reading.gap_reason) for reading in readings} == {
        (500_000, None, None)
    }


def test_a_fine_counter_that_stands_still_is_believed_no_longer():
    counter = FineCounter()
    seen = [(0, 1_000), (5, 1_005), (10, 1_010), (15, 1_015), (20, 1_015), (40, 1_015), (60, 1_015)]
    believed = [counter.update(energy_mj, second * S) is not None for second, energy_mj in seen]
    assert believed == [False, False, True, True, True, True, False]


@pytest.mark.parametrize("watts", [0, 0.0, None, "389", True, -5, 1e9, {"x": 1}])
def test_a_value_that_cannot_be_is_a_reason_and_never_0_w(bmc, ask, watts):
    _serve(bmc, [_entry("System Power Control", watts, CHASSIS)])
    source = ask(bmc)
    assert [(r.power_mw, r.energy_mj, r.gap_reason) for r in source.read()] == [(None, None, "not_supported")]
    assert "it states" in source.trouble()


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(b"{", 200), "read_failed"),
        (Reply(b"[]", 200), "read_failed"),
        (Reply(b"\xff\xfe", 200), "read_failed"),
        (Reply(b"", 204), "read_failed"),
        (Reply(b"{}", 200), "not_supported"),
        (Reply(b'{"PowerControl": {"x": 1}}', 200), "not_supported"),
        (Reply(b"{}", 401), "permission_denied"),
        (Reply(b"{}", 403), "permission_denied"),
        (Reply(b"{}", 404), "not_supported"),
        (Reply(b"{}", 500), "read_failed"),
        (Reply(b"{}", 503), "read_failed"),
        (Reply(b'{"PowerControl": []}', cut=5), "read_failed"),
        (Reply(raw=b"SSH-2.0-OpenSSH_9.6\r\n"), "read_failed"),
        (Reply(raw=b""), "read_failed"),
        (as_json({"PowerControl": [WHOLE], "Oem": "x" * (2 << 20)}), "read_failed"),
        (Reply(b"", 302, {"Location": "http://elsewhere.example/redfish/v1"}), "read_failed"),
        (Reply(b"", 302, {"Location": "/redfish/v1/Chassis/System.Embedded.1/Power"}), "read_failed"),
        (Reply(b"", 302), "read_failed"),
    ],
)
def test_every_broken_answer_is_a_reason_and_the_next_one_counts_again(bmc, ask, reply, reason):
    source = ask(bmc)
    bmc.answers[f"{CHASSIS}/Power"] = reply
    assert [(r.power_mw, r.gap_reason) for r in source.read()] == [(None, reason)]
    assert source.trouble()
    assert reason in contract.GAP_REASONS
    _serve(bmc, [WHOLE])
    assert source.read()[0].power_mw == 389_000
    assert source.trouble() is None


def test_a_huge_answer_is_not_read_to_its_end(bmc, ask):
    bmc.answers[f"{CHASSIS}/Power"] = as_json({"PowerControl": [WHOLE], "Oem": "x" * (64 << 20)})
    source = ask(bmc, timeout_s=20.0)
    assert source.read()[0].gap_reason == "read_failed"
    assert "more than 1048576 bytes" in source.trouble()


def test_a_redirect_to_another_host_gets_neither_question_nor_password(bmc, ask):
    with serving() as other:
        other.answers[f"{CHASSIS}/Power"] = as_json({"PowerControl": [WHOLE]})
        bmc.answers[f"{CHASSIS}/Power"] = Reply(b"", 302, {"Location": f"{other.url}{CHASSIS}/Power"})
        source = ask(bmc, {"PASSWORD": "s3cret"}, user="u", password_env="PASSWORD", auth="basic")
        assert source.read()[0].gap_reason == "read_failed"
        assert "another host" in source.trouble()
        assert other.seen == []


def test_a_redirect_on_the_same_host_is_followed(bmc, ask):
    bmc.answers["/redfish/v1/Chassis"] = Reply(b"", 308, {"Location": "/redfish/v1/Chassis/"})
    bmc.answers["/redfish/v1/Chassis/"] = as_json({"Members": _ref(CHASSIS)})
    assert ask(bmc).read()[0].power_mw == 389_000


def test_a_controller_that_sends_a_byte_now_and_then_is_not_waited_for(bmc, ask):
    bmc.answers[f"{CHASSIS}/Power"] = as_json({"PowerControl": [WHOLE], "x": "y" * 500}, pace_s=0.05)
    source = ask(bmc, timeout_s=0.4)
    began = time.monotonic()
    assert source.read()[0].gap_reason == "read_failed"
    assert time.monotonic() - began < 2
    assert "no complete answer in time" in source.trouble()


def test_an_address_where_nobody_listens_is_a_reason(ask):
    with serving() as gone:
        pass
    source = ask(gone)
    assert [(r.power_mw, r.gap_reason) for r in source.read()] == [(None, "read_failed")]
    assert "cannot be reached" in source.trouble()


# ---- signing in ----


def _guarded(stub, password: str = "s3cret") -> None:
    """Let the controller answer only to a token that it has given."""
    tokens: set[str] = set()
    inner = dict(stub.answers)

    def sign_in(request):
        if password.encode() not in request.body:
            return Reply(b"{}", 401)
        tokens.add(f"token-{len(tokens)}")
        location = f"{stub.url}{SESSIONS}/{len(tokens)}"
        return as_json({}, status=201, headers={"X-Auth-Token": f"token-{len(tokens) - 1}", "Location": location})

    def guarded(path):
        return lambda request: inner[path] if request.headers.get("x-auth-token") in tokens else Reply(b"{}", 401)

    stub.answers |= {path: guarded(path) for path in inner}
    stub.answers[f"POST {SESSIONS}"] = sign_in
    stub.answers |= {f"DELETE {SESSIONS}/{number}": Reply(status=204) for number in (1, 2)}
    stub.forget = tokens.clear


def test_a_session_is_opened_once_renewed_when_forgotten_and_closed_at_the_end(bmc, ask):
    _guarded(bmc)
    source = ask(bmc, {"PASSWORD": "s3cret"}, user="u", password_env="PASSWORD")
    assert [source.read()[0].power_mw for _ in range(3)] == [389_000] * 3, source.trouble()
    assert [r.method for r in bmc.seen if r.path == SESSIONS] == ["POST"]
    bmc.forget()
    assert source.read()[0].power_mw == 389_000
    assert [r.method for r in bmc.seen if r.path == SESSIONS] == ["POST", "POST"]
    source.close()
    assert [(r.method, r.path) for r in bmc.seen][-1][0] == "DELETE"


def test_a_refused_password_is_not_tried_again_for_ten_minutes(bmc, ask, clock):
    """Controllers lock an account after a few failures, and then nobody gets in."""
    _guarded(bmc, password="another")
    source = ask(bmc, {"PASSWORD": "s3cret"}, user="u", password_env="PASSWORD")
    for _ in range(20):
        assert source.read()[0].gap_reason == "permission_denied"
        clock.advance_s(5)
    assert len([r for r in bmc.seen if r.path == SESSIONS]) == 1
    clock.advance_s(AUTH_PAUSE_S)
    source.read()
    assert len([r for r in bmc.seen if r.path == SESSIONS]) == 2


def test_basic_authentication_and_its_pause(bmc, ask, clock):
    seen = bmc.answers["/redfish/v1/Chassis"]
    bmc.answers["/redfish/v1/Chassis"] = lambda request: (
        seen if request.headers.get("authorization") == "Basic dTpzM2NyZXQ=" else Reply(b"{}", 401)
    )
    options = {"user": "u", "password_env": "PASSWORD", "auth": "basic"}
    assert ask(bmc, {"PASSWORD": "s3cret"}, **options).read()[0].power_mw == 389_000
    source = ask(bmc, {"PASSWORD": "wrong"}, **options)
    before = len(bmc.seen)
    for _ in range(5):
        assert source.read()[0].gap_reason == "permission_denied"
        clock.advance_s(5)
    assert len(bmc.seen) == before + 1


def test_a_password_that_is_not_set_is_told_and_nobody_is_asked(bmc, ask):
    source = ask(bmc, user="u", password_env="BMC_PASSWORD")
    assert source.read()[0].gap_reason == "permission_denied"
    assert "BMC_PASSWORD" in source.trouble()
    assert bmc.seen == []


def test_a_controller_without_tokens_says_what_to_configure(bmc, ask):
    bmc.answers[f"POST {SESSIONS}"] = as_json({}, status=201)
    source = ask(bmc, {"PASSWORD": "s3cret"}, user="u", password_env="PASSWORD")
    assert source.read()[0].gap_reason == "permission_denied"
    assert 'auth = "basic"' in source.trouble()


def test_no_password_and_no_token_is_in_what_is_told(bmc, ask):
    _guarded(bmc, password="another")
    source = ask(bmc, {"PASSWORD": "s3cret"}, user="u", password_env="PASSWORD")
    source.read()
    assert "s3cret" not in source.trouble()


# ---- TLS ----


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    file = self_signed(tmp_path_factory.mktemp("tls"))
    if file is None:
        pytest.skip("openssl is not installed")
    return file


def test_a_certificate_is_trusted_only_if_somebody_says_so(certificate, ask):
    with serving(certificate) as bmc:
        _serve(bmc, [WHOLE])
        stranger = ask(bmc)
        assert stranger.read()[0].gap_reason == "read_failed"
        assert "ca_file" in stranger.trouble()
        assert bmc.seen == []
        assert ask(bmc, ca_file=str(certificate)).read()[0].power_mw == 389_000
        assert ask(bmc, is_verified=False).read()[0].power_mw == 389_000
