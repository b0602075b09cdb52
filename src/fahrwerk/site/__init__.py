"""The shell of the server-rendered pages: layout, language, theme, consent, legal pages.

Words: a *look* is how pages look under a host: tenancy's brand, and the operator's *contact*; a
*legal text* is a privacy policy, terms or an
imprint, kept in all its versions; a *consent* is what somebody chose about cookies; a *view* is
what somebody of the team looks at again and again. Tables: ``contact``, ``legal_text``,
``consent``, ``saved_view``. Asks tenancy. Other rooms bring pages of their own, in
``<room>/pages``, and have ``contract.shell`` put them into the layout.
"""
