-- check: dropped_samples    severity: minor    blocking: no    scope: all    asset: raw.ingest_file
-- Samples that a collector had no room to keep: counters bridge them, powers do not.
-- grain: host x month    inputs: raw.ingest_file
select
    host || ' in ' || strftime(make_timestamp(first_ms * 1000), '%Y-%m') as entity,
    sum(dropped_n) || ' samples dropped' as observed,
    'none: make room for its spool, or let it land' as expected
from lake.raw.ingest_file
where dropped_n > 0
group by entity
order by entity
