"""How others' people are proven to be who they say: one file for each protocol.

Each takes ``tell(name, detail)``, called for every step that went well, so that a test of a
provider can be read; what goes wrong is raised as ``SsoRefused`` with a reason in one word.
"""

from __future__ import annotations

from collections.abc import Callable

Tell = Callable[[str, str], None]
