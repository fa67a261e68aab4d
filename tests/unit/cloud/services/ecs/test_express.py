"""Express services: ports on a shared load balancer, and the alarm's arithmetic."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidegate.cloud.services.cloudwatch.expressions import evaluate, names_in
from tidegate.cloud.services.ecs.express import MOST_SERVICES, endpoint, free_port


@given(st.lists(st.integers(0, MOST_SERVICES - 1), max_size=80))
def test_services_that_come_and_go_never_have_the_same_port(leaving: list[int]) -> None:
    taken: list[int] = []
    for each in leaving:
        port = free_port(taken)
        assert (port is None) is (len(taken) == MOST_SERVICES)
        if port is None or each < len(taken) // 2:
            taken.pop(each % len(taken))
        else:
            assert port not in taken
            taken.append(port)


def test_an_endpoint_has_the_port_of_its_listener() -> None:
    assert endpoint("127.1.2.3", 80) == "http://127.1.2.3"
    assert endpoint("127.1.2.3:43210", 80) == "http://127.1.2.3:43210"  # port 80 could not be bound
    assert endpoint("127.1.2.3:43210", 8001) == "http://127.1.2.3:8001"


def test_answers_without_errors_are_no_gap_in_their_percentage() -> None:
    series = {"e": {60: 2.0}, "all": {0: 10.0, 60: 10.0}}
    assert names_in("100*FILL(e,0)/all") == {"e", "all"}
    assert evaluate("100*FILL(e,0)/all", series) == {0: 0.0, 60: 20.0}
