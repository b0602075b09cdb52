import asyncio, pytest, time
from tests.journeys.people import City, Persistent, found
from tests.journeys.invariants import at_rest, broken
from tests.journeys.platform import Platform
pytestmark = pytest.mark.process
async def test_x(running: Platform):
    t=time.monotonic()
    def say(*a): print(round(time.monotonic()-t,2), *a)
    city = await found(running, payment_hold_s=60, unlock_window_s=90)
    say("found")
    v, thing = await city.vehicle()
    say("vehicle")
    rider = Persistent(await city.rider())
    say("rider")
    a = await rider.post("/bookings", {"vehicle_id": v, "promo_code": "WELCOME10"})
    print(a.text)
    b = a.json()["booking"]["id"]
    a = await rider.post(f"/bookings/{b}/confirm-payment"); print(a.text)
    say("confirm")
    a = await rider.post(f"/vehicles/{v}/unlock"); print(a.text)
    say("unlocked")
    a = await rider.post(f"/api/v1/rentals/{b}/end", {"end_location": {"latitude": 52.5215, "longitude": 13.409}}); print(a.text)
    say("end")
    await at_rest(city)
    say("rest")
    x = await broken(city)
    say("inv", x)
    await city.close()
    assert not x
