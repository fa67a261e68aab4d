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
    ),
)
