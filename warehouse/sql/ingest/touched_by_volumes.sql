-- Days touched by delivered volumes of instruments: their own, where they have energy.
-- grain: day    keys: day    inputs: good (temporary), core.job_slot
select distinct slot.day
from lake.core.job_slot as slot
semi join good on good.day = slot.day
