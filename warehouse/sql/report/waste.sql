-- Attempts that failed, were cancelled, interrupted or timed out, beside all attempts; and those without any reading.
-- grain: one row    keys: none    units: kWh, kgCO2e, fraction
-- inputs: mart.job
--
-- waste_kwh is what is known of them: NULL where none of them has a reading, 0 where there are none.
select
    count(*) as jobs_n,
    count(*) filter (where it_kwh is null) as unread_jobs_n,
    count(*) filter (where is_waste) as waste_jobs_n,
    sum(it_kwh) as it_kwh,
    case when count(*) filter (where is_waste) = 0 then 0 else sum(it_kwh) filter (where is_waste) end as waste_kwh,
    sum(estimated_kwh) filter (where is_waste) as waste_estimated_kwh,
    sum(total_kgco2e) filter (where is_waste) as waste_kgco2e,
    sum(it_kwh) filter (where is_waste) / nullif(sum(it_kwh), 0) as waste_fraction
from mart.job
