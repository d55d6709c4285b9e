import pytest
from cinelog_common.cmaf.joining import JoinTrack
from cinelog_common.cmaf.testing import encode_clicks, encode_video, steady, stored, varying


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> JoinTrack:
    return stored(tmp_path_factory.mktemp("pictures"), "video", encode_video(steady()), kind="video")


@pytest.fixture(scope="session")
def uneven_pictures(tmp_path_factory: pytest.TempPathFactory) -> JoinTrack:
    return stored(tmp_path_factory.mktemp("uneven"), "video", encode_video(varying()), kind="video")


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> JoinTrack:
    """2.4 s, cut near the cuts of `pictures`."""
    track = encode_clicks(2.4, [0.96, 1.92])
    return stored(tmp_path_factory.mktemp("sound"), "audio", track, kind="audio")
