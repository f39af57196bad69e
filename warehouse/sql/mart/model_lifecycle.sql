-- One model version: training and inference to date.
-- grain: org x model x model_version    keys: the same    units: kWh, kgCO2e
-- inputs: mart.footprint_daily, raw.work_counter    $organisation: who answers for rows that name nobody
with work as (
    select $organisation as org, model, model_version, cast(sum(requests_n) as bigint) as requests_n,
        cast(sum(output_tokens_n) as bigint) as output_tokens_n
    from lake.raw.work_counter
    group by all
),
footprint as (
    select org, model, model_version,
        coalesce(exact_sum(case when phase_group = 'training' then it_kwh end), 0) as training_kwh,
        coalesce(exact_sum(case when phase_group = 'inference' then it_kwh end), 0) as inference_kwh,
        exact_sum(case when phase_group = 'training' then total_kgco2e end) as training_kgco2e,
        exact_sum(case when phase_group = 'inference' then total_kgco2e end) as inference_kgco2e,
        min(day) as first_day,
        max(day) as last_day
    from lake.mart.footprint_daily
    where allocation = 'job'
    group by all
)
select
    footprint.org, footprint.model, footprint.model_version,
    training_kwh, inference_kwh, training_kgco2e, inference_kgco2e,
    requests_n, output_tokens_n,
    training_kgco2e / nullif(inference_kgco2e, 0) as training_per_inference_ratio,
    first_day, last_day
from footprint
left join work
    on work.org = footprint.org
    and work.model is not distinct from footprint.model
    and work.model_version is not distinct from footprint.model_version
order by footprint.org, footprint.model, footprint.model_version
