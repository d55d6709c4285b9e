import urllib.error
import urllib.request

import pytest
from cinelog_testkit.s3 import S3Server, healthy
from cinelog_testkit.servers import s3_server

pytestmark = pytest.mark.real


def test_the_shared_s3_refuses_who_has_not_signed(s3: S3Server) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(s3.endpoint, timeout=5)

    with refused.value:
        assert refused.value.code == 403


def test_a_killed_s3_server_answers_again_after_a_restart() -> None:
    with s3_server(own=True) as server:
        server.kill()
        before = healthy(server.endpoint)

        server.restart()

        assert (before, healthy(server.endpoint)) == (False, True)
