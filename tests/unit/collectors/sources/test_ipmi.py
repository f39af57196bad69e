"""IPMI by a stand-in for ``ipmitool``; its texts as lib/ipmi_dcmi.c prints them and as users saw them."""

from __future__ import annotations

import os
import stat
import time

import pytest

from collectors import contract
from collectors.sources.ipmi import DcmiPower, IpmiSource, parse_dcmi
from collectors.sources.options import IpmiOptions

TEXT = """
    Instantaneous power reading:              {now:>8} Watts
    Minimum during sampling period:                175 Watts
    Maximum during sampling period:                242 Watts
    Average power reading over sample period: {mean:>8} Watts
    IPMI timestamp:                           {stamp}
    Sampling period:                          {period} Seconds.
    Power reading state is:                   {state}


"""


def _text(now: int = 197, mean: int = 190, state: str = "activated", period: str = "00000010", stamp: str = "") -> str:
    stamp = stamp or "Sun Mar  6 15:13:42 2022"
    return TEXT.format(now=now, mean=mean, state=state, period=period, stamp=stamp)


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """Put an ``ipmitool`` into PATH that runs a shell script."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def write(script: str) -> None:
        path = folder / "ipmitool"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return write


def _prints(text: str, code: int = 0, *, to: str = "1") -> str:
    return f"cat >&{to} <<'END'\n{text}\nEND\nexit {code}"


def test_the_instantaneous_power_is_the_nodes(tool):
    tool(f'[ "$*" = "dcmi power reading" ] && [ "$LC_ALL" = C ] || exit 9\n{_prints(_text())}')
    source = IpmiSource()
    assert [(d.id, d.kind, d.point, d.source) for d in source.devices()] == [("node", "node", "ac", "ipmi")]
    assert [(r.power_mw, r.energy_mj, r.gap_reason) for r in source.read()] == [(197_000, None, None)]
    assert IpmiSource(IpmiOptions(point="dc")).devices()[0].point == "dc"


@pytest.mark.parametrize("stamp", ["Thu Jan  1 00:00:00 1970", "Fri Feb 30 99:99:99 2099", "Unspecified"])
def test_the_controllers_own_time_is_never_used(tool, stamp):
    tool(_prints(_text(stamp=stamp)))
    (reading,) = IpmiSource().read()
    assert (reading.power_mw, reading.taken_ns) == (197_000, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (_text(), DcmiPower(197, 190, 10, True)),
        (_text(period="00123893"), DcmiPower(197, 190, 123_893, True)),
        # ipmitool's own successor prints the colons elsewhere and the period in milliseconds.
        (
            "Instantaneous power reading              : 214      Watts\n"
            "Average power reading over sample period : 184      Watts\n"
            "Sampling period                          : 1000 Milliseconds\n"
            "Power reading state is                   : activated\n",
            DcmiPower(214, 184, None, True),
        ),
        ("", DcmiPower(None, None, None, None)),
    ],
)
def test_every_line_is_read_for_itself(text, expected):
    assert parse_dcmi(text) == expected


@pytest.mark.parametrize(
    ("text", "watts"),
    [
        (_text(now=0, mean=0), None),
        (_text(now=0, mean=180), 180),
        (_text(now=0, mean=180, period="00123893"), None),  # a mean over days says nothing about now
        (_text(now=65_535, mean=0), None),
    ],
)
def test_0_w_is_no_reading_and_only_a_short_mean_may_stand_in(tool, text, watts):
    tool(_prints(text))
    source = IpmiSource()
    (reading,) = source.read()
    assert reading.power_mw == (watts * 1000 if watts else None)
    assert reading.gap_reason == (None if watts else "not_supported")
    if not watts:
        assert "no power of a running node" in source.trouble()


def test_inactive_power_measurement_is_a_reason_unless_somebody_knows_better(tool):
    """OpenBMC always says deactivated and may still state the right power (openbmc issue 3257)."""
    tool(_prints(_text(state="deactivated")))
    source = IpmiSource()
    assert [(r.power_mw, r.gap_reason) for r in source.read()] == [(None, "not_supported")]
    assert "believe_inactive" in source.fix
    assert IpmiSource(IpmiOptions(is_inactive_believed=True)).read()[0].power_mw == 197_000


_DEVICE = "Could not open device at /dev/ipmi0 or /dev/ipmi/0 or /dev/ipmidev/0: "


@pytest.mark.parametrize(
    ("text", "reason", "fix"),
    [
        (_DEVICE + "Permission denied", "permission_denied", "/dev/ipmi0"),
        (_DEVICE + "No such file or directory", "not_supported", "modprobe"),
        ("\n    DCMI request failed because: Invalid command (c1)", "not_supported", "redfish"),
        ("\n    A valid DCMI command was not returned! (80)", "not_supported", "redfish"),
        ("\n    Unable to get DCMI information", "read_failed", None),
        ("ipmitool: malloc failure", "read_failed", None),
        ("", "read_failed", None),
    ],
)
def test_every_refusal_is_a_reason_with_what_to_do(tool, text, reason, fix):
    tool(_prints(text, 1, to="2"))
    source = IpmiSource()
    assert [(r.power_mw, r.gap_reason) for r in source.read()] == [(None, reason)]
    assert reason in contract.GAP_REASONS
    assert source.trouble()
    assert (fix in source.fix) if fix else source.fix is None
    tool(_prints(_text()))
    assert source.read()[0].power_mw == 197_000
    assert (source.trouble(), source.fix) == (None, None)


def test_a_program_that_hangs_is_killed_in_time(tool):
    tool("exec sleep 30")
    source = IpmiSource(IpmiOptions(timeout_s=0.3))
    began = time.monotonic()
    assert source.read()[0].gap_reason == "read_failed"
    assert time.monotonic() - began < 5
    assert "within 0.3 s" in source.trouble()


def test_a_program_that_is_not_there_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    source = IpmiSource()
    assert (source.devices(), source.read()) == ([], [])
    assert source.unavailable_reason == "ipmitool is not installed"
    assert "install ipmitool" in source.fix


def test_a_program_that_goes_away_or_is_none_is_a_reason(tool, tmp_path):
    tool(_prints(_text()))
    source = IpmiSource()
    (tmp_path / "bin" / "ipmitool").write_bytes(b"\x00no program")
    assert source.read()[0].gap_reason == "read_failed"
    (tmp_path / "bin" / "ipmitool").unlink()
    assert source.read()[0].gap_reason == "read_failed"


@pytest.mark.parametrize("error", [ValueError("x"), RuntimeError("y"), OSError(5, "io"), TimeoutError()])
def test_whatever_goes_wrong_is_a_failed_read(error):
    def run(*_: object):
        raise error

    assert [reading.gap_reason for reading in IpmiSource(run=run).read()] == ["read_failed"]
