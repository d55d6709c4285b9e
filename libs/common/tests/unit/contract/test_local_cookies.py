"""Who may name cookies of the machine that fetches: nobody who asks from elsewhere."""

import pytest
from cinelog_common.contract.requests import InvalidRequestError, parse_body


@pytest.mark.parametrize("field", ["cookies_file", "cookies_from_browser"])
def test_a_request_from_elsewhere_names_no_cookies_of_this_machine(field: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"Cookies .* cannot be asked for"):
        parse_body({"source": {"url": "https://films.example/page", field: "firefox"}})
