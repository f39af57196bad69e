-- The calculations behind the emissions that are published now, with the days that each computed.
-- grain: calculation    keys: calc_run_id    units: days
-- inputs: audit.materialisation, audit.calc_run
select
    done.calc_run_id, run.program_version, run.config_sha256, run.factors_sha256, run.sql_sha256,
    count(*) as days_n, min(done.partition_key) as first_day, max(done.partition_key) as last_day
from audit.materialisation as done
left join audit.calc_run as run using (calc_run_id)
where done.table_name = 'core.emission'
group by all
order by days_n desc, done.calc_run_id
