"""The canonical tables: columns, types, keys and ranges, each stated once.

Frames are long. A missing part of a key is `"*"`, never null. Dates are calendar days in the
location's own time zone; times are UTC. Quantities are in the item's base unit of measure, money
in the currency column beside it, or in the workspace's currency where there is none. A trailing
`?` marks a column that may be null. Column names for use in code are in `columns.py`.
"""

from typing import Final

from workbench.contracts.schema import (
    TableContract,
    boolean,
    date,
    integer,
    number,
    table,
    text,
    time,
)
from workbench.errors import ContractError

ANY: Final = "*"
DEFAULT_CHANNEL: Final = "store"
SEVERITIES: Final = ("info", "warning", "error")
# Whose decision a forecast is for: windows of orders, days, weeks, months (forecasting/horizons.py)
REPLENISHMENT: Final = "replenishment"
TACTICAL: Final = "tactical"
OPERATIONAL: Final = "operational"
STRATEGIC: Final = "strategic"
SERVES: Final = (REPLENISHMENT, TACTICAL, OPERATIONAL, STRATEGIC)

# --- master data ------------------------------------------------------------------------------
ITEMS = table(
    "items",
    "item_id",
    text("item_id description category? department? brand? manufacturer?"),
    text("base_uom pack_uom?"),  # UN/CEFACT Recommendation 20 codes
    text("pack_text?"),  # package size as the source writes it, where it was parsed from text
    number("pack_size? pack_count? unit_cost? unit_price?", minimum=0),
    text("currency gtin?"),
    number("shelf_life_days? volume_m3? weight_kg?", minimum=0),
    text("primary_supplier?"),
    boolean("is_demand"),  # False for fuel, coupons and other pseudo-items
)
ITEM_ALIASES = table(
    "item_aliases",
    "source_system source_id",
    text("source_system source_id item_id"),
    date("valid_from valid_to?"),
    text("decision_id?"),
)
UOM_CONVERSIONS = table(
    "uom_conversions",
    "item_id from_uom to_uom",
    text("item_id from_uom to_uom"),
    number("factor", minimum=0),
)
LOCATIONS = table(
    "locations",
    "location_id",
    text("location_id"),
    text("kind", values=("dc", "store", "micro_fulfilment")),
    text("region?"),
    number("latitude?", minimum=-90, maximum=90),
    number("longitude?", minimum=-180, maximum=180),
)
SUPPLIERS = table("suppliers", "supplier_id", text("supplier_id country?"))
SUPPLIER_ITEMS = table(
    "supplier_items",
    "supplier_id item_id location_id",
    text("supplier_id item_id location_id"),  # location that the supplier delivers to
    number("lead_time_days lead_time_sd_days minimum_order_quantity", minimum=0),
    number("order_multiple unit_cost", minimum=0),
    text("currency"),
    number("capacity?", minimum=0),
)

# --- what happened ----------------------------------------------------------------------------
SALES = table(
    "sales",
    "item_id location_id date channel",
    text("item_id location_id"),
    date("date"),
    text("channel"),
    number("quantity", minimum=0),
    number("revenue"),
    boolean("in_stock?"),
    observed="date",
)
PRICES = table(
    "prices",
    "item_id location_id valid_from",
    text("item_id location_id"),
    date("valid_from"),
    number("price", minimum=0),
    text("currency"),
)
PROMOTIONS = table(
    "promotions",
    "item_id location_id valid_from kind",
    text("item_id location_id"),
    date("valid_from"),
    text("kind"),
    date("valid_to"),  # first day after the promotion
    text("detail?"),
)
CALENDAR = table("calendar", "date event", date("date"), text("event type"))
SIGNALS = table(
    "signals", "name location_id date", text("name location_id"), date("date"), number("value")
)
STOCK = table(
    "stock",
    "item_id location_id date",
    text("item_id location_id"),
    date("date"),
    number("on_hand"),
    number("on_order", minimum=0),
    observed="date",
)
STOCK_MOVEMENTS = table(
    "stock_movements",
    "movement_id",
    text("movement_id item_id location_id"),
    time("time"),
    text("kind"),
    number("quantity"),  # positive in, negative out
    text("document?"),
    observed="time",
)
ORDERS = table(
    "orders",
    "order_id",
    text("order_id customer_hash? channel"),
    time("ordered promised?"),
    date("date"),  # business day of `ordered` where it was placed
    observed="date",
)
ORDER_LINES = table(
    "order_lines",
    "order_id line",
    text("order_id"),
    integer("line", minimum=1),
    text("item_id location_id"),
    date("date"),
    number("quantity", minimum=0),
    number("price?", minimum=0),
    text("source_digest?"),  # of the whole row of the source: tells a repeat from a second line
    observed="date",
)
SHIPMENTS = table(
    "shipments",
    "shipment_id order_id line",
    text("shipment_id order_id"),
    integer("line", minimum=1),
    text("carrier?"),
    date("shipped? delivered?"),
    number("cost?", minimum=0),
)
RETURNS = table(
    "returns",
    "return_id",
    text("return_id order_id"),  # order_id is * where the credit note names none
    integer("line?", minimum=1),
    text("item_id? location_id?"),
    date("date?"),
    number("quantity", minimum=0),
    number("price?", minimum=0),
    text("customer_hash? reason? source_digest?"),
)
PURCHASE_ORDERS = table(
    "purchase_orders",
    "po_id line",
    text("po_id"),
    integer("line", minimum=1),
    text("supplier_id item_id location_id"),
    date("ordered due"),
    number("quantity", minimum=0),
    number("unit_cost?", minimum=0),
    observed="ordered",
)
RECEIPTS = table(
    "receipts",
    "receipt_id",
    text("receipt_id po_id"),
    integer("line", minimum=1),
    date("received"),
    number("quantity rejected", minimum=0),
    observed="received",
)

# --- how it got here --------------------------------------------------------------------------
# Both grow: each says of every version of every table how it was loaded, not only of the current.
LOADS = table(
    "loads",
    "loaded_table loaded_version",
    text("loaded_table loaded_version source"),
    # read + expanded = left_out + quarantined + merged + added + corrected + unchanged
    integer("read expanded left_out quarantined merged added corrected unchanged", minimum=0),
    integer("kept loaded", minimum=0),  # kept from the version before; rows of this version
    text("watermark?"),  # how far a source that brings only what is new was read
)
QUARANTINE = table(
    "quarantine",
    "loaded_table loaded_version file row",
    text("loaded_table loaded_version source file"),
    integer("row", minimum=1),  # line of a text file, else row of the sheet, file or answer
    text("column? reason value? record?"),  # record: JSON of the mapped columns, none secret
)

# --- what runs conclude -----------------------------------------------------------------------
FORECASTS = table(
    "forecasts",
    "run_id model item_id location_id cutoff horizon_start horizon_end quantile",
    text("run_id model item_id location_id"),
    date("cutoff horizon_start horizon_end"),  # a window forecasts its cumulative demand
    number("quantile", minimum=0, maximum=1),
    number("value", minimum=0),
    text("serves?", values=SERVES),  # whose decision the row is for
    observed="cutoff",
    run="run_id",
)
# One row per day with demand; a path's last day always has its row, so that its length is known.
FORECAST_PATHS = table(
    "forecast_paths",
    "run_id item_id location_id cutoff path date",
    text("run_id item_id location_id"),
    date("cutoff"),
    integer("path", minimum=0),
    date("date"),
    number("quantity", minimum=0),
    run="run_id",
)
SEGMENTS = table(
    "segments",
    "run_id item_id location_id",
    text("run_id item_id location_id"),
    text("segment"),  # value class and variability class, for example AX
    text("abc", values=("A", "B", "C")),
    text("xyz", values=("X", "Y", "Z")),
    text("pattern", values=("smooth", "erratic", "intermittent", "lumpy")),
    number("revenue demand_mean demand_cv?"),
    number("average_interval?", minimum=0),
    text("policy"),
    run="run_id",
)
POLICIES = table(
    "policies",
    "run_id item_id location_id",
    text("run_id item_id location_id rule parameters"),  # parameters: JSON object
    number("reorder_point? order_up_to_level? safety_stock?"),
    number("expected_cost? expected_fill_rate?"),
    text("currency"),
    run="run_id",
)
PROPOSALS = table(
    "proposals",
    "proposal_id",
    text("proposal_id run_id kind item_id location_id supplier_id from_location_id"),
    date("valid_from valid_to"),  # in force on days d with valid_from <= d < valid_to
    date("order_date? due_date?"),
    text("unit"),
    number("unit_cost?", minimum=0),
    text("currency"),
    number("before? proposed"),
    number("interval_low? interval_high?"),  # of the demand that it must meet, not of `proposed`
    number("interval_level?", minimum=0, maximum=1),
    number("money_at_stake?"),
    text("reasons"),  # JSON array of sentences
    run="run_id proposal_id",
)
CONTRIBUTIONS = table(
    "contributions",
    "run_id item_id location_id horizon_start horizon_end driver",
    text("run_id item_id location_id"),
    date("horizon_start horizon_end"),
    text("driver"),
    number("contribution"),  # units; all drivers of a forecast sum to it
    run="run_id",
)
FINDINGS = table(
    "findings",
    "run_id check_id scope",
    text("run_id check_id scope area"),
    text("severity", values=SEVERITIES),
    text("finding remedy"),
    integer("rows_affected rows_checked", minimum=0),
    number("money_at_stake?"),
    run="run_id",
)
ALARMS = table(
    "alarms",
    "alarm_id",
    text("alarm_id run_id monitor scope"),
    date("window_start window_end"),
    number("statistic threshold"),
    boolean("raised"),
    run="run_id alarm_id",
)
COUNTS = table(
    "counts",
    "count_id",
    text("count_id location_id item_id"),
    time("time"),
    text("model"),
    number("value", minimum=0),
    number("low? high?"),
    boolean("accepted"),
)
SCENARIOS = table(
    "scenarios",
    "run_id scenario item_id location_id window_start",
    text("run_id scenario item_id location_id"),
    date("window_start window_end"),  # first and last simulated day of the row
    number("demand sold lost", minimum=0),
    number("average_on_hand average_stock_value", minimum=0),
    number("end_stock_value", minimum=0),  # on hand and on order at the end of the last day
    number("orders holding_cost ordering_cost stockout_cost total_cost", minimum=0),
    text("currency"),
    run="run_id",
)
OUTCOMES = table(
    "outcomes",
    "decision_id as_of",
    text("decision_id"),
    date("as_of"),
    number("quantity? money?"),
    text("currency"),
)
KPIS = table(
    "kpis",
    "run_id kpi scope",
    text("run_id kpi scope"),
    number("value? low? high?"),
    text("unit"),
    run="run_id",
)

CONTRACTS: Final[dict[str, TableContract]] = {
    value.name: value for value in list(globals().values()) if isinstance(value, TableContract)
}


def contract(name: str) -> TableContract:
    """The contract of a table.

    Raises:
        ContractError: No table of that name is canonical.
    """
    if name not in CONTRACTS:
        known = ", ".join(sorted(CONTRACTS))
        raise ContractError(f"table {name!r}: not a canonical table; expected one of {known}.")
    return CONTRACTS[name]
