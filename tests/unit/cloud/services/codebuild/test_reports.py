"""What the frameworks write is read; what is broken or hostile is an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tidegate.cloud.services.codebuild.reports import COVERAGES, FORMATS, TESTS
from tidegate.cloud.services.codebuild.reports.coverage import coverages
from tidegate.cloud.services.codebuild.reports.elements import ReportError
from tidegate.cloud.services.codebuild.reports.tests import cases

JUNIT = """<?xml version="1.0"?><testsuites><testsuite name="s">
<testcase classname="a.B" name="good" time="0.25"/>
<testcase classname="a.B" name="bad" time="1,000.5"><failure message="no">at line 1</failure></testcase>
<testcase classname="a.B" name="worse"><error>boom</error></testcase>
<testcase classname="a.B" name="not"><skipped message="later"/></testcase></testsuite></testsuites>"""
TESTNG = """<testng-results><suite name="s"><test name="t"><class name="a.B">
<test-method status="PASS" name="good" duration-ms="250"/>
<test-method status="PASS" name="setUp" is-config="true" duration-ms="1"/>
<test-method status="FAIL" name="bad" duration-ms="2"><exception class="x"><message><![CDATA[no]]></message>
<full-stacktrace><![CDATA[x: no
 at line 1]]></full-stacktrace></exception></test-method>
<test-method status="SKIP" name="not" duration-ms="0"/></class></test></suite></testng-results>"""
TRX = """<TestRun name="s" xmlns="http://microsoft.com/schemas/VisualStudio/TeamTest/2010"><Results>
<UnitTestResult testId="1" testName="good" outcome="Passed" duration="00:00:00.2500000"/>
<UnitTestResult testId="2" testName="bad" outcome="Failed" duration="00:00:01"><Output><ErrorInfo><Message>no</Message>
<StackTrace>at line 1</StackTrace></ErrorInfo></Output></UnitTestResult>
<UnitTestResult testId="1" testName="not" outcome="NotExecuted"/></Results><TestDefinitions>
<UnitTest id="1"><TestMethod className="a.B"/></UnitTest><UnitTest id="2"><TestMethod className="a.B"/></UnitTest>
</TestDefinitions></TestRun>"""
NUNIT = """<test-results><test-suite name="s"><results>
<test-case name="a.B.good" executed="True" result="Success" success="True" time="0.25"/>
<test-case name="a.B.bad" executed="True" result="Failure" success="False" time="1"><failure><message>no</message>
<stack-trace>at line 1</stack-trace></failure></test-case>
<test-case name="a.B.not" executed="False"><reason><message>later</message></reason></test-case>
</results></test-suite></test-results>"""
NUNIT3 = """<test-run><test-suite name="s">
<test-case name="good" classname="a.B" result="Passed" duration="0.25"/>
<test-case name="bad" classname="a.B" result="Failed" duration="1"><failure><message>no</message>
<stack-trace>at line 1</stack-trace></failure></test-case>
<test-case name="not" classname="a.B" result="Skipped"/></test-suite></test-run>"""
CUCUMBER = json.dumps(
    [
        {
            "name": "a.B",
            "elements": [
                {"type": "background", "name": "before", "steps": []},
                {"name": "good", "steps": [{"result": {"status": "passed", "duration": 250_000_000}}]},
                {
                    "name": "bad",
                    "steps": [
                        {"result": {"status": "failed", "error_message": "no\nat line 1"}},
                        {"result": {"status": "skipped"}},
                    ],
                },
                {"name": "not", "steps": [{"result": {"status": "undefined"}}]},
            ],
        }
    ]
)
TEST_FILES = {
    "JUNITXML": JUNIT,
    "TESTNGXML": TESTNG,
    "VISUALSTUDIOTRX": TRX,
    "NUNITXML": NUNIT,
    "NUNIT3XML": NUNIT3,
    "CUCUMBERJSON": CUCUMBER,
}
COBERTURA = """<?xml version="1.0"?><!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">
<coverage><packages><package name="a"><classes><class filename="a/b.py"><methods><method><lines>
<line number="1" hits="1"/></lines></method></methods><lines><line number="1" hits="1"/>
<line number="2" hits="3" branch="true" condition-coverage="50% (1/2)"/><line number="3" hits="0"/></lines></class>
</classes></package></packages></coverage>"""
CLOVER = """<coverage><project><file name="b.py" path="a/b.py"><metrics statements="3"/>
<line num="1" type="stmt" count="1"/><line num="2" type="cond" truecount="1" falsecount="0"/>
<line num="3" type="stmt" count="0"/></file></project></coverage>"""
JACOCO = """<!DOCTYPE report PUBLIC "-//JACOCO//DTD Report 1.1//EN" "report.dtd"><report name="r"><package name="a">
<sourcefile name="b.py"><line nr="1"/><counter type="LINE" missed="1" covered="2"/>
<counter type="BRANCH" missed="1" covered="1"/></sourcefile></package></report>"""
SIMPLECOV = json.dumps(
    {"RSpec": {"coverage": {"a/b.py": {"lines": [1, None, 2, 0], "branches": {"[:if]": {"[:then]": 1, "[:else]": 0}}}}}}
)
COVERAGE_FILES = {"COBERTURAXML": COBERTURA, "CLOVERXML": CLOVER, "JACOCOXML": JACOCO, "SIMPLECOV": SIMPLECOV}

BOMB = """<?xml version="1.0"?><!DOCTYPE testsuite [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>
<testsuite><testcase name="&b;"/></testsuite>"""
OUTSIDE = """<!DOCTYPE testsuite [<!ENTITY a SYSTEM "file:///etc/hostname">]><testsuite>
<testcase name="x">&a;</testcase></testsuite>"""


def written(folder: Path, text: str) -> Path:
    path = folder / "report"
    path.write_text(text)
    return path


def test_every_format_has_an_example() -> None:
    assert set(TEST_FILES) == TESTS
    assert set(COVERAGE_FILES) == COVERAGES


@pytest.mark.parametrize("form", sorted(TESTS))
def test_the_same_tests_in_every_format(tmp_path: Path, form: str) -> None:
    found = {case.name: case for case in cases(written(tmp_path, TEST_FILES[form]), form)}
    assert {name: case.status for name, case in found.items() if name != "worse"} == {
        "good": "SUCCEEDED",
        "bad": "FAILED",
        "not": "SKIPPED",
    }
    assert found["good"].duration == 250_000_000
    assert {case.prefix for case in found.values()} == {"a.B"}
    assert found["bad"].message.splitlines()[0].endswith("no")
    assert "at line 1" in found["bad"].message
    assert {case.suite for case in found.values()} <= {"s", "a.B"}


def test_junit_knows_errors(tmp_path: Path) -> None:
    found = {case.name: case for case in cases(written(tmp_path, JUNIT), "JUNITXML")}
    assert (found["worse"].status, found["worse"].message) == ("ERROR", "boom")
    assert found["bad"].duration == 1_000_500_000_000


@pytest.mark.parametrize("form", sorted(COVERAGES))
def test_the_same_coverage_in_every_format(tmp_path: Path, form: str) -> None:
    (found,) = coverages(written(tmp_path, COVERAGE_FILES[form]), form)
    assert found.path == "a/b.py"
    assert (found.lines_covered, found.lines_missed) == (2, 1)
    assert (found.branches_covered, found.branches_missed) == (1, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "declares the entity a"),
        (OUTSIDE, "declares the entity a"),
        ("<coverage/>", "expected element type <testsuite> but have <coverage>"),
        ("<testsuite>", "XML syntax error on line 1"),
        ("", "XML syntax error"),
        ("no xml", "XML syntax error"),
        ("<testsuite>" * 300, "nested more than 200 deep"),
        ('<?xml version="1.0" encoding="nothing"?><testsuite/>', "encoding"),
    ],
)
def test_what_is_broken(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ReportError, match=message):
        list(cases(written(tmp_path, text), "JUNITXML"))


@pytest.mark.parametrize("form", sorted(FORMATS))
@pytest.mark.parametrize("text", ["{}", "[1]", "[" * 100_000, '{"a": 1}', "<a/>", '[{"elements": 1}]', "\0"])
def test_nothing_is_more_than_an_error(tmp_path: Path, form: str, text: str) -> None:
    read = cases if form in TESTS else coverages
    try:
        assert list(read(written(tmp_path, text), form)) == []
    except ReportError:
        return
