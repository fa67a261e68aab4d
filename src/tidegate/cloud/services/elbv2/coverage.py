"""What of Elastic Load Balancing is left out, and why."""

from tidegate.cloud.coverage import Coverage, LeftOut

COVERAGE = Coverage(
    whole=True,
    recorded={
        "DescribeCapacityReservation ModifyCapacityReservation": "Envoy has the whole machine either way",
    },
    left_out=(
        LeftOut(
            "there are no other accounts, and no IPAM, to share a trust store or addresses with",
            "GetResourcePolicy DeleteSharedTrustStoreAssociation ModifyIpPools",
        ),
    ),
)
