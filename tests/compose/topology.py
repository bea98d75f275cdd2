"""docker-compose.yaml as its readers see it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
VARIABLE = re.compile(r"(?<!\$)\$\{(?P<name>\w+)(?P<rest>[^}]*)\}")


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text of the file as Compose hands it on: variables replaced, or their defaults, and ``$$`` as ``$``."""

    def value(match: re.Match[str]) -> str:
        default = match["rest"].removeprefix(":-") if match["rest"].startswith(":-") else ""
        return values.get(match["name"], default)

    return VARIABLE.sub(value, text).replace("$$", "$")


def config(name: str, values: Mapping[str, str] | None = None) -> str:
    """The content of a config."""
    return filled(COMPOSE["configs"][name]["content"], values or {})


def environment(service: str, values: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a service's processes are told."""
    given = SERVICES[service].get("environment", {})
    return {name: filled(str(value), values or {}) for name, value in given.items()}
