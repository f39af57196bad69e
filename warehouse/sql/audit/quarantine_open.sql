-- check: quarantine_open    severity: minor    blocking: no    scope: all    asset: raw.quarantine_file
-- Refused files and rows on which nobody has decided: what they hold is in no figure.
-- grain: file or table x reason    inputs: raw.quarantine_file, raw.quarantine_row
select
    'files refused for ' || reason as entity,
    count(*) || ' open, the oldest since ' || strftime(min(first_seen), '%Y-%m-%d') as observed,
    'none open: wattledger quarantine list' as expected
from lake.raw.quarantine_file
where state = 'open'
group by reason
union all
select
    'rows of ' || table_name || ' refused for ' || reason,
    count(*) || ' open, the oldest since ' || strftime(min(first_seen), '%Y-%m-%d'),
    'none open: wattledger quarantine list'
from lake.raw.quarantine_row
where state = 'open'
group by table_name, reason
order by entity
