"""Object keys: deterministic, so that whoever repeats work finds what is there."""


def run_prefix(job: str, run: int) -> str:
    """Everything one run made."""
    return f"jobs/{job}/{run}/"


def job_prefix(job: str) -> str:
    """Everything one job made."""
    return f"jobs/{job}/"


def source_prefix(job: str, run: int) -> str:
    """What download stored of the source; of no use once the run has ended."""
    return f"jobs/{job}/{run}/source/"


def plan(job: str, run: int) -> str:
    """The source's fingerprint and where it is cut."""
    return f"jobs/{job}/{run}/source/plan.json"


def bundle(job: str, run: int, n: int, generation: int = 0) -> str:
    """The packets of one work unit."""
    return f"jobs/{job}/{run}/source/{n:06d}.g{generation}.pkts"


def cover(job: str, run: int) -> str:
    """The picture that the source carries for itself."""
    return f"jobs/{job}/{run}/source/cover"


def cue_sheet(job: str, run: int, *, name: str, digest: str) -> str:
    """The cues of one subtitle track; `digest` changes with what they say."""
    return f"jobs/{job}/{run}/source/{name}-{digest}.cues.json"


def encoded_prefix(job: str, run: int, recipe: str, name: str) -> str:
    """Everything of one rendition or track."""
    return f"jobs/{job}/{run}/encoded/{recipe}/{name}/"


def init(job: str, run: int, *, recipe: str, name: str, init_hash: str) -> str:
    """The init segment of a rendition or track."""
    return f"{encoded_prefix(job, run, recipe, name)}init-{init_hash}.mp4"


def segment(prefix: str, n: int, part: int = 0, generation: int = 0) -> str:
    """One playlist segment below an `encoded_prefix`."""
    return f"{prefix}{n:06d}-{part:03d}.g{generation}.m4s"


def sidecar(prefix: str, n: int, generation: int = 0) -> str:
    """What is known of all parts of unit or fragment `n` below an `encoded_prefix`."""
    return f"{prefix}{n:06d}.g{generation}.json"


def thumbnails(job: str, run: int, *, recipe: str, n: int, generation: int = 0) -> str:
    """The small pictures taken while unit `n` was decoded, as one bundle of JPEG packets."""
    return f"jobs/{job}/{run}/encoded/{recipe}/thumbnails/{n:06d}.g{generation}.pkts"


def live_prefix(job: str, run: int) -> str:
    """The live playlists."""
    return f"jobs/{job}/{run}/live/"


def output_prefix(job: str, run: int) -> str:
    """The result."""
    return f"jobs/{job}/{run}/output/"


def manifest(job: str, run: int) -> str:
    """The one commit point of a run."""
    return f"jobs/{job}/{run}/output/manifest.json"


def dash_manifest(master: str) -> str:
    """The DASH manifest over the segments of the multivariant playlist `master`: it lies beside it."""
    return master.rpartition("/")[0] + "/manifest.mpd"
