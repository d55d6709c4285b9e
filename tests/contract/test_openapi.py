"""The committed OpenAPI document is the one that the gateway's endpoints make."""

import json
from pathlib import Path

import pytest
from cinelog_gateway.api.app import openapi_document

DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"


@pytest.fixture(name="document", scope="module")
def _document():
    return openapi_document()


def test_the_committed_document_is_current(document):
    committed = json.loads(DOCUMENT.read_text())

    assert committed == json.loads(json.dumps(document)), "run: python tools/openapi.py"


def test_every_endpoint_of_the_interface_is_described(document):
    described = {(method, path) for path, methods in document["paths"].items() for method in methods}

    assert described >= {
        ("post", "/api/v1/jobs"),
        ("get", "/api/v1/jobs"),
        ("get", "/api/v1/jobs/{job}"),
        ("post", "/api/v1/jobs/{job}/cancel"),
        ("post", "/api/v1/jobs/{job}/retry"),
        ("get", "/api/v1/jobs/{job}/files/{path}"),
        ("get", "/health/live"),
        ("get", "/health/ready"),
        ("get", "/metrics"),
    }


def test_every_error_that_is_described_has_the_one_shape(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for status, answer in operation["responses"].items():
                if status.startswith(("4", "5")) and not (path == "/health/ready" and status == "503"):
                    schema = answer["content"]["application/json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/Problem"}, (method, path, status)


def test_every_operation_and_answer_says_what_it_is(document):
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["operationId"]
            assert operation["summary"]
            assert operation["description"]
            assert all(answer["description"] for answer in operation["responses"].values())


def test_the_ledgers_own_state_is_no_part_of_a_job(document):
    fields = document["components"]["schemas"]["JobModel"]["properties"]

    assert "ledger" not in fields
    assert {"job", "run", "state", "fraction", "outputs", "error", "links"} <= set(fields)
