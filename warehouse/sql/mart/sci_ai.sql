-- SCI for AI of a model version to date: what serving took per inference and token, what making it took per training token
-- and parameter.
-- grain: org x model x model_version x persona x unit    keys: the same    units: gCO2e, gCO2e per unit
-- inputs: mart.sci_monthly, core.job    $organisation: who answers for rows that name nobody
--
-- The two personas are never added: their units differ. A provider's units are gross. Without a unit there is no score.
with total as (
    select org, model, model_version, persona,
        case when count(*) = count(operational_gco2e) then exact_sum(low_operational_gco2e) end as low_o,
        case when count(*) = count(operational_gco2e) then exact_sum(operational_gco2e) end as o,
        case when count(*) = count(operational_gco2e) then exact_sum(high_operational_gco2e) end as high_o,
        case when count(*) = count(embodied_gco2e) then exact_sum(low_embodied_gco2e) end as low_m,
        case when count(*) = count(embodied_gco2e) then exact_sum(embodied_gco2e) end as m,
        case when count(*) = count(embodied_gco2e) then exact_sum(high_embodied_gco2e) end as high_m,
        case when count(*) = count(requests_n) then sum(requests_n) end as requests_n,
        case when count(*) = count(tokens_n) then sum(tokens_n) end as tokens_n,
        min(month) as first_month, max(month) as last_month
    from lake.mart.sci_monthly
    where persona in ('consumer', 'provider')
    group by all
),
attempt as (
    select job_id, coalesce(arg_max(org, attempt), $organisation) as org, arg_max(model, attempt) as model,
        arg_max(model_version, attempt) as model_version, arg_max(phase, attempt) as phase,
        arg_max(tokens_n, attempt) as tokens_n, arg_max(parameters_n, attempt) as parameters_n
    from lake.core.job
    group by job_id
),
made as (
    select org, model, model_version,
        case when count(*) filter (phase = 'training') = count(tokens_n) filter (phase = 'training')
            then sum(tokens_n) filter (phase = 'training') end as training_tokens_n,
        max(parameters_n) as parameters_n
    from attempt
    group by all
),
counted as (
    select total.*, unit.unit,
        case unit.unit
            when 'inference' then requests_n
            when 'token' then tokens_n
            when 'training_token' then training_tokens_n
            else parameters_n
        end as units_n
    from total
    join (
        select * from (
            values ('consumer', 'inference'), ('consumer', 'token'), ('provider', 'training_token'), ('provider', 'parameter')
        ) as unit (persona, unit)
    ) as unit using (persona)
    left join made
        on made.org = total.org
        and made.model is not distinct from total.model and made.model_version is not distinct from total.model_version
)
select
    org, model, model_version, persona, unit,
    case when persona = 'provider' then 'gross' end as basis,
    first_month, last_month,
    o as operational_gco2e, m as embodied_gco2e, cast(units_n as bigint) as units_n,
    (low_o + low_m) / nullif(units_n, 0) as low_gco2e_per_unit,
    (o + m) / nullif(units_n, 0) as gco2e_per_unit,
    (high_o + high_m) / nullif(units_n, 0) as high_gco2e_per_unit,
    case
        when o + m is null then 'not_known'
        when units_n is null then 'not_counted'
        when units_n = 0 then 'no_units'
    end as reason
from counted
order by org, model, model_version, persona, unit
