{{ config(materialized='external', location=env_var('EXPORT')) }}
select 'weekly units of ' || item_id as name, location_id, week as date, units as value
from {{ ref('sales_by_week') }}
order by all
