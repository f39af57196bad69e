-- Days that are computed and into which refused rows of some files fall.
-- grain: day    keys: partition_key    inputs: raw.quarantine_row, audit.materialisation    $hashes: the files
select distinct computed.partition_key
from lake.audit.materialisation as computed
join lake.raw.quarantine_row as refused
    on refused.time_ms // 86400000 = epoch_ms(try_cast(computed.partition_key as timestamp)) // 86400000
where computed.table_name = 'mart.data_quality' and list_contains($hashes, refused.file_sha256)
