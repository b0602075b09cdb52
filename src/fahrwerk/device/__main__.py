"""``python -m fahrwerk.device``: the agent without the platform's command line."""

from __future__ import annotations

import sys

from fahrwerk.device.run import main

sys.exit(main())
