"""Health in the configuration: what is read, what it makes, and what is refused with which words."""

from __future__ import annotations

import json
import pickle

import pytest
from pydantic import TypeAdapter, ValidationError

from api_gateway.backend.health_check import HealthCheck
from api_gateway.backend.outlier_detection import OutlierDetection
from api_gateway.backend.slow_start import SlowStart
from api_gateway.config.health_schema import HealthCheckConfig, OutlierDetectionConfig, SlowStartConfig
from api_gateway.config.model import Model
from api_gateway.config.share import ShareOrZero


def check(**keys: object) -> HealthCheck:
    return HealthCheckConfig.model_validate({"path": "/health", **keys}).options()


def refusal(model: type[Model], value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(value)
    (line,) = caught.value.errors()
    return str(line["msg"])


def test_the_contracts_example_is_read() -> None:
    keys = {"interval": "5s", "timeout": "1s", "unhealthy_after": 2, "healthy_after": 2}
    assert check(**keys) == check() == HealthCheck("/health", 5.0, 1.0, 2, 2)
    detection = {"consecutive_errors": 5, "ejection_time": "30s", "max_ejection": 0.1}
    assert OutlierDetectionConfig.model_validate(detection).options() == OutlierDetection(5, 30.0, 300.0, 0.1)
    assert OutlierDetectionConfig().options() == OutlierDetection()


def test_slow_start_is_a_time_or_a_curve() -> None:
    assert SlowStartConfig.model_validate("30s").options() == SlowStart(30.0)
    assert SlowStartConfig.model_validate(30).options() == SlowStart(30.0)
    curve = {"window": "1m", "aggression": "2", "minimum": 0.05}
    assert SlowStartConfig.model_validate(curve).options() == SlowStart(60.0, 2.0, 0.05)


@pytest.mark.parametrize(
    ("written", "statuses"),
    [
        (200, {200}),
        ("204", {204}),
        ("200-203", {200, 201, 202, 203}),
        ([200, "401", "403-404"], {200, 401, 403, 404}),
    ],
)
def test_expected_statuses_are_one_a_range_or_a_list(written: object, statuses: set[int]) -> None:
    assert check(expected_status=written).expected_status == statuses


def test_a_check_that_is_sent_more_often_than_its_default_timeout_gets_a_shorter_one() -> None:
    assert check(interval="250ms").timeout == 0.25
    assert check(host="internal.example").host == "internal.example"


@pytest.mark.parametrize(("written", "share"), [(0, 0.0), (1, 1.0), (0.5, 0.5), ("0.25", 0.25)])
def test_the_panic_threshold_is_a_share_and_may_be_zero(written: object, share: float) -> None:
    assert TypeAdapter(ShareOrZero).validate_python(written) == share


@pytest.mark.parametrize(
    ("model", "value", "message"),
    [
        (HealthCheckConfig, {"path": "health"}, "'health' is not a path to check; write a path such as /health"),
        (HealthCheckConfig, {"path": "/a b"}, "not a path to check"),
        (HealthCheckConfig, {"path": "/", "interval": "1s", "timeout": "2s"}, "may take 2 s does not fit into an inte"),
        (HealthCheckConfig, {"path": "/", "timeout": "0s"}, "the duration is zero"),
        (HealthCheckConfig, {"path": "/", "unhealthy_after": 0}, "count 0 is out of range"),
        (
            HealthCheckConfig,
            {"path": "/", "expected_status": "300-200"},
            "'300-200' is neither a status nor a range of them",
        ),
        (HealthCheckConfig, {"path": "/", "expected_status": [200, 20]}, "the number 20 is neither a status nor"),
        (HealthCheckConfig, {"path": "/", "expected_status": []}, "the list of statuses is empty"),
        (HealthCheckConfig, {"path": "/", "host": "preserve"}, "no client whose Host"),
        (HealthCheckConfig, {"path": "/", "intervall": "1s"}, "unknown key 'intervall'; did you mean 'interval'"),
        (
            OutlierDetectionConfig,
            {"max_ejection": 0},
            "expected a share, not the number 0; write",
        ),
        (
            OutlierDetectionConfig,
            {"max_ejection": 10},
            "expected a share, not the number 10; write",
        ),
        (OutlierDetectionConfig, {"max_ejection": True}, "expected a share, not true"),
        (OutlierDetectionConfig, {"ejection_time": "1m", "max_ejection_time": "30s"}, "30 s, is shorter than the firs"),
        (SlowStartConfig, {"window": "30s", "aggression": 0}, "aggression 0 is out of range"),
        (SlowStartConfig, {"window": "30s", "minimum": "none"}, "expected a share, not 'none'"),
        (SlowStartConfig, "soon", "write a duration"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_remedy(model: type[Model], value: object, message: str) -> None:
    assert message in refusal(model, value)


def test_a_longer_first_ejection_than_the_default_limit_is_allowed() -> None:
    assert OutlierDetectionConfig.model_validate({"ejection_time": "1h"}).options().ejection_time == 3600.0


@pytest.mark.parametrize(
    "config",
    [
        HealthCheckConfig.model_validate({"path": "/h", "expected_status": [200, "300-399"], "host": "a"}),
        HealthCheckConfig.model_validate({"path": "/h", "interval": "100ms"}),
        OutlierDetectionConfig.model_validate({"ejection_time": "1h"}),
        SlowStartConfig.model_validate("30s"),
    ],
)
def test_it_survives_being_sent_to_another_process(config: Model) -> None:
    assert pickle.loads(pickle.dumps(config)) == config
    assert type(config).model_validate(json.loads(config.model_dump_json())) == config
    assert json.loads(json.dumps(type(config).model_json_schema()))
