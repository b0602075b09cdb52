"""The pages of one's own data in a browser without JavaScript (WEB-19, GDP-01..04)."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import timedelta

import httpx

from fahrwerk.kernel import clock
from tests.identity.test_pages import logged_in
from tests.world import World

PATH = "/account/privacy"


async def sent(client: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    """A form sent as a person sends it, with the page that comes after it."""
    page = await client.get(PATH, headers={"accept": "text/html"})
    found = re.search(r'name="form_token" value="([^"]+)"', page.text)
    assert found is not None
    return await client.post(
        f"{PATH}/{path}", data={"form_token": found[1], **fields}, follow_redirects=True
    )


async def test_rights_are_explained_and_used_in_a_browser(world: World) -> None:
    """WEB-19: gdpr_rights and gdpr_data_view, in both languages; a copy; deletion, called off."""
    client, _ = await logged_in(world)
    german = (await client.get(PATH, headers={"accept-language": "de"})).text
    await client.get("/language/en")
    english = (await client.get("/gdpr/rights")).text
    assert ("Ihre Rechte" in german, "Your rights" in english) == (True, True)
    agreed = await sent(client, "consents", purpose="marketing", version="0", answer="yes")
    assert ">agreed<" in agreed.text
    stale = await sent(client, "consents", purpose="marketing", version="7", answer="no")
    assert (stale.status_code, "The text has changed" in stale.text) == (409, True)
    assert "waits" in (await sent(client, "export")).text
    await world.settle()
    page = (await client.get(PATH)).text
    link = re.search(rf'href="({PATH}/files/[^"]+)"', page)
    assert link is not None, page
    file = await client.get(link[1])
    assert zipfile.ZipFile(io.BytesIO(file.content)).testzip() is None
    data = (await client.get("/gdpr/data")).text
    assert "Your profile" in data
    assert "@" in data
    unsure = await sent(client, "erasure")
    assert (unsure.status_code, "please tick" in unsure.text.lower()) == (400, True)
    assert "Call off" in (await sent(client, "erasure", is_agreed="on")).text
    asked = re.search(r'name="request" value="([^"]+)"', (await client.get(PATH)).text)
    assert asked is not None
    assert "called off" in (await sent(client, "cancel", request=asked[1])).text
    limited = await sent(client, "restriction", is_restricted="yes")
    assert "only kept and not used" in limited.text
    # An hour later whoever sits at the browser has to prove who he is.
    with clock.moved_to(clock.now() + timedelta(minutes=20)):
        proof = await sent(client, "export")
        assert str(proof.url).endswith("/account/confirm?next=%2Faccount%2Fprivacy")
