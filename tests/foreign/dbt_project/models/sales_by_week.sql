select item_id, location_id, date_trunc('week', date)::date as week, sum(quantity) as units
from {{ source('workbench', 'sales') }}
group by all
