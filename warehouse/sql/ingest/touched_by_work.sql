-- Days touched by new work counters: their own.
-- grain: day    keys: day    inputs: good (temporary)
select distinct day from good
