"""The objects of the sandbox org, as data.

The order of the standard Account fields is the one of the AccountChangeEvent schema of a real org,
because the
bitmaps of change events count positions in that schema.
"""

from __future__ import annotations

from adapters.sandbox.salesforce.org.fields import Field, FieldType, ObjectType

T = FieldType


def _text(name: str, label: str, length: int) -> Field:
    return Field(name, T.STRING, label, length=length)


def _picklist(name: str, label: str) -> Field:
    return Field(name, T.PICKLIST, label, length=255, doc="Data:DynamicEnum")


def _money(name: str, label: str) -> Field:
    return Field(name, T.CURRENCY, label, precision=18, scale=2)


def _lookup(name: str, label: str, target: str) -> Field:
    return Field(name, T.REFERENCE, label, length=18, reference_to=target, doc="Data:ForeignKey:EntityId")


def _address(compound: str, label: str) -> tuple[Field, ...]:
    stem = compound.removesuffix("Address")
    texts = (("Street", 255), ("City", 40), ("State", 80), ("PostalCode", 20), ("Country", 80))
    codes = (("StateCode", 10), ("CountryCode", 10))

    def part(component: str, kind: FieldType, length: int) -> Field:
        return Field(
            f"{stem}{component}",
            kind,
            f"{label} {component}",
            length=length,
            compound=compound,
            component=component,
            precision=18 if kind is T.DOUBLE else 0,
            scale=15 if kind is T.DOUBLE else 0,
        )

    return (
        *(part(component, T.STRING, length) for component, length in (*texts, *codes)),
        part("Latitude", T.DOUBLE, 0),
        part("Longitude", T.DOUBLE, 0),
        part("GeocodeAccuracy", T.PICKLIST, 40),
    )


def _audit() -> tuple[Field, ...]:
    def stamp(name: str, kind: FieldType, doc: str) -> Field:
        target = "User" if kind is T.REFERENCE else ""
        return Field(name, kind, name, length=18, writable=False, reference_to=target, doc=doc)

    return (
        stamp("CreatedDate", T.DATETIME, "CreatedDate:DateTime"),
        stamp("CreatedById", T.REFERENCE, "CreatedBy:EntityId"),
        stamp("LastModifiedDate", T.DATETIME, "LastModifiedDate:DateTime"),
        stamp("LastModifiedById", T.REFERENCE, "LastModifiedBy:EntityId"),
    )


def _hidden() -> tuple[Field, ...]:
    """System fields that no change event carries."""
    return (
        Field("Id", T.ID, "Record ID", length=18, writable=False, in_events=False),
        Field("IsDeleted", T.BOOLEAN, "Deleted", writable=False, in_events=False),
        Field("SystemModstamp", T.DATETIME, "System Modstamp", writable=False, in_events=False),
    )


def _external_id() -> Field:
    return Field("Isthmus_Id__c", T.STRING, "Isthmus Id", length=40, external_id=True, unique=True)


ACCOUNT = ObjectType(
    name="Account",
    label="Account",
    label_plural="Accounts",
    prefix="001",
    conditional_etag=True,
    fields=(
        Field("Name", T.STRING, "Account Name", length=255, required=True, doc="Data:Switchable_PersonName"),
        _picklist("Type", "Account Type"),
        Field("RecordTypeId", T.REFERENCE, "Record Type ID", length=18, doc="Data:ForeignKey:EntityId"),
        _lookup("ParentId", "Parent Account ID", "Account"),
        *_address("BillingAddress", "Billing"),
        *_address("ShippingAddress", "Shipping"),
        Field("Phone", T.PHONE, "Account Phone", length=40),
        Field("Fax", T.PHONE, "Account Fax", length=40),
        _text("AccountNumber", "Account Number", 40),
        Field("Website", T.URL, "Website", length=255),
        _text("Sic", "SIC Code", 20),
        _picklist("Industry", "Industry"),
        Field("AnnualRevenue", T.CURRENCY, "Annual Revenue", precision=18, scale=0),
        Field("NumberOfEmployees", T.INT, "Employees", precision=8),
        _picklist("Ownership", "Ownership"),
        _text("TickerSymbol", "Ticker Symbol", 20),
        Field("Description", T.TEXTAREA, "Account Description", length=32000, doc="Data:StringPlusClob"),
        _picklist("Rating", "Account Rating"),
        _text("Site", "Account Site", 80),
        Field("OwnerId", T.REFERENCE, "Owner ID", length=18, reference_to="User", doc="Owner:EntityId"),
        *_audit(),
        _external_id(),
        _money("Credit_Limit__c", "Credit Limit"),
        _text("Payment_Terms__c", "Payment Terms", 10),
        Field("Order_Block__c", T.BOOLEAN, "Order Block"),
        *_hidden(),
    ),
)

INVOICE = ObjectType(
    name="Invoice__c",
    label="Invoice",
    label_plural="Invoices",
    prefix="a0I",
    fields=(
        Field("OwnerId", T.REFERENCE, "Owner ID", length=18, reference_to="User", doc="Owner:EntityId"),
        _text("Name", "Invoice Name", 80),
        *_audit(),
        _text("Invoice_Number__c", "Invoice Number", 20),
        _lookup("Account__c", "Account", "Account"),
        Field("Invoice_Date__c", T.DATE, "Invoice Date"),
        Field("Due_Date__c", T.DATE, "Due Date"),
        _text("Currency__c", "Currency", 3),
        _money("Net_Amount__c", "Net Amount"),
        _money("Tax_Amount__c", "Tax Amount"),
        _money("Gross_Amount__c", "Gross Amount"),
        _text("Status__c", "Status", 20),
        Field("Paid_At__c", T.DATETIME, "Paid At"),
        _external_id(),
        *_hidden(),
    ),
)

USER = ObjectType(
    name="User",
    label="User",
    label_plural="Users",
    prefix="005",
    change_events=False,
    fields=(
        Field("Username", T.STRING, "Username", length=80, writable=False),
        Field("Name", T.STRING, "Full Name", length=121, writable=False),
        Field("IsActive", T.BOOLEAN, "Active", writable=False),
        *_audit(),
        *_hidden(),
    ),
)

STANDARD: tuple[ObjectType, ...] = (ACCOUNT, INVOICE, USER)
