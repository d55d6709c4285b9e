import pymongo
import pytest
from cinelog_testkit.mongo import MongoServer
from cinelog_testkit.names import unique
from cinelog_testkit.servers import mongo_server

pytestmark = pytest.mark.real


def test_the_shared_mongodb_takes_transactions(mongo: MongoServer) -> None:
    with pymongo.MongoClient[dict[str, object]](mongo.uri) as client:
        things = client[unique("db")]["things"]

        with client.start_session() as session, session.start_transaction():
            things.insert_one({"_id": "a"}, session=session)

        assert things.count_documents({}) == 1


def test_a_killed_mongodb_keeps_what_it_acknowledged() -> None:
    with mongo_server(own=True) as server, pymongo.MongoClient[dict[str, object]](server.uri) as client:
        client["db"]["things"].insert_one({"_id": "kept"})
        server.kill()

        server.restart()

        assert client["db"]["things"].find_one() == {"_id": "kept"}
