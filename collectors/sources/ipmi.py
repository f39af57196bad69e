"""Power of the node by IPMI: the management controller is asked by ``ipmitool dcmi power reading``.

What belongs here: running the program within a deadline, and what its text means. What must not be here: passwords
(the controller of this host is asked from inside, through /dev/ipmi0), the pace (``polled``).

The controller's own time stamp has no zone and often starts in 1970; it is never used. A reading is true now, at the
moment of the answer. 0 W is what controllers state that have no sensor, and so is a reading while they call power
measurement inactive; there are some that state good readings even then, and the configuration may say so.

Reference: DCMI 1.5, 6.6.1 "Get Power Reading"; the text is printed by ipmitool, lib/ipmi_dcmi.c.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from .common import Device, PowerSource, Reading
from .options import IpmiOptions

if TYPE_CHECKING:
    from collections.abc import Callable

_NOW = re.compile(r"^\s*Instantaneous power reading\s*:\s*(\d+)\s+Watts", re.MULTILINE)
_MEAN = re.compile(r"^\s*Average power reading over sample period\s*:\s*(\d+)\s+Watts", re.MULTILINE)
_PERIOD = re.compile(r"^\s*Sampling period\s*:\s*(\d+)\s+Seconds", re.MULTILINE)
_STATE = re.compile(r"^\s*Power reading state is\s*:\s*(\w+)", re.MULTILINE)
_LONGEST_MEAN_S = 60
"""A mean over a longer period says too little about now [s]; some controllers state it over days."""
_MAX_POWER_W = 0xFFFF
_MW_PER_W = 1_000
_SHOWN_CHARACTERS = 200

FIX_INSTALL = "sudo apt install ipmitool (or dnf), and sudo modprobe -a ipmi_devintf ipmi_si"
FIX_PERMISSION = (
    "run as root, or: sudo chgrp $(id -gn) /dev/ipmi0 && sudo chmod g+rw /dev/ipmi0   (until the next boot)"
)
FIX_DEVICE = "sudo modprobe -a ipmi_devintf ipmi_si; in a container: docker run --device /dev/ipmi0 ..."
FIX_INACTIVE = (
    "activate power management in the controller (its web page, or: sudo ipmitool dcmi power activate); if `ipmitool "
    "dcmi power reading` shows the right power all the same, set believe_inactive = true in [ipmi]"
)
FIX_NO_DCMI = "this controller has no DCMI power reading; ask it by Redfish: [[redfish]] in the configuration file"


class DcmiPower(NamedTuple):
    """What the controller said.

    Attributes:
        now_w: power at the moment [W], ``None`` if it is not stated.
        mean_w: mean over the sampling period [W], ``None`` if it is not stated.
        period_s: the sampling period [s], ``None`` if it is not stated in seconds.
        is_active: whether it measures power, ``None`` if it does not say.
    """

    now_w: int | None
    mean_w: int | None
    period_s: int | None
    is_active: bool | None


def parse_dcmi(text: str) -> DcmiPower:
    """Return what ``ipmitool dcmi power reading`` printed.

    Args:
        text: its standard output, in English.
    """
    now_w, mean_w, period_s = (
        int(match[1]) if (match := item.search(text)) else None for item in (_NOW, _MEAN, _PERIOD)
    )
    state = _STATE.search(text)
    return DcmiPower(now_w, mean_w, period_s, state[1] == "activated" if state else None)


class IpmiSource(PowerSource):
    """The power of this node, as its management controller states it to ``ipmitool``."""

    name = "ipmi"
    kinds = "node"

    def __init__(
        self,
        options: IpmiOptions | None = None,
        *,
        run: Callable[[list[str], float], tuple[int, str, str]] | None = None,
    ) -> None:
        """Find the program; it is not run yet.

        Args:
            options: how the controller is asked.
            run: how a command is run within a time [s]; returns exit code, output and errors. Tests put another there.
        """
        self._options = options or IpmiOptions()
        self._run = run or _run
        self._trouble: str | None = None
        self._device = Device("node", "node", self._options.point, "ipmi")
        if run is None:
            from shutil import which

            if which(self._options.command) is None:
                self.unavailable_reason = f"{self._options.command} is not installed"
                self.fix = FIX_INSTALL

    def devices(self) -> list[Device]:
        """Return the node."""
        return [] if self.unavailable_reason else [self._device]

    def trouble(self) -> str | None:
        """Return why the last reading failed, in words."""
        return self._trouble

    def read(self) -> list[Reading]:
        """Return the power of the node [mW], or why there is none."""
        if self.unavailable_reason:
            return []
        self._trouble = self.fix = None
        try:
            code, output, errors = self._run(
                [self._options.command, "dcmi", "power", "reading"], self._options.timeout_s
            )
        except TimeoutError:
            return self._failed("read_failed", f"no answer within {self._options.timeout_s:g} s")
        except OSError as error:
            reason = "permission_denied" if isinstance(error, PermissionError) else "read_failed"
            return self._failed(reason, f"cannot run {self._options.command}: {error.strerror or error}")
        except Exception as error:  # noqa: BLE001 - a source never raises out of read()
            return self._failed("read_failed", f"{type(error).__name__} {error}")
        found = parse_dcmi(output)
        if found.now_w is None and found.mean_w is None:
            return self._refused(code, f"{errors}\n{output}")
        return self._judged(found)

    def _judged(self, found: DcmiPower) -> list[Reading]:
        """Return the reading if it can be one."""
        watts = found.now_w
        if not watts and found.mean_w and 0 < (found.period_s or 0) <= _LONGEST_MEAN_S:
            watts = found.mean_w
        if found.is_active is False and not self._options.is_inactive_believed:
            return self._failed("not_supported", "it says that power measurement is not active", FIX_INACTIVE)
        if not watts or watts >= _MAX_POWER_W:
            stated = f"it states {watts or 0} W, which is no power of a running node"
            return self._failed("not_supported", stated, FIX_NO_DCMI)
        return [Reading("node", power_mw=watts * _MW_PER_W)]

    def _refused(self, code: int, text: str) -> list[Reading]:
        """Return why there is no reading in what the program printed."""
        shown = " ".join(text.split())[:_SHOWN_CHARACTERS] or f"it ended with code {code} and said nothing"
        if "Permission denied" in text:
            return self._failed("permission_denied", shown, FIX_PERMISSION)
        if "Could not open device" in text:
            return self._failed("not_supported", shown, FIX_DEVICE)
        if "DCMI request failed" in text or "A valid DCMI command was not returned" in text or "Invalid dcmi" in text:
            return self._failed("not_supported", shown, FIX_NO_DCMI)
        return self._failed("read_failed", shown)

    def _failed(self, reason: str, trouble: str, fix: str | None = None) -> list[Reading]:
        self._trouble, self.fix = trouble, fix
        return [Reading("node", gap_reason=reason)]


def _run(command: list[str], timeout_s: float) -> tuple[int, str, str]:
    """Run a command; return its exit code, output and errors.

    Raises:
        TimeoutError: if it has not ended in time; it is killed then.
        OSError: if it cannot be run.
    """
    import subprocess

    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            # Its words are read, so they must be English.
            env={**os.environ, "LC_ALL": "C", "LANGUAGE": "C"},
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError from error
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
