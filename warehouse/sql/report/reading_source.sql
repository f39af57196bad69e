-- The interfaces that gave the readings, with the interval that is applied to their energy.
-- grain: source    keys: source    units: kWh, fraction
-- inputs: core.job_energy, ref.source_uncertainty
with used as (
    select source, sum(energy_j) / 3.6e6 as it_kwh, sum(estimated_j) / 3.6e6 as estimated_kwh
    from core.job_energy
    group by source
)
select
    used.source, used.it_kwh, used.estimated_kwh, used.it_kwh / nullif(sum(used.it_kwh) over (), 0) as it_kwh_fraction,
    known.low_factor, known.high_factor, known.reference
from used
left join ref.source_uncertainty as known on known.source = used.source and known.known_to is null
order by used.it_kwh desc, used.source
