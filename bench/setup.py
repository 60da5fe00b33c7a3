"""Django made ready, then the benchmark itself. A module of its own, since models can't be imported before."""

import importlib
from typing import Any

import django
from django.core.management import call_command


def ready(name: str, quick: bool, **more: Any) -> dict[str, Any]:
    django.setup()
    call_command("migrate", verbosity=0)
    return importlib.import_module(f"bench.{name}").measure(quick, **more)


def say(text: str) -> None:
    print(text, flush=True)
