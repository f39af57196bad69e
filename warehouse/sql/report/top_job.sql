-- The twenty attempts of jobs with the most energy, and their share of the energy of all jobs.
-- grain: job x attempt    keys: job_id, attempt    units: kWh, kgCO2e, s, fraction
-- inputs: mart.job
select
    job_id, attempt, team, model, model_version, phase, state, started_at, duration_s,
    it_kwh, estimated_kwh, facility_kwh, unlocated_kwh, low_kgco2e, total_kgco2e, high_kgco2e,
    coverage_fraction, quality_metric, quality_value, is_waste,
    it_kwh / nullif(sum(it_kwh) over (), 0) as job_kwh_fraction,
    count(*) over () as jobs_n
from mart.job
order by it_kwh desc nulls last, job_id, attempt
limit 20
