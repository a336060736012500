"""What columns and files are called in exports, in English and German, without blanks."""

from collections.abc import Mapping
from typing import Final

from workbench.contracts import columns as c

COLUMN_WORDS: Final[Mapping[str, str]] = {
    c.ITEM_ID: (
        "item sku article artikel artikelnr articleno product productid produkt material "
        "itemid itemno stockcode itemnumber productnumber artnr materialnr productcode "
        "itemcode"
    ),
    c.LOCATION_ID: (
        "location store shop site filiale markt lager warehouse plant werk storeid branch "
        "whs locationid warehouseid outlet standort"
    ),
    c.SUPPLIER_ID: (
        "supplier vendor lieferant supplierid vendorid businessentityid kreditor creditor"
    ),
    c.QUANTITY: (
        "quantity qty units pieces menge anzahl stueck cases orderqty pcs amount_units "
        "lineitemquantity"
    ),
    c.DESCRIPTION: "description name text bezeichnung title itemname productname desc artikeltext",
    c.CATEGORY: "category kategorie group warengruppe class subcategory productgroup",
    c.DEPARTMENT: "department abteilung division sector",
    c.BRAND: "brand marke label",
    c.MANUFACTURER: "manufacturer hersteller maker",
    c.BASE_UOM: "unit uom einheit unitofmeasure base_uom me unitmeasure",
    c.PACK_TEXT: "size packagesize packsize package_size groesse inhalt",
    c.UNIT_COST: "cost unitcost standardcost ek einkaufspreis packprice purchaseprice",
    c.UNIT_PRICE: "price unitprice listprice vk verkaufspreis preis",
    c.PRICE: "price unitprice preis vk sellprice",
    c.CURRENCY: "currency waehrung curr",
    c.GTIN: "gtin ean barcode upc eancode",
    c.WEIGHT_KG: "weight gewicht weightkg",
    c.SHELF_LIFE_DAYS: "shelflife mhd shelflifedays",
    c.PRIMARY_SUPPLIER: (
        "supplier vendor lieferant supplierid vendorid businessentityid kreditor creditor"
    ),
    c.DATE: "date day datum tag businessdate salesdate transactiondate invoicedate countdate week",
    c.REVENUE: "revenue sales turnover umsatz money amount betrag value salesvalue linetotal total",
    c.CHANNEL: "channel kanal",
    c.ON_HAND: "onhand stock bestand quantityonhand inventory quantity soh",
    c.ON_ORDER: "onorder bestellt openorders ordered_qty intransit coming onorderqty",
    c.ORDER_ID: "order orderid orderno invoice invoiceno basket basketid auftrag bestellung beleg",
    c.CUSTOMER_HASH: "customer customerid kunde kundennr household householdid email member",
    c.ORDERED: "ordered orderdate ordertime invoicedate bestelldatum posenttovendordate timestamp",
    c.LINE: "line lineno position pos zeile linenumber detailid",
    c.PO_ID: "po poid purchaseorder pono purchaseorderid bestellung bestellnr order poso",
    c.DUE: "due duedate liefertermin scheduled scheduleddeliverydate expected",
    c.RECEIPT_ID: "receipt receiptid wareneingang grn goodsreceipt",
    c.RECEIVED: "received receiveddate eingang eingangsdatum deliveredtoclientdate delivered",
    c.REJECTED: "rejected rejectedqty abgelehnt",
    c.KIND: "kind type art movementtype",
    c.REGION: "region state land bundesland country area",
    c.COUNTRY: "country land",
    c.LATITUDE: "latitude lat",
    c.LONGITUDE: "longitude lon lng long",
    c.LEAD_TIME_DAYS: "leadtime leadtimedays lieferzeit lead averageleadtime",
    c.LEAD_TIME_SD_DAYS: "leadtimesd leadsd",
    c.CAPACITY: "capacity maxorderqty maximum",
    c.MINIMUM_ORDER_QUANTITY: "minimum moq minorderqty mindestmenge minimumorderquantity",
    c.ORDER_MULTIPLE: "multiple ordermultiple packsize losgroesse",
    c.EVENT: "event holiday feiertag",
    c.VALID_FROM: "from validfrom start startdate gueltigab",
    c.VALID_TO: "to validto end enddate",
    c.MOVEMENT_ID: "movement movementid buchung transactionid",
    c.TIME: "time timestamp zeit datetime",
    c.DOCUMENT: "document beleg belegnr reference",
    c.RETURN_ID: "return returnid creditnote rma",
    c.REASON: "reason grund",
    c.SHIPMENT_ID: "shipment shipmentid sendung delivery asn asndn",
    c.CARRIER: "carrier spedition shipmentmode",
    c.SHIPPED: "shipped shipdate versanddatum",
    c.DELIVERED: "delivered delivereddate deliveredtoclientdate",
    c.COST: "cost freight freightcost",
    c.SOURCE_SYSTEM: "sourcesystem system",
    c.SOURCE_ID: "sourceid",
    c.FROM_UOM: "fromuom fromunit",
    c.TO_UOM: "touom tounit",
    c.FACTOR: "factor faktor conversion",
}
"""Names of a column, beside its own."""

TABLE_WORDS: Final[Mapping[str, str]] = {
    "items": "item article artikel product sku stamm material",
    "locations": "site store location filiale standort shop warehouse",
    "suppliers": "supplier vendor lieferant",
    "supplier_items": "terms productvendor konditionen supplieritem",
    "sales": "sale till pos umsatz kasse verkauf",
    "prices": "price preis",
    "promotions": "promo aktion",
    "calendar": "holiday calendar feiertag kalender",
    "stock": "stock bestand inventory onhand lagerbestand count",
    "stock_movements": "movement bewegung buchung",
    "orders": "orderhead ordersheader",
    "order_lines": "orderline invoice basket transaction",
    "purchase_orders": "purchase bestell po",
    "receipts": "receipt wareneingang goodsreceived grn",
    "returns": "return retoure credit",
    "shipments": "shipment sendung delivery",
}
"""Parts of the names of files that hold a table."""
