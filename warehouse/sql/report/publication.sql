-- Which state of the lake is published, and since when.
-- grain: one row    keys: none    units: none
-- inputs: audit.publication
select lake_snapshot, published_at from audit.publication
