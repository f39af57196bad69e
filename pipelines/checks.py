"""Asset checks: the audits of the warehouse as Dagster checks, and one Great Expectations suite on the monthly mart.

What belongs here: making checks from audits, their severity, what is shown of them. What must not be here: the rule of
an audit (``warehouse/sql/audit``).

Critical audits block: nothing that depends on their table goes on in the run, and no later publication while a finding
is open. The others warn. Bulk rows are for SQL; Great Expectations sees bounded frames only and is imported where it
is used, because it costs seconds.
"""

import os
import warnings
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

import dagster as dg

from pipelines.describe import column_schema, key_of
from pipelines.resources import WRITER_POOL, Installation
from warehouse.audits import AuditReport, Check, Finding, all_checks, run_audits
from warehouse.registry import table

RANGE_TAGS = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
SHOWN_FINDINGS = 20
MONTHLY_MART = "mart.training_vs_inference_monthly"
# 24 months x organisations x phase groups: what a report compares, and far below what Great Expectations can bear.
FRAME_ROWS = 10_000


def days_of_run(tags: Mapping[str, str]) -> list[str] | None:
    """Return the days (ISO 8601) that a run is about, or ``None`` for a run without partitions.

    Args:
        tags: tags of the run. Of months, one day of each is returned.
    """
    first, last = (tags.get(name, tags.get("dagster/partition")) for name in RANGE_TAGS)
    if first is None or last is None:
        return None
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return [str(start + timedelta(days=step)) for step in range((end - start).days + 1)]


def _result(check: Check, report: AuditReport) -> dg.AssetCheckResult:
    found = report.of(check.id)
    return dg.AssetCheckResult(
        check_name=check.id,
        asset_key=key_of(check.asset),
        passed=not found,
        severity=dg.AssetCheckSeverity.ERROR if check.blocking else dg.AssetCheckSeverity.WARN,
        description=_summary(found),
        metadata={"findings": len(found), "severity": check.severity, "worst": _as_table(found[:SHOWN_FINDINGS])},
    )


def _summary(found: list[Finding]) -> str:
    if not found:
        return "Nothing found."
    worst = found[0]
    return f"{len(found)} found; the first: {worst.entity}: {worst.observed}, expected {worst.expected}"


def _as_table(found: list[Finding]) -> dg.TableMetadataValue:
    schema = column_schema(table("audit.finding"))
    shown = [column for column in schema.columns if column.name in {"entity", "observed", "expected"}]
    records = [
        dg.TableRecord({"entity": one.entity, "observed": one.observed, "expected": one.expected}) for one in found
    ]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns=shown))


def audit_checks(name: str, checks: tuple[Check, ...]) -> dg.AssetChecksDefinition:
    """Return audits as one step with a check result each; all of them in one transaction.

    Args:
        name: name of the step.
        checks: the audits.
    """
    by_key = {dg.AssetCheckKey(key_of(check.asset), check.id): check for check in checks}

    @dg.multi_asset_check(
        name=name,
        specs=[
            dg.AssetCheckSpec(
                check.id, asset=key_of(check.asset), description=check.description, blocking=check.blocking
            )
            for check in checks
        ],
        can_subset=True,
        pool=WRITER_POOL,
    )
    def audit(context: dg.AssetCheckExecutionContext, installation: Installation) -> Iterator[dg.AssetCheckResult]:
        chosen = [by_key[key] for key in by_key if key in context.selected_asset_check_keys]
        with installation.lake() as lake:
            days = days_of_run(context.run.tags)
            report = run_audits(lake, days=days, only=[check.id for check in chosen])
        for check in chosen:
            yield _result(check, report)

    return audit


def build_checks() -> list[dg.AssetChecksDefinition]:
    """Return all checks: the audits of days, of months and of ledgers, and the Great Expectations suite."""
    groups = {"day": "audit_days", "month": "audit_months", "all": "audit_ledgers"}
    audits = [
        audit_checks(name, tuple(check for check in all_checks() if check.scope == scope))
        for scope, name in groups.items()
    ]
    return [*audits, monthly_expectations]


@dg.asset_check(
    name="expectations",
    asset=key_of(MONTHLY_MART),
    description=(
        "Great Expectations suite on the monthly mart: keys are unique, phase groups are known, nothing is negative, "
        "low <= central <= high, coverage is a fraction, embodied equals chip + server + building."
    ),
)
def monthly_expectations(installation: Installation) -> dg.AssetCheckResult:
    """Validate the monthly mart, a bounded frame, with Great Expectations."""
    with installation.lake(read_only=True) as lake:
        frame = lake.connection.execute(_FRAME_SQL, {"rows": FRAME_ROWS}).df()
    outcome = validate(frame)
    failed = [one for one in outcome["results"] if not one["success"]]
    return dg.AssetCheckResult(
        passed=bool(outcome["success"]),
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(outcome['results'])} expectations on {len(frame)} rows, {len(failed)} not met",
        metadata={"rows": len(frame), "statistics": outcome["statistics"], "not_met": {"expectations": failed}},
    )


_FRAME_SQL = f"""
SELECT *, embodied_kgco2e - (coalesce(chip_kgco2e, 0) + coalesce(server_kgco2e, 0) + coalesce(building_kgco2e, 0))
    AS embodied_difference_kgco2e
FROM {MONTHLY_MART} ORDER BY month DESC, org, phase_group LIMIT $rows
"""
PHASE_GROUPS = ("training", "inference", "storage", "unknown", "idle", "unallocated")
NEVER_NEGATIVE = ("it_kwh", "estimated_kwh", "unlocated_kwh", "measured_s", "gap_s", "low_kgco2e")


def validate(frame: Any) -> dict[str, Any]:  # noqa: ANN401 - a pandas frame; pandas has no types here
    """Run the suite on the monthly mart.

    Args:
        frame: the mart as a pandas frame, with the column ``embodied_difference_kgco2e``.

    Returns:
        success, statistics, and for every expectation its type, column, success and number of unexpected values.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # before the import: it is read then
    with warnings.catch_warnings():
        # The package itself imports modules that Python has renamed; nothing here can change that.
        warnings.filterwarnings("ignore", message=r"module 'sre_\w+' is deprecated", category=DeprecationWarning)
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

    expect = gx.expectations
    suite = gx.ExpectationSuite(
        name="training_vs_inference_monthly",
        expectations=[
            expect.ExpectCompoundColumnsToBeUnique(column_list=["month", "org", "phase_group"]),
            expect.ExpectColumnValuesToBeInSet(column="phase_group", value_set=list(PHASE_GROUPS)),
            *(expect.ExpectColumnValuesToBeBetween(column=name, min_value=0) for name in NEVER_NEGATIVE),
            expect.ExpectColumnValuesToBeBetween(column="coverage_fraction", min_value=0, max_value=1),
            expect.ExpectColumnValuesToBeBetween(column="embodied_difference_kgco2e", min_value=-1e-6, max_value=1e-6),
            *(
                expect.ExpectColumnPairValuesAToBeGreaterThanB(
                    column_A=high, column_B=low, or_equal=True, ignore_row_if="either_value_is_missing"
                )
                for low, high in (("low_kgco2e", "total_kgco2e"), ("total_kgco2e", "high_kgco2e"))
            ),
        ],
    )
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    batch = context.data_sources.add_pandas("lake").add_dataframe_asset("monthly")
    definition = gx.ValidationDefinition(
        name="monthly", data=batch.add_batch_definition_whole_dataframe("all"), suite=context.suites.add(suite)
    )
    answer = context.validation_definitions.add(definition).run(batch_parameters={"dataframe": frame})
    return {
        "success": bool(answer.success),
        "statistics": dict(answer.statistics),
        "results": [_expectation(one) for one in answer.results],
    }


def _expectation(outcome: Any) -> dict[str, Any]:  # noqa: ANN401 - the package has no types
    about = outcome.expectation_config.kwargs
    column = about.get("column") or about.get("column_list") or [about.get("column_A"), about.get("column_B")]
    return {
        "expectation": outcome.expectation_config.type,
        "column": column if isinstance(column, str) else ", ".join(column),
        "success": bool(outcome.success),
        "unexpected": int(outcome.result.get("unexpected_count", 0) or 0),
    }
