"""A stand-in for the binding of AMD SMI: sockets of dies, and errors wherever a test wants them."""

from __future__ import annotations

from typing import Any

from collectors.sources.amdsmi_library import AmdSmiError, EnergyCount, PowerInfo

NOT_AVAILABLE = 0xFFFFFFFF
RESOLUTION_UJ = 15.300000190734863  # 15.3 as a C float, what the library states


class FakeAmdSmi:
    """``sockets`` lists the dies of each socket by number; ``fail[(call, die)]`` is an error code or an exception."""

    def __init__(self, sockets: tuple[tuple[int, ...], ...] = ((0,), (1,))) -> None:
        self.sockets = sockets
        self.fail: dict[tuple[str, int | None], int | Exception] = {}
        dies = range(sum(map(len, sockets)))
        self.raw = {die: 1_000_000 * (die + 1) for die in dies}
        self.current_w = {die: 100 * (die + 1) for die in dies}
        self.average_w = dict.fromkeys(dies, NOT_AVAILABLE)
        self.util = {die: 10 * die for die in dies}
        self.uuid = {die: f"02ff74a1-0000-1000-80e3-00000000000{die}" for die in dies}
        self.inits = 0

    def spend(self, die: int, joules: float) -> None:
        self.raw[die] += round(joules * 1_000_000 / 15.3)

    def _check(self, call: str, die: int | None) -> None:
        error = self.fail.get((call, die))
        if error is not None:
            raise error if isinstance(error, Exception) else AmdSmiError(error, call)

    def amdsmi_init(self) -> None:
        self._check("amdsmi_init", None)
        self.inits += 1

    def amdsmi_shut_down(self) -> None:
        self._check("amdsmi_shut_down", None)

    def amdsmi_get_socket_handles(self) -> list[int]:
        self._check("amdsmi_get_socket_handles", None)
        return list(range(len(self.sockets)))

    def amdsmi_get_processor_handles(self, socket: int) -> list[int]:
        self._check("amdsmi_get_processor_handles", socket)
        return list(self.sockets[socket])

    def __getattr__(self, call: str) -> Any:
        values = {
            "amdsmi_get_processor_type": lambda _: 1,
            "amdsmi_get_gpu_device_uuid": lambda die: self.uuid[die],
            "amdsmi_get_gpu_asic_info": lambda _: "AMD Instinct MI300X",
            "amdsmi_get_power_cap_info": lambda _: 750_000_000,
            "amdsmi_get_power_info": lambda die: PowerInfo(self.current_w[die], self.average_w[die]),
            "amdsmi_get_energy_count": lambda die: EnergyCount(self.raw[die], RESOLUTION_UJ),
            "amdsmi_get_gpu_activity": lambda die: self.util[die],
        }
        value = values[call]

        def answer(die: int) -> object:
            self._check(call, die)
            return value(die)

        return answer
