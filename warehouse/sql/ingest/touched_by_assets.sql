-- Days touched by new hardware events: the later days of the host that have readings.
-- grain: day    keys: day    inputs: good (temporary), raw.power_sample
select distinct r.day
from lake.raw.power_sample as r
join (select host, min(day) as from_day from good where host is not null group by host) as g
  on r.host = g.host and r.day >= g.from_day
