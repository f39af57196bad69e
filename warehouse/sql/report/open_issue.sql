-- What is open: findings of checks, quarantined files and rows, and closed months that were restated.
-- grain: kind x detail    keys: the same    units: count
-- inputs: audit.finding, audit.restatement, raw.quarantine_file, raw.quarantine_row
with issue as (
    select 'finding' as kind, severity as detail from audit.finding where state = 'open'
    union all
    select 'quarantined_file', reason from raw.quarantine_file where state = 'open'
    union all
    select 'quarantined_row', reason from raw.quarantine_row where state = 'open'
    union all
    select 'restatement', cause from audit.restatement
)
select kind, detail, count(*) as issues_n
from issue
group by all
order by kind, issues_n desc, detail
