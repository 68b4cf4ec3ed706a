"""Profiles of hypothesis: HYPOTHESIS_PROFILE=thorough tries many more random networks than a default run."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

ALWAYS = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
    "phases": (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
}
settings.register_profile("quick", max_examples=80, derandomize=True, database=None, **ALWAYS)
settings.register_profile("thorough", max_examples=1500, **ALWAYS)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
