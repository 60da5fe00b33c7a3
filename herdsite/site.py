"""How the admin presents itself: its name, its colours, its menu. Settings take UNFOLD from here."""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy


def _link(title: str, icon: str, name: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse_lazy(name)}


def _portal(title: str, icon: str, name: str) -> dict[str, Any]:
    """A page outside the admin: never the one that is open in it."""
    return _link(title, icon, name) | {"active": lambda _request: False}


def _models(title: str, *models: tuple[str, str, str]) -> dict[str, Any]:
    """A part of the menu: (title, icon, app_model) each; a model is there for who may view it."""
    items = [
        _link(label, icon, f"admin:{model}_changelist")
        | {"permission": lambda request, model=model: request.user.has_perm("{}.view_{}".format(*model.split("_", 1)))}
        for label, icon, model in models
    ]
    return {"title": title, "separator": True, "items": items}


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "herdsite",
    "SITE_HEADER": "herdsite",
    "SITE_URL": "/",
    "SITE_SYMBOL": "database",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("herdsite/icon.svg")},
    ],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "COLORS": {
        "primary": {
            "50": "oklch(97% .02 160)",
            "100": "oklch(94% .04 160)",
            "200": "oklch(89% .07 160)",
            "300": "oklch(82% .1 160)",
            "400": "oklch(72% .12 160)",
            "500": "oklch(61% .12 158)",
            "600": "oklch(52% .11 157)",
            "700": "oklch(45% .095 157)",
            "800": "oklch(38% .08 158)",
            "900": "oklch(32% .065 159)",
            "950": "oklch(22% .045 160)",
        }
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "items": [
                    _portal("The herd", "grid_view", "herd"),
                    _portal("Incidents", "report", "incidents"),
                    _portal("Rings", "sync", "rings"),
                    _portal("Tables", "table_rows", "tables"),
                ]
            },
            _models(
                "Fleet",
                ("Servers", "dns", "fleet_server"),
                ("Instances", "storage", "fleet_instance"),
                ("Resources", "database", "fleet_resource"),
                ("Timelines", "timeline", "fleet_timeline"),
            ),
            _models(
                "Incidents",
                ("Incidents", "warning", "incidents_incident"),
                ("Pages", "notifications_active", "incidents_page"),
                ("Messages", "outbox", "incidents_notice"),
                ("On call", "calendar_month", "incidents_rota"),
                ("Customers' webhooks", "webhook", "incidents_hook"),
                ("Playbook policies", "rule", "incidents_playbookpolicy"),
                ("Brake releases", "lock_open", "incidents_brakerelease"),
                ("Journal", "menu_book", "incidents_journal"),
            ),
            _models(
                "Offer",
                ("Customers", "group", "fleet_customer"),
                ("Plans", "sell", "fleet_plan"),
                ("Credentials", "key", "fleet_credential"),
            ),
            _models(
                "Activity",
                ("Intents", "front_hand", "fleet_intent"),
                ("Events", "history", "fleet_event"),
                ("Audit", "policy", "audit_entry"),
                ("Observations", "visibility", "observations_observation"),
                ("Workers", "engineering", "fleet_worker"),
            ),
            _models(
                "Outside",
                ("Webhooks", "webhook", "hooks_endpoint"),
                ("Deliveries", "local_shipping", "hooks_delivery"),
                ("Drains", "water_drop", "drains_drain"),
                ("Lines that wait", "notes", "drains_line"),
                ("Add-ons", "extension", "addon_addon"),
                ("Tokens of the API", "vpn_key", "api_token"),
            ),
            _models("Operators", ("Logins", "person", "auth_user"), ("Groups", "groups", "auth_group")),
        ],
    },
}
