"""CodeBuild's own images, by name. Every one of them stands for the build environment on this machine.

https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-available.html
"""

IMAGES = "aws/codebuild/"  # what their names begin with

CURATED = {
    "AMAZON_LINUX": {
        "amazonlinux-x86_64-standard:5.0": "Amazon Linux 2023, x86-64",
        "amazonlinux-x86_64-standard:4.0": "Amazon Linux 2, x86-64",
        "amazonlinux-aarch64-standard:3.0": "Amazon Linux 2023, ARM",
        "amazonlinux-aarch64-standard:2.0": "Amazon Linux 2, ARM",
        "amazonlinux2-x86_64-standard:5.0": "Amazon Linux 2023, x86-64",
        "amazonlinux2-x86_64-standard:4.0": "Amazon Linux 2, x86-64",
        "amazonlinux2-aarch64-standard:3.0": "Amazon Linux 2023, ARM",
        "amazonlinux2-aarch64-standard:2.0": "Amazon Linux 2, ARM",
    },
    "UBUNTU": {
        "standard:7.0": "Ubuntu 22.04, x86-64",
        "standard:6.0": "Ubuntu 22.04, x86-64",
        "standard:5.0": "Ubuntu 20.04, x86-64",
    },
}
