"""What of Elastic Load Balancing is left out, and why."""

from tidegate.cloud.coverage import Coverage, LeftOut

COVERAGE = Coverage(
    whole=True,
    left_out=(
        LeftOut(
            "there are no other accounts, and no IPAM, to share a trust store or addresses with",
            "GetResourcePolicy DeleteSharedTrustStoreAssociation ModifyIpPools",
        ),
        LeftOut(
            "it is not built yet",
            "AddTrustStoreRevocations CreateTrustStore DeleteTrustStore DescribeTrustStoreAssociations "
            "DescribeTrustStoreRevocations DescribeTrustStores GetTrustStoreCaCertificatesBundle "
            "GetTrustStoreRevocationContent ModifyTrustStore RemoveTrustStoreRevocations DescribeCapacityReservation "
            "ModifyCapacityReservation",
            concerns=True,
        ),
    ),
)
