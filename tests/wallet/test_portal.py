"""The rider's portal, by forms and links alone, in German and English (WAL-03..09, WAL-34)."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import openpyxl  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.kernel import clock, db
from fahrwerk.kernel.errors import Invalid
from fahrwerk.payments import jobs
from fahrwerk.payments.contract import debts
from fahrwerk.wallet import contract as wallet
from fahrwerk.wallet.contract import TransactionFilter
from fahrwerk.wallet.pages import drawing
from fahrwerk.wallet.pages.entries import days, minor_of, written
from tests.payments.gateways.kits import RIDER_IBAN, open_sepa
from tests.payments.test_debts_journey import debtor
from tests.site.browsing import Browser, Page
from tests.site.test_pages import check_is_sound
from tests.world import World

PAGES = ("/portal/", "/portal/transactions", "/portal/billing", "/portal/usage",
         "/portal/methods", "/portal/debts", "/portal/rides")  # fmt: skip


async def entered(world: World, language: str = "en") -> tuple[Browser, Page]:
    """A rider's browser, logged in, on the dashboard."""
    browser = Browser(world, **{"accept-language": language})
    return browser, await browser.log_in(world, await world.rider())


async def test_all_pages_are_there_and_sound(world: World) -> None:
    """WAL-03, 05, 08, 34, WEB-17, WEB-25..27: for a new rider, in two languages."""
    for language, word in (("de", "Guthaben"), ("en", "balance")):
        browser, home = await entered(world, language)
        assert home.answer.url.path == "/portal/"
        for path in PAGES:
            page = await browser.get(path)
            assert page.answer.status_code == 200, (path, page.text)
            check_is_sound(page)
            assert page.language == language
        assert word in home.text


async def test_who_is_not_logged_in_is_led_to_it_and_back(world: World) -> None:
    """IDN-33: pages need a rider; after the log-in one is where one wanted to be."""
    browser = Browser(world)
    answer = await browser.client.get("/portal/transactions?type=usage&from=2026-01-01")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login?next=/portal/transactions?type=usage%26")
    page = await browser.get("/portal/transactions?type=usage&from=2026-01-01")
    assert page.form("/login").values["next"] == "/portal/transactions?type=usage&from=2026-01-01"
    token = world.client(await world.rider())  # a token is not what pages take
    assert (await token.get("/portal/")).status_code == 303


async def test_top_up_with_a_new_card_by_forms_alone(world: World) -> None:
    """WAL-06, 07, 13, 16: add a card, load 100 EUR, get the bonus, see it in both languages."""
    browser, home = await entered(world, "de")
    methods = await browser.get("/portal/methods")
    methods = await browser.send(methods, "/portal/methods", card="tok_visa")
    assert "Visa" in methods.text
    assert "gespeichert" in methods.text
    billing = await browser.get("/portal/billing")
    done = await browser.send(billing, "/portal/billing/topup", amount="100,00")
    await world.settle()
    done = await browser.get(str(done.answer.url))
    assert "Gutgeschrieben" in done.text
    assert "110,00 €" in done.text
    check_is_sound(done)
    home = await browser.get("/portal/")
    assert "110,00 €" in home.text
    assert "10,00 €" in home.text
    home = await browser.get("/language/en?next=/portal/")
    assert "€110.00" in home.text
    listed = await browser.get("/portal/transactions?type=bonus")
    assert "+€10.00" in listed.text
    assert "€100.00" not in listed.text.replace("€110.00", "")
    methods = await browser.send(await browser.get("/portal/methods"), "/portal/methods/remove")
    assert "removed" in methods.text


async def test_a_double_click_pays_once(world: World) -> None:
    """WAL-14: the form's own key makes the repeat harmless, also when both come at once."""
    browser, _ = await entered(world)
    page = await browser.send(await browser.get("/portal/methods"), "/portal/methods")
    form = (await browser.get("/portal/billing")).form("/portal/billing/topup")
    origin = {"origin": "https://test"}
    answers = await asyncio.gather(
        *(browser.client.post(form.action, data=form.values | {"amount": "20"}, headers=origin)
          for _ in range(3))
    )  # fmt: skip
    assert {a.headers["location"] for a in answers if a.status_code == 303}
    await world.settle()
    page = await browser.get("/portal/")
    assert "€20.00" in page.text
    assert "€40.00" not in page.text


@pytest.mark.parametrize("amount", ["0", "-5", "1", "1000000", "abc", "", "1e3", "5,555", "٥٠"])
async def test_wrong_amounts_say_what_is_possible(world: World, amount: str) -> None:
    """A form comes back with what was entered and the limits, nothing begun (WAL-06)."""
    browser, _ = await entered(world)
    page = await browser.get("/portal/billing")
    back = await browser.send(page, "/portal/billing/topup", amount=amount)
    assert back.answer.status_code == 400
    assert "Between €5.00 and €500.00." in back.text
    assert back.form("/portal/billing/topup").values["amount"] == amount
    check_is_sound(back)


async def test_a_declined_card_and_one_to_be_confirmed(world: World) -> None:
    """Failed says why and that nothing was charged; a challenge is confirmed on the page."""
    browser, _ = await entered(world)
    for card, word in (("tok_chargeDeclined", "Failed"), ("tok_threeDSecure", "confirm")):
        await browser.send(await browser.get("/portal/methods"), "/portal/methods", card=card)
        page = await browser.get("/portal/billing")
        done = await browser.send(page, "/portal/billing/topup", amount="10")
        assert word in done.text, done.text
    done = await browser.send(done, "/portal/billing/confirm")
    await world.settle()
    assert "Credited" in (await browser.get(str(done.answer.url))).text


async def test_without_a_card_a_top_up_waits_to_be_paid(world: World) -> None:
    """WAL-13: the checkout is open for 30 minutes, and paid when there is a method."""
    browser, _ = await entered(world)
    opened = await browser.send(
        await browser.get("/portal/billing"), "/portal/billing/topup", amount="10"
    )
    assert "Please pay until" in opened.text
    await browser.send(await browser.get("/portal/methods"), "/portal/methods")
    paid = await browser.send(await browser.get(str(opened.answer.url)), "/portal/billing/pay")
    await world.settle()
    assert "Credited" in (await browser.get(str(paid.answer.url))).text


async def test_a_debt_is_seen_and_paid(world: World) -> None:
    """PAY-28: told on the dashboard; refused, then paid once, however often it is clicked."""
    rider, _ = await debtor(world)
    browser = Browser(world)
    home = await browser.log_in(world, rider)
    assert "€12.50 of earlier rides" in home.text
    page = await browser.get("/portal/debts")
    check_is_sound(page)
    assert "To be paid" in page.text
    refused = await browser.send(page, "/portal/debts/pay")  # the card that fails, again
    assert refused.answer.status_code in (400, 503), refused.text
    for seconds in (20, 60, 200, 400):  # until what that card holds is let go
        with clock.moved_to(clock.now() + timedelta(seconds=seconds)):
            await jobs.settle_payments()
    await browser.send(await browser.get("/portal/methods"), "/portal/methods", card="tok_visa")
    page = await browser.get("/portal/debts")
    form = page.form("/portal/debts/pay").values
    origin = {"origin": "https://test"}
    answers = await asyncio.gather(
        *(browser.client.post("/portal/debts/pay", data=form, headers=origin) for _ in range(3))
    )
    assert {each.status_code for each in answers} <= {303, 503}, Page(answers[0]).text
    await world.settle()
    page = await browser.get("/portal/debts")
    assert "Paid" in page.text
    assert "/portal/debts/pay" not in {each.action for each in page.forms}
    assert "earlier rides" not in (await browser.get("/portal/")).text
    (debt,) = (await debts.own_debts(rider, 10, 0)).debts
    assert (debt.state, debt.owed_minor) == ("paid", 0)
    other, _ = await entered(world)
    stolen = {"debt": form["debt"], "method": "balance"}
    stolen["form_token"] = (
        (await other.get("/portal/methods")).form("/portal/methods").values["form_token"]
    )
    answer = await other.client.post("/portal/debts/pay", data=stolen, headers=origin)
    assert answer.status_code == 404


async def test_a_mandate_is_signed_by_form(world: World) -> None:
    """PAY-33: the text in the rider's language; a wrong IBAN says so; then it is a method."""
    browser, _ = await entered(world, "de")
    assert "Lastschrift" not in (await browser.get("/portal/methods")).text
    await open_sepa(world)
    page = await browser.get("/portal/methods")
    check_is_sound(page)
    assert "Ich ermächtige" in page.text
    path, own = "/portal/methods/mandate", {"holder": "Ada Lovelace"}
    bad = await browser.send(page, path, iban="DE00370400440532013000", agreed="on", **own)
    assert bad.answer.status_code == 400
    assert bad.form(path).values["holder"] == "Ada Lovelace"
    assert bad.form(path).values["iban"] == ""  # never shown again
    unsigned = await browser.send(bad, path, iban=RIDER_IBAN)
    assert "Bitte bestätigen Sie das Mandat." in unsigned.text
    done = await browser.send(unsigned, path, iban=RIDER_IBAN, agreed="on")
    assert "Das Mandat ist erteilt." in done.text
    assert f"Lastschrift, Konto endet auf {RIDER_IBAN[-4:]}" in done.text
    assert RIDER_IBAN not in done.answer.text


async def test_auto_top_up_is_set_by_form(world: World) -> None:
    """WAL-33: on with its limits; without a method it says so; off again."""
    browser, _ = await entered(world)
    page = await browser.get("/portal/billing")
    assert (await browser.send(page, "/portal/auto-topup", is_on="on")).answer.status_code >= 400
    await browser.send(await browser.get("/portal/methods"), "/portal/methods")
    page = await browser.get("/portal/billing")
    page = await browser.send(page, "/portal/auto-topup", is_on="on", below="7,50")
    assert "Auto top-up is on." in page.text
    values = page.form("/portal/auto-topup").values
    assert (values["is_on"], values["below"]) == ("on", "7.50")
    values.pop("is_on")
    bad = await browser.send(page, "/portal/auto-topup", topup_amount="1")
    assert bad.answer.status_code == 400
    assert "Between" in bad.text
    page = await browser.get("/portal/billing")
    page.form("/portal/auto-topup").values.pop("is_on")
    page = await browser.send(page, "/portal/auto-topup")
    assert "Auto top-up is off." in page.text


async def used(world: World, rider: object, amount_minor: int, words: str, key: str) -> None:
    from fahrwerk.kernel.call import Call

    assert isinstance(rider, Call)
    assert rider.user
    await wallet.charge_usage(world.system(), rider.user, amount_minor, words, key)


async def test_pages_of_transactions_and_their_files(world: World) -> None:
    """WAL-24: by cursor without gaps or doubles, filtered; CSV and XLSX without formulas."""
    rider = await world.rider()
    assert rider.user is not None
    await wallet.adjust(world.admin(), rider.user, 10_000, "welcome", "one")
    for number in range(30):
        words = "=HYPERLINK(1)" if number == 3 else f"ride {number}"
        await used(world, rider, 10, words, f"u{number}")
    browser = Browser(world)
    await browser.log_in(world, rider)
    page = await browser.get("/portal/transactions?type=usage")
    first = re.findall(r"ride \d+", page.text)
    older = next(link for link in page.links if "after=" in link)
    page = await browser.get(older)
    both = first + re.findall(r"ride \d+", page.text)
    assert len(both) == len(set(both)) == 29
    assert not [link for link in page.links if "after=" in link]
    answer = await browser.client.get("/portal/transactions/export?format=csv&type=usage")
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert len(rows) == 31
    assert "'=HYPERLINK(1)" in {row[6] for row in rows}
    answer = await browser.client.get("/portal/transactions/export?format=xlsx&type=usage")
    assert "spreadsheetml" in answer.headers["content-type"]
    sheet = openpyxl.load_workbook(io.BytesIO(answer.content)).active
    assert sheet is not None
    assert sheet.max_row == 31
    cells = list(sheet.iter_rows(min_row=2))
    assert {cell.data_type for row in cells for cell in row} == {"d", "n", "s"}
    assert {row[3].value for row in cells} == {-0.1}
    assert "'=HYPERLINK(1)" in {row[6].value for row in cells}
    api = await world.client(rider).get("/api/v1/wallet/transactions/export?format=xlsx")
    assert openpyxl.load_workbook(io.BytesIO(api.content)).active.max_row == 32
    for query in ("from=2026-13-01", "to=x", "from=2026-02-02&to=2026-02-01", "from=0001-01-01"):
        page = await browser.get(f"/portal/transactions?{query}")
        assert page.answer.status_code == 400
        assert "marked" in page.text
        assert (await browser.client.get(f"/portal/transactions/export?{query}")).status_code == 400
    assert (await browser.client.get("/portal/transactions?after=zzz")).status_code == 400


async def test_nobody_sees_anothers(world: World) -> None:
    """I7: another rider's top-up, method or ride is a 404, in pages as in the API."""
    mine, _ = await entered(world)
    opened = await mine.send(
        await mine.get("/portal/billing"), "/portal/billing/topup", amount="10"
    )
    theirs, _ = await entered(world)
    path = str(opened.answer.url).removeprefix("https://test")
    assert (await theirs.client.get(path)).status_code == 404
    page = await theirs.get("/portal/")
    token = page.form("/logout").values["form_token"]
    for action in ("/portal/billing/pay", "/portal/billing/confirm"):
        data = {"form_token": token, "topup": path.partition("=")[2]}
        answer = await theirs.client.post(action, data=data, headers={"origin": "https://test"})
        assert answer.status_code == 404
    assert (
        await theirs.client.get("/portal/invoices/rent_0000000000000000000001")
    ).status_code == 404


async def test_the_stream_takes_a_cookie_below_portal_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WAL-04: EventSource has no token. Below /api/ the cookie counts for nothing."""
    monkeypatch.setattr("fahrwerk.wallet.http.live.LONGEST_S", 0.05)
    browser, _ = await entered(world)
    answer = await browser.client.get("/portal/balance/stream")
    assert answer.status_code == 200
    assert "event: balance" in answer.text
    assert (await browser.client.get("/api/v1/portal/balance/stream")).status_code == 401
    nobody = Browser(world)
    assert (await nobody.client.get("/portal/balance/stream")).status_code == 401
    assert (await browser.client.get("/portal/balance")).json()["balance_cents"] == 0


async def test_the_dashboard_asks_little(world: World) -> None:
    """WAL-28: a page costs as many statements for ten transactions as for none."""
    rider = await world.rider()
    assert rider.user
    browser = Browser(world)
    await browser.log_in(world, rider)
    counts = []
    for turn in range(2):
        if turn:
            await wallet.adjust(world.admin(), rider.user, 1_000, "x", "k")
            for number in range(8):
                await used(world, rider, 10, "x", f"u{number}")
        seen: list[str] = []
        token = db.statements.set(seen)
        await browser.get("/portal/")
        db.statements.reset(token)
        counts.append(len(seen))
    assert counts[1] <= min(counts[0] + 1, 16), counts


async def test_hostile_words_are_only_words(world: World) -> None:
    """A description is shown as it is, and runs nowhere."""
    rider = await world.rider()
    assert rider.user
    await wallet.adjust(world.admin(), rider.user, 1_000, "<script>alert(1)</script>", "k")
    browser = Browser(world)
    page = await browser.log_in(world, rider)
    check_is_sound(page)
    assert "<script>alert(1)</script>" in page.text
    for path in ("/portal/usage?by=%00", "/portal/transactions?type=%3Cscript%3E", "/portal/?x=%FF",
                 "/portal/billing/success?topup=%00", "/portal/rides?offset=x"):  # fmt: skip
        answer = await browser.client.get(path)
        assert answer.status_code in (200, 400, 404), path
        check_is_sound(Page(answer))


@given(st.integers(0, 10**9), st.sampled_from(["de", "en"]))
def test_amounts_are_read_as_they_are_written(minor: int, language: str) -> None:
    """What a field shows is what it means, and so is what people add to it."""
    text = written(minor, "EUR", language)
    assert minor_of(text, "EUR", language) == minor
    assert minor_of(f" {text} €", "EUR", language) == minor


@pytest.mark.parametrize(
    ("text", "language", "minor"),
    [("25", "de", 2500), ("25,5", "de", 2550), ("25.5", "de", 2550), ("1.000", "de", 100_000),
     ("1,000", "en", 100_000), ("1.000,50", "de", 100_050), ("1,000.50", "en", 100_050),
     ("1'000.50", "en", 100_050), ("12 345,00", "de", 1_234_500)],
)  # fmt: skip
def test_amounts_of_both_languages(text: str, language: str, minor: int) -> None:
    assert minor_of(text, "EUR", language) == minor


@given(st.text(max_size=30))
def test_no_text_is_more_than_a_wrong_amount(text: str) -> None:
    """Never anything but an amount or ``Invalid``."""
    try:
        assert Decimal(minor_of(text, "EUR", "de")) >= 0
    except Invalid:
        pass


def test_days_begin_and_end_where_the_operator_is() -> None:
    """The day the clocks change has 25 hours, and all of them belong to it."""
    span = days("2026-10-25", "2026-10-25", "Europe/Berlin")
    assert span.since == datetime(2026, 10, 24, 22, tzinfo=UTC)
    assert span.until == datetime(2026, 10, 25, 23, tzinfo=UTC)


@given(st.lists(st.integers(0, 10**9), max_size=60))
def test_bars_stay_in_the_chart(spent: list[int]) -> None:
    """Whatever was spent: no bar above the top or beside the chart, none upside down."""
    buckets = [
        wallet.Bucket(start="2026-11-01", spent_minor=each, topped_minor=0, count=1)
        for each in spent
    ]
    drawn = drawing.chart(buckets)
    for bar in drawn.bars:
        assert 0 <= bar.y <= drawn.height
        assert bar.height >= 0
        assert bar.x >= 0
        assert bar.x + bar.width <= drawn.width + 0.1


def test_filters_take_no_unknown_kind() -> None:
    assert TransactionFilter().type is None
