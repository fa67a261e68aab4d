"""Test and code coverage reports: their files read purely, whatever is in them."""

TESTS = frozenset({"CUCUMBERJSON", "JUNITXML", "NUNITXML", "NUNIT3XML", "TESTNGXML", "VISUALSTUDIOTRX"})
COVERAGES = frozenset({"CLOVERXML", "COBERTURAXML", "JACOCOXML", "SIMPLECOV"})
FORMATS = TESTS | COVERAGES
