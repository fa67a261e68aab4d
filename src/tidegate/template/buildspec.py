"""The buildspec that `tidegate init` writes: the article's, repaired.

It is one for all services; what differs comes from the project's environment variables.
"""

from __future__ import annotations

BUILDSPEC = """\
# How CodeBuild makes an image of a commit. The variables come from the build project, which tidegate.yml describes.
version: 0.2

env:
  shell: bash

phases:
  pre_build:
    commands:
      - aws ecr get-login-password | docker login --username AWS --password-stdin ${REPOSITORY_URI%%/*}
      - IMAGE=$REPOSITORY_URI:${CODEBUILD_RESOLVED_SOURCE_VERSION:0:12}
      # a commit is built once: when its image is there, it is used; else the last image gives its layers, if there is
      # one. To be refused either is not the same as that there is none
      - >-
        if SAID=$(docker pull --quiet $IMAGE 2>&1); then BUILT=yes;
        elif SAID=$(docker pull --quiet $REPOSITORY_URI:latest 2>&1); then echo "$SAID";
        else echo "$SAID"; grep --quiet "not found" <<< "$SAID"; fi
  build:
    commands:
      - >-
        if test -n "$BUILT"; then docker tag $IMAGE $REPOSITORY_URI:latest;
        else docker build $BUILD_OPTIONS --build-arg BUILDKIT_INLINE_CACHE=1 --cache-from $REPOSITORY_URI:latest
        --force-rm --tag $IMAGE --tag $REPOSITORY_URI:latest --file $DOCKERFILE $BUILD_CONTEXT; fi
  post_build:
    commands:
      - test -n "$BUILT" || docker push --quiet $IMAGE
      - docker push --quiet $REPOSITORY_URI:latest
      # what goes on is the digest, not the tag: every environment runs the very same image
      - >-
        DIGEST=$(docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' $IMAGE |
        grep "^$REPOSITORY_URI@" | head -n 1)
      - printf '[{"name":"%s","imageUri":"%s"}]' $CONTAINER_NAME $DIGEST > imagedefinitions.json

artifacts:
  files:
    - imagedefinitions.json
"""
