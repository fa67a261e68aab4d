"""What of EC2, whose networking half is here, is only recorded."""

from tidegate.cloud.coverage import Coverage

COVERAGE = Coverage(
    recorded={
        "CreateNetworkAcl CreateNetworkAclEntry ReplaceNetworkAclEntry DeleteNetworkAclEntry "
        "ReplaceNetworkAclAssociation": "no packet is held up by it; security groups and routes bind",
        "AllocateAddress AssociateAddress": "the address is nowhere in use",
    },
)
