"""Names, addresses and numbers that people type, drawn from an operation's own dice."""

from __future__ import annotations

import random
from decimal import Decimal

_FIRST = ("Adler", "Birke", "Cedar", "Dorn", "Eiche", "Falke", "Ginster", "Hafen", "Jäger", "Müller", "Weiß")
_TRADE = ("Logistik", "Technik", "Handel", "Foods", "Systems", "Textil")
_FORM = ("GmbH", "AG", "SE", "Ltd", "SARL", "BV")
_STREET = ("Hauptstraße", "Am Güterbahnhof", "Königsallee", "Rue Voltaire", "Mill Lane", "Lindenweg")
_TOWN = (
    ("Berlin", "10115", "DE"),
    ("Köln", "50667", "DE"),
    ("Wien", "1010", "AT"),
    ("Zürich", "8001", "CH"),
    ("Besançon", "25000", "FR"),
    ("Leeds", "LS1 1UR", "GB"),
)
TERMS = ("Z014", "Z030", "Z045", "Z060")
PRODUCTS = (
    ("PLAN-S", Decimal("19.90")),
    ("PLAN-M", Decimal("49.00")),
    ("PLAN-L", Decimal("129.50")),
    ("USAGE-GB", Decimal("0.12")),
)


class Typist:
    """One operation's dice; ``number`` is the operation's and makes every value of its own."""

    def __init__(self, seed: int, number: int) -> None:
        self.dice = random.Random(f"{seed}/{number}")
        self._number = number
        self._phones = 0

    def name(self) -> str:
        """A company's name, at most 35 characters: so much fits into the narrowest system."""
        choose = self.dice.choice
        return f"{choose(_FIRST)} {choose(_TRADE)} {choose(_FORM)} {self._number}"

    def address(self) -> dict[str, str]:
        """A billing address as Salesforce calls its parts."""
        town, code, country = self.dice.choice(_TOWN)
        return {
            "BillingStreet": f"{self.dice.choice(_STREET)} {self.dice.randint(1, 199)}",
            "BillingCity": town,
            "BillingPostalCode": code,
            "BillingCountry": country,
        }

    def phone(self) -> str:
        """A phone number that nobody else types in this run, so that each can be followed."""
        self._phones += 1
        return f"+49 {self.dice.randint(200, 999)} {self._number:06d}{self._phones}"

    def limit(self) -> Decimal:
        """A credit limit."""
        return Decimal(self.dice.randint(1, 500) * 100) + Decimal(self.dice.choice((0, 0, 50))) / 100

    def terms(self) -> str:
        """Payment terms as the ERP calls them."""
        return self.dice.choice(TERMS)
