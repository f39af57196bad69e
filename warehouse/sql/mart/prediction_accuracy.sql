-- How good forecasts were: error, bias and share within the 90 % interval, by phase, figure and device.
-- grain: method x version x phase x component x device    keys: the same    units: fraction
-- inputs: mart.prediction_score
--
-- Only what is scored. The row of the device "*" has all of them. Bias is that of the geometric mean of forecast over actual.
select
    method, method_version, phase, component,
    case when grouping(device) = 1 then '*' else coalesce(device, 'none') end as device,
    count(*) as forecasts_n,
    median(error_fraction) as median_error_fraction,
    median(abs(error_fraction)) as median_absolute_error_fraction,
    exp(exact_sum(ln(nullif(error_fraction + 1, 0))) / count(nullif(error_fraction + 1, 0))) - 1 as bias_fraction,
    count(*) filter (where is_inside) as inside_n,
    count(*) filter (where is_inside) / count(*) as inside_fraction
from lake.mart.prediction_score
where state = 'scored'
group by grouping sets ((method, method_version, phase, component, device), (method, method_version, phase, component))
order by method, method_version, phase, component, device
