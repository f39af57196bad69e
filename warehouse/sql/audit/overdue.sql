-- check: overdue    severity: major    blocking: no    scope: all    asset: audit.pending
-- A partition that was noted as to do and is not computed after a day: the marts do not show what has landed.
-- grain: partition    units: h
-- inputs: audit.pending    $overdue_h: longest wait; $today: the current UTC day
select
    'partition ' || partition_key as entity,
    'to do since ' || strftime(min(noted_at), '%Y-%m-%d %H:%M') as observed,
    'computed within ' || $overdue_h || ' h' as expected
from lake.audit.pending
where partition_key = '*' or partition_key <= cast(cast($today as date) as varchar)
group by partition_key
having min(noted_at) < now() - to_hours($overdue_h)
order by partition_key
