"""Legal texts until an operator publishes its own: true of what the platform does, and no more."""

from __future__ import annotations

_PRIVACY_DE = """\
# Wer verantwortlich ist
{operator} ist verantwortlich für die Verarbeitung Ihrer Daten. Kontakt: {contact}

# Welche Daten wir verarbeiten
- Konto: Name, E-Mail-Adresse oder Telefonnummer, Sprache (Art. 6 Abs. 1 b DSGVO)
- Fahrten: Fahrzeug, Zeit, Start, Ende und Weg (Art. 6 Abs. 1 b DSGVO)
- Zahlungen: Beträge und ein Verweis auf das Zahlungsmittel; Kartennummern speichert nur der \
Zahlungsdienstleister (Art. 6 Abs. 1 b und c DSGVO)
- Technik: IP-Adresse und Browser, um Missbrauch abzuwehren (Art. 6 Abs. 1 f DSGVO)

# Cookies
Notwendige Cookies halten Sie angemeldet und merken sich Sprache und Darstellung. Alles andere \
ist aus, bis Sie zustimmen; Sie können das jederzeit unter „Cookies“ ändern.

# Wie lange
Bewegungsdaten löschen wir nach 90 Tagen, Rechnungsdaten nach den gesetzlichen Fristen, Ihr Konto \
auf Wunsch.

# Ihre Rechte
Sie haben das Recht auf Auskunft, Berichtigung, Löschung, Einschränkung, Übertragbarkeit und \
Widerspruch und können sich bei einer Aufsichtsbehörde beschweren.
"""
_PRIVACY_EN = """\
# Who is responsible
{operator} is responsible for the processing of your data. Contact: {contact}

# What we process
- Account: name, e-mail address or phone number, language (Art. 6(1)(b) GDPR)
- Rides: vehicle, time, start, end and route (Art. 6(1)(b) GDPR)
- Payments: amounts and a reference to the payment method; card numbers are kept by the payment \
provider alone (Art. 6(1)(b) and (c) GDPR)
- Technology: IP address and browser, to keep abuse away (Art. 6(1)(f) GDPR)

# Cookies
Necessary cookies keep you logged in and remember language and appearance. Everything else is off \
until you agree; you can change that at any time under "Cookies".

# For how long
Positions are deleted after 90 days, accounting records after the terms of the law, your account \
when you ask for it.

# Your rights
You have the right of access, rectification, erasure, restriction, portability and objection, and \
may complain to a supervisory authority.
"""
_TERMS_DE = """\
# Geltung
Diese Bedingungen gelten für die Miete von Fahrzeugen bei {operator}. Kontakt: {contact}

# Konto
Sie brauchen ein Konto mit richtigen Angaben und dürfen es niemandem überlassen.

# Miete
Die Miete beginnt mit dem Entsperren und endet, wenn das Fahrzeug abgestellt und die Fahrt in der \
App beendet ist. Preise stehen vor jeder Fahrt in der App und enthalten die Umsatzsteuer.

# Guthaben
Eingezahltes Guthaben verfällt nicht. Bonusguthaben wird zuerst verbraucht, kann ablaufen und wird \
nicht ausgezahlt.

# Haftung
Es gelten die gesetzlichen Vorschriften.
"""
_TERMS_EN = """\
# Scope
These terms are for renting vehicles from {operator}. Contact: {contact}

# Account
You need an account with true details and must not lend it to anybody.

# Rental
A rental begins when the vehicle is unlocked and ends when it is parked and the ride is ended in \
the app. Prices are shown before each ride and contain the tax.

# Balance
Money you paid in does not expire. Bonus money is spent first, may expire and is not paid out.

# Liability
The law applies.
"""
_IMPRINT_DE = """\
# Angaben gemäß § 5 DDG
{operator}

Kontakt: {contact}

Anschrift, Vertretung, Register und Umsatzsteuer-Identifikationsnummer trägt der Betreiber hier \
ein, bevor er öffentlich anbietet.
"""
_IMPRINT_EN = """\
# Legal notice
{operator}

Contact: {contact}

The operator enters address, representatives, register and VAT number here before offering its \
service to the public.
"""

DEFAULTS = {
    ("privacy", "de"): _PRIVACY_DE,
    ("privacy", "en"): _PRIVACY_EN,
    ("terms", "de"): _TERMS_DE,
    ("terms", "en"): _TERMS_EN,
    ("imprint", "de"): _IMPRINT_DE,
    ("imprint", "en"): _IMPRINT_EN,
}
