"""What of ECR is left out, and why."""

from tidegate.cloud.coverage import Coverage, LeftOut

COVERAGE = Coverage(
    whole=True,
    recorded={
        "GetRegistryScanningConfiguration": "no image is scanned",
    },
    left_out=(
        LeftOut(
            "nothing here scans images for vulnerabilities",
            "DescribeImageScanFindings StartImageScan PutRegistryScanningConfiguration",
        ),
        LeftOut(
            "an image is signed by AWS Signer, which is not here",
            "PutSigningConfiguration GetSigningConfiguration DeleteSigningConfiguration DescribeImageSigningStatus",
        ),
        LeftOut(
            "images have one storage class here",
            "UpdateImageStorageClass",
        ),
        LeftOut(
            "there is no other registry in reach",
            "CreatePullThroughCacheRule DeletePullThroughCacheRule DescribePullThroughCacheRules "
            "UpdatePullThroughCacheRule ValidatePullThroughCacheRule",
        ),
        LeftOut(
            "it is not built yet",
            "CreateRepositoryCreationTemplate DeleteRepositoryCreationTemplate DescribeRepositoryCreationTemplates "
            "UpdateRepositoryCreationTemplate PutRegistryPolicy DeleteRegistryPolicy GetAccountSetting "
            "PutAccountSetting PutReplicationConfiguration DescribeImageReplicationStatus StartReplicationBackfill "
            "StopReplicationBackfill ListReplicationBackfills DescribeReplicationBackfillResults "
            "RegisterPullTimeUpdateExclusion DeregisterPullTimeUpdateExclusion ListPullTimeUpdateExclusions",
            concerns=True,
        ),
    ),
)
