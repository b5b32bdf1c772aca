"""Until when what we run on is supported by its makers, as they announced it. No registry states this for all of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

Use = Literal["production", "development"]


@dataclass(frozen=True, slots=True)
class Support:
    """`ends` is the announced day; None means that the maker has announced none."""

    name: str
    version: str
    licence: str
    use: Use
    ends: date | None
    note: str

    def state(self, today: date) -> str:
        if self.ends is None:
            return "no end announced"
        if self.ends >= today:
            return f"supported until {self.ends}"
        return f"ENDED {self.ends}" + ("" if self.use == "production" else ", for development only")


SUPPORT = (
    Support("Python", "3.11", "PSF-2.0", "production", date(2027, 10, 31), "security fixes only"),
    Support("Debian", "12", "various", "production", date(2028, 6, 30), "long-term support; the base of our image"),
    Support("MongoDB", "8.0", "SSPL-1.0", "production", date(2029, 10, 31), "docker-compose.yml"),
    Support("RabbitMQ", "4.2", "MPL-2.0", "production", None, "docker-compose.yml; until the next minor version"),
    Support("Valkey", "8.1", "BSD-3-Clause", "production", None, "docker-compose.yml"),
    Support("Motor", "3.7", "Apache-2.0", "production", date(2027, 5, 14), "deprecated; PyMongo replaces it"),
    Support("MongoDB", "6.0.5", "SSPL-1.0", "development", date(2025, 7, 31), "`tributary up`: the newest in a wheel"),
    Support(
        "RabbitMQ",
        "3.10",
        "MPL-2.0",
        "development",
        date(2023, 7, 31),
        "`tributary up`: patched by Debian",
    ),
    Support(
        "Redis",
        "7.0",
        "BSD-3-Clause",
        "development",
        date(2024, 7, 29),
        "`tributary up`: patched by Debian",
    ),
)


def ended(today: date) -> list[Support]:
    """What production runs on although its support has ended."""
    return [each for each in SUPPORT if each.use == "production" and each.ends is not None and each.ends < today]
