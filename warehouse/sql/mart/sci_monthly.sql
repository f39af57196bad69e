-- Operational and embodied emissions of a model version in a month by persona of SCI for AI, and per request and token.
-- grain: month x org x model x model_version x persona    keys: the same    units: gCO2e, gCO2e per unit
-- inputs: core.emission, core.job, raw.work_counter    $month: first day of the month; $next_month: of the next
-- $organisation: who answers for rows that name nobody
--
-- Location-based only, IT and overhead, without upstream: SCI = (O + M) / R. A sum in which one row is not known is not
-- known. Work that is not counted in a row is not known either; nothing counted at all is no work only where rows say 0.
with known as (
    select coalesce(job.org, $organisation) as org, job.model, job.model_version,
        case
            when emission.phase in ('inference', 'storage') then 'consumer'
            when emission.phase in ('data_processing', 'experimentation', 'training', 'fine_tuning', 'evaluation', 'deployment')
                then 'provider'
            else 'unknown'
        end as persona,
        emission.component in ('it', 'overhead') as is_operational,
        low_gco2e, gco2e, high_gco2e
    from lake.core.emission as emission
    join lake.core.job as job using (job_id, attempt)
    where day >= $month and day < $next_month and allocation = 'job' and method in ('location', 'amortised')
        and emission.component in ('it', 'overhead', 'chip', 'server', 'building')
),
summed as (
    select org, model, model_version, persona,
        count(*) filter (is_operational and gco2e is null) as unlocated_n,
        count(*) filter (not is_operational and gco2e is null) as unbooked_n,
        coalesce(exact_sum(case when is_operational then low_gco2e end), 0) as low_o,
        coalesce(exact_sum(case when is_operational then gco2e end), 0) as o,
        coalesce(exact_sum(case when is_operational then high_gco2e end), 0) as high_o,
        coalesce(exact_sum(case when not is_operational then low_gco2e end), 0) as low_m,
        coalesce(exact_sum(case when not is_operational then gco2e end), 0) as m,
        coalesce(exact_sum(case when not is_operational then high_gco2e end), 0) as high_m
    from known
    group by all
),
mass as (
    select org, model, model_version, persona,
        case when unlocated_n = 0 then low_o end as low_operational_gco2e,
        case when unlocated_n = 0 then o end as operational_gco2e,
        case when unlocated_n = 0 then high_o end as high_operational_gco2e,
        case when unbooked_n = 0 then low_m end as low_embodied_gco2e,
        case when unbooked_n = 0 then m end as embodied_gco2e,
        case when unbooked_n = 0 then high_m end as high_embodied_gco2e
    from summed
),
work as (
    select $organisation as org, model, model_version, 'consumer' as persona,
        case when count(*) = count(requests_n) then cast(sum(requests_n) as bigint) end as requests_n,
        case when count(*) = count(input_tokens_n + output_tokens_n)
            then cast(sum(input_tokens_n + output_tokens_n) as bigint) end as tokens_n
    from lake.raw.work_counter
    where day >= $month and day < $next_month
    group by all
)
select
    $month as month, mass.org, mass.model, mass.model_version, mass.persona,
    low_operational_gco2e, operational_gco2e, high_operational_gco2e,
    low_embodied_gco2e, embodied_gco2e, high_embodied_gco2e,
    requests_n, tokens_n,
    (low_operational_gco2e + low_embodied_gco2e) / nullif(requests_n, 0) as low_gco2e_per_request,
    (operational_gco2e + embodied_gco2e) / nullif(requests_n, 0) as gco2e_per_request,
    (high_operational_gco2e + high_embodied_gco2e) / nullif(requests_n, 0) as high_gco2e_per_request,
    1000 * (low_operational_gco2e + low_embodied_gco2e) / nullif(tokens_n, 0) as low_gco2e_per_1k_tokens,
    1000 * (operational_gco2e + embodied_gco2e) / nullif(tokens_n, 0) as gco2e_per_1k_tokens,
    1000 * (high_operational_gco2e + high_embodied_gco2e) / nullif(tokens_n, 0) as high_gco2e_per_1k_tokens
from mass
left join work
    on work.persona = mass.persona and work.org = mass.org
    and work.model is not distinct from mass.model and work.model_version is not distinct from mass.model_version
order by mass.org, mass.model, mass.model_version, mass.persona
