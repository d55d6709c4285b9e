import pytest
from cinelog_testkit.kafka import KafkaServer, brokers_of
from cinelog_testkit.servers import kafka_server

pytestmark = pytest.mark.real


def test_the_shared_kafka_answers(kafka: KafkaServer) -> None:
    cluster_id, brokers = brokers_of(kafka.bootstrap)

    assert cluster_id
    assert brokers >= 1


def test_a_killed_node_answers_again_after_a_restart_on_its_old_port() -> None:
    with kafka_server(own=True) as server:
        before = brokers_of(server.bootstrap)
        server.kill()
        with pytest.raises(OSError, match="refused"):
            brokers_of(server.bootstrap)

        server.restart()

        assert brokers_of(server.bootstrap) == before
