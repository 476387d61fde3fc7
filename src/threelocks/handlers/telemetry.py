"""Structured logs and metrics, both as lines on standard output.

Metrics are CloudWatch's embedded metric format: no call, no permission.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

SERVICE, NAMESPACE = "threelocks", "ThreeLocks"


class Telemetry:
    """One app's log and metrics: not shared with another app in the same process."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        service = variables.get("POWERTOOLS_SERVICE_NAME", SERVICE)
        self.log = Logger(service=service, level=variables.get("POWERTOOLS_LOG_LEVEL", "INFO"))
        self._metrics = EphemeralMetrics(
            service=service, namespace=variables.get("POWERTOOLS_METRICS_NAMESPACE", NAMESPACE)
        )
        self._any = False

    def begin(self, context: Any) -> None:
        """Put the request's id on each line of the log."""
        request = getattr(context, "aws_request_id", None)
        self.log.append_keys(function_request_id=request)

    def count(self, name: str, number: int = 1) -> None:
        self._metrics.add_metric(name=name, unit=MetricUnit.Count, value=number)
        self._any = True

    def seconds(self, name: str, value: float) -> None:
        self._metrics.add_metric(name=name, unit=MetricUnit.Seconds, value=value)
        self._any = True

    def flush(self) -> None:
        """Write the metrics out, if there are any."""
        if self._any:
            self._any = False
            self._metrics.flush_metrics()
