"""Priority classes in the configuration."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from api_gateway.config.priority_schema import PriorityConfig


def test_unless_told_all_are_default() -> None:
    config = PriorityConfig.model_validate({})
    assert (config.default, config.tiers, config.routes, config.header, config.trust_header) == (
        "default",
        {},
        {},
        None,
        False,
    )


def test_tiers_routes_and_a_header_have_classes() -> None:
    config = PriorityConfig.model_validate(
        {
            "default": "sheddable",
            "tiers": {"gold": "critical"},
            "routes": {"/pay": "critical"},
            "header": "X-Priority",
            "trust_header": "true",
        }
    )
    assert (config.default, config.tiers["gold"], config.routes["/pay"]) == ("sheddable", "critical", "critical")
    assert (config.header, config.trust_header) == ("X-Priority", True)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"default": "criticl"}, "unknown priority 'criticl'; did you mean 'critical'?"),
        ({"tiers": {"gold": "vip"}}, "unknown priority 'vip'; there are: critical, default, sheddable"),
        ({"trust_header": True}, "there is no header to trust; add header: NAME, or leave trust_header out"),
        ({"header": "connection"}, "never reaches a route"),
        ({"tier": {}}, "unknown key 'tier'; did you mean 'tiers'?"),
    ],
)
def test_mistakes_are_told_with_their_remedy(document: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        PriorityConfig.model_validate(document)
    assert message in str(caught.value)
