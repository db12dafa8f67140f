"""Customers of seven countries, with the names, streets and scripts of their own."""

from __future__ import annotations

import random

# country: (name patterns with {}, first parts, streets, cities with postal codes, dialling code)
_PLACES: dict[
    str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[tuple[str, str], ...], str]
] = {
    "DE": (
        ("{} Maschinenbau GmbH", "{} & Söhne KG", "Gebr. {} AG", "{} Logistik GmbH"),
        ("Müller", "Großmann", "Schäfer", "Weiß", "Krüger", "Brandt", "Jäger"),
        ("Lindenstraße", "Hauptstraße", "Am Güterbahnhof", "Königsallee"),
        (("Hamburg", "20095"), ("München", "80331"), ("Köln", "50667"), ("Nürnberg", "90402")),
        "+49",
    ),
    "PL": (
        ("{} Sp. z o.o.", "Zakłady {} S.A.", "{} i Wspólnicy"),
        ("Wójcik", "Łukasiewicz", "Żółkiewski", "Śliwa", "Dąbrowski"),
        ("ul. Długa", "ul. Świętojańska", "al. Niepodległości"),
        (("Kraków", "30-001"), ("Łódź", "90-001"), ("Gdańsk", "80-001")),
        "+48",
    ),
    "FR": (
        ("Établissements {}", "{} et Fils", "Société {} SARL"),
        ("Lefèvre", "Béranger", "Garçon", "Noël", "Dupré"),
        ("rue de l'Église", "boulevard Voltaire", "quai d'Orléans"),
        (("Lyon", "69001"), ("Nîmes", "30000"), ("Besançon", "25000")),
        "+33",
    ),
    "GR": (
        ("{} Α.Ε.", "{} και Υιοί Ο.Ε."),
        ("Παπαδόπουλος", "Νικολάου", "Γεωργίου", "Αλεξίου"),
        ("Ερμού", "Λεωφόρος Συγγρού", "Τσιμισκή"),
        (("Αθήνα", "105 63"), ("Θεσσαλονίκη", "546 24")),
        "+30",
    ),
    "UA": (
        ("ТОВ «{}»", "{} і партнери"),
        ("Шевченко", "Дніпро-Сталь", "Карпатський ліс", "Їжакевич"),
        ("вул. Хрещатик", "просп. Свободи"),
        (("Київ", "01001"), ("Львів", "79000")),
        "+380",
    ),
    "JP": (
        ("{}株式会社", "株式会社{}", "{}工業"),
        ("田中", "山本製作所", "東京精密", "佐々木"),
        ("中央通り", "御堂筋"),
        (("東京都", "100-0001"), ("大阪市", "530-0001")),
        "+81",
    ),
    "US": (
        ("{} Industries Inc.", "{} Supply Co.", "{} & Partners LLC"),
        ("O'Brien", "Blue Ridge", "Lakeside", "Peña", "Copper Valley"),
        ("Market Street", "5th Avenue", "Industrial Parkway"),
        (("Portland", "97201"), ("Austin", "78701"), ("Saint Paul", "55101")),
        "+1",
    ),
}


def account(rng: random.Random, number: int) -> dict[str, str]:
    """Field values of the customer with that running number, from 1."""
    country = rng.choice(sorted(_PLACES))
    patterns, parts, streets, cities, dialling = _PLACES[country]
    city, postal_code = rng.choice(cities)
    return {
        "Name": rng.choice(patterns).format(rng.choice(parts)),
        "AccountNumber": f"C-{number:06d}",
        "Phone": f"{dialling} {rng.randrange(10, 99)} {rng.randrange(100_000, 9_999_999)}",
        "BillingStreet": f"{rng.choice(streets)} {rng.randrange(1, 200)}",
        "BillingCity": city,
        "BillingPostalCode": postal_code,
        "BillingCountry": country,
    }
