"""What of Cloud Map is only recorded."""

from tidegate.cloud.coverage import Coverage

COVERAGE = Coverage(
    whole=True,
    recorded={
        "CreatePublicDnsNamespace UpdatePublicDnsNamespace": "its zone is kept, and no name server answers from it",
    },
)
