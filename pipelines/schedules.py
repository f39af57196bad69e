"""Schedules: obligations of the calendar, which hold also when nothing has changed.

What belongs here: when. What must not be here: what a job does (``jobs``); work that follows from data (``sensors``).
"""

from __future__ import annotations

import dagster as dg

from pipelines.jobs import AUDIT_JOB

# After midnight UTC, when the day before is complete on most collectors, and before the working day in Europe.
DAILY_AUDIT_CRON = "30 4 * * *"

daily_audit = dg.ScheduleDefinition(
    name="daily_audit",
    job_name=AUDIT_JOB,
    cron_schedule=DAILY_AUDIT_CRON,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Runs every audit check over everything that was computed, and closes findings that are gone.",
)
