"""Test and code coverage reports: their files read purely, whatever is in them.

    python -m tidegate.cloud.services.codebuild.reports FORMAT LISTING OUTPUT

reads the files that the file LISTING names, separated by NUL, in a process of its own: a hostile file costs it its
life, and the build its report.
"""

TESTS = frozenset({"CUCUMBERJSON", "JUNITXML", "NUNITXML", "NUNIT3XML", "TESTNGXML", "VISUALSTUDIOTRX"})
COVERAGES = frozenset({"CLOVERXML", "COBERTURAXML", "JACOCOXML", "SIMPLECOV"})
FORMATS = TESTS | COVERAGES
