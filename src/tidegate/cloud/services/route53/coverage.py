"""What of Route 53 is only recorded."""

from tidegate.cloud.coverage import Coverage

COVERAGE = Coverage(
    recorded={
        "CreateHostedZone ChangeResourceRecordSets": "no name server answers from it",
    },
)
