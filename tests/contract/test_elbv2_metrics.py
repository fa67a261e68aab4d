"""What a load balancer measures, as CloudWatch has it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.contract.test_elbv2 import to
from tests.contract.test_elbv2_traffic import QUICK, Front, front, started, target
from tests.http_endpoint import until

__all__ = ["front"]


@pytest.mark.slow
async def test_metrics_of_a_load_balancer(front: Front) -> None:
    """Everything in one test, for what is measured is published every 20 seconds."""
    group = front.network.group(**QUICK)
    none = front.network.group("none", **QUICK)
    cloudwatch = front.cloud.client("cloudwatch")
    balancer = {"Name": "LoadBalancer", "Value": front.arn.partition(":loadbalancer/")[2]}
    of_group = {"Name": "TargetGroup", "Value": group.rpartition(":")[2]}

    def total(name: str, *dimensions: Any, statistic: str = "Sum") -> float:
        now = datetime.now(UTC)
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/ApplicationELB", MetricName=name, Dimensions=list(dimensions), Statistics=[statistic],
            StartTime=now - timedelta(minutes=5), EndTime=now + timedelta(minutes=1), Period=3600,
        )["Datapoints"]  # fmt: skip
        return float(sum(point[statistic] for point in points))

    async with started("one") as (one,):
        await front.listen(to(group))
        listener = front.listener
        conditions = [{"Field": "path-pattern", "Values": ["/none"]}]
        await front.call("create_rule", ListenerArn=listener, Priority=1, Conditions=conditions, Actions=to(none))
        await front.call("register_targets", TargetGroupArn=group, Targets=[target(one)])
        await front.until_states(group, "healthy")
        for _ in range(5):
            assert (await front.ask("/"))[0].status == 200
        one.status = 500
        for _ in range(3):
            assert (await front.ask("/x"))[0].status == 500
        one.status = 200
        for _ in range(2):
            assert (await front.ask("/none"))[0].status == 503

        async def measured() -> bool:
            return total("HTTPCode_Target_5XX_Count", balancer) >= 3

        await until(measured, within=45)
        assert total("HTTPCode_Target_5XX_Count", balancer, of_group) == 3
        assert total("HTTPCode_Target_2XX_Count", balancer) >= 5
        assert total("RequestCount", balancer, of_group) == total("RequestCount", balancer) >= 8
        assert total("RequestCountPerTarget", of_group) == total("RequestCountPerTarget", of_group, balancer) >= 8
        assert total("HTTPCode_ELB_5XX_Count", balancer) >= 2, "two that there was no target for"
        assert total("HealthyHostCount", balancer, of_group, statistic="Maximum") == 1
        assert total("TargetResponseTime", balancer, statistic="SampleCount") >= 8
        assert total("NewConnectionCount", balancer) > 0
        assert total("ProcessedBytes", balancer) > 0
        names = {each["MetricName"] for each in cloudwatch.list_metrics(Namespace="AWS/ApplicationELB")["Metrics"]}
        assert "HTTPCode_Target_4XX_Count" not in names, "what did not happen is not told"
