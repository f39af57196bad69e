"""One's own finished runs from the published database, for forecasts to learn from.

What belongs here: reading them. What must not be here: what a forecast makes of them (``models.prediction.history``).
"""

from __future__ import annotations

from dataclasses import dataclass

from models.prediction.history import Finished, finished
from models.prediction.inputs import InputError
from warehouse.config import Config
from warehouse.publish import open_published
from warehouse.sqlfiles import sql_text


@dataclass(frozen=True, slots=True)
class OwnHistory:
    """Finished runs, and those that nothing can be learned from.

    Attributes:
        runs: runs with their utilisation.
        left_out: a job with the reason why it is none of them.
    """

    runs: tuple[Finished, ...] = ()
    left_out: tuple[str, ...] = ()


def own_history(config: Config) -> OwnHistory:
    """Return the training jobs that ended well and state parameters and tokens.

    Precision and active parameters are not in the ledger: a run counts at 16 bits with all of its parameters.

    Args:
        config: the configuration.

    Raises:
        FileNotFoundError: if nothing is published yet; the message says what to do.
    """
    runs: list[Finished] = []
    left_out: list[str] = []
    with open_published(config.published_path) as connection:
        rows = connection.execute(sql_text("report", "training_history")).fetchall()
    for job_id, parameters_n, tokens_n, hardware_key, devices_n, device_hours in rows:
        if hardware_key is None:
            left_out.append(f"{job_id}: the model of its accelerators is not known, or they are of several")
            continue
        try:
            runs.append(
                finished(
                    f"job {job_id}",
                    job_id,
                    parameters_n=parameters_n,
                    tokens_n=tokens_n,
                    device=hardware_key,
                    device_hours=device_hours,
                    devices_n=devices_n,
                )
            )
        except InputError as error:
            left_out.append(f"{job_id}: {error}")
    return OwnHistory(tuple(runs), tuple(left_out))
