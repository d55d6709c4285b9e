"""Metrics: each declared once as a value that says what it counts and what to do when it is high.

Labels are bounded sets: whatever is not declared is counted as `other`, so that
no id or address can ever become a time series.
"""

import enum
import re

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OTHER = "other"
"""The label's value for what was not declared."""

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Buckets from an HTTP answer to a long segment."""

_NAME = re.compile(r"cinelog_[a-z0-9_]+")


class Kind(enum.Enum):
    """What a metric's number does."""

    COUNTER = "counter"
    """Only grows; its name ends in `_total`."""
    GAUGE = "gauge"
    """Goes up and down."""
    HISTOGRAM = "histogram"
    """A distribution, in buckets."""


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """A declared metric.

    Attributes:
        name: `cinelog_<noun>_<unit>`; counters end in `_total`.
        meaning: What is counted, as a sentence.
        when_high: What to do when it is high; shown to whoever is paged.
        labels: Each label with every value that it may have.
        buckets: Upper bounds, for histograms.
    """

    name: str
    kind: Kind
    meaning: str
    when_high: str
    labels: dict[str, tuple[str, ...]] = {}
    buckets: tuple[float, ...] = SECONDS

    def __post_init__(self) -> None:
        """Refuse a declaration that Prometheus or its reader could not use."""
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name}: a metric is named cinelog_<noun>_<unit>")
        if (self.kind is Kind.COUNTER) != self.name.endswith("_total"):
            raise ValueError(f"{self.name}: counters, and only they, end in _total")
        if not self.meaning or not self.when_high:
            raise ValueError(f"{self.name}: say what it means, and what to do when it is high")


class Metrics:
    """The metrics of one process, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._declared: dict[str, Metric] = {}
        self._series: dict[str, Counter | Gauge | Histogram] = {}
        # Memory, processor time and open files; from /proc, so only on Linux.
        ProcessCollector(registry=self._registry)

    def declare(self, *metrics: Metric) -> None:
        """Make metrics visible (at zero) before anything happens, so that alerts on them can be written.

        Raises:
            ValueError: Another metric has the same name.
        """
        for metric in metrics:
            known = self._declared.setdefault(metric.name, metric)
            if known != metric:
                raise ValueError(f"{metric.name} is declared twice, differently")
            if known is metric and metric.name not in self._series:
                self._series[metric.name] = self._made(metric)

    def add(self, metric: Metric, amount: float = 1.0, **labels: str) -> None:
        """Add to a counter, or to a gauge (which may go down)."""
        series = self._at(metric, labels)
        assert isinstance(series, Counter | Gauge), f"{metric.name} is a {metric.kind.value}"
        series.inc(amount)

    def set(self, metric: Metric, value: float, **labels: str) -> None:
        """Set a gauge."""
        series = self._at(metric, labels)
        assert isinstance(series, Gauge), f"{metric.name} is a {metric.kind.value}"
        series.set(value)

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        """Put a value into a histogram."""
        series = self._at(metric, labels)
        assert isinstance(series, Histogram), f"{metric.name} is a {metric.kind.value}"
        series.observe(value)

    def exposition(self) -> bytes:
        """Return everything in the text form that Prometheus reads (`CONTENT_TYPE`)."""
        return generate_latest(self._registry)

    def _made(self, metric: Metric) -> Counter | Gauge | Histogram:
        help_ = f"{metric.meaning} When high: {metric.when_high}"
        names = tuple(metric.labels)
        match metric.kind:
            case Kind.COUNTER:
                return Counter(metric.name, help_, names, registry=self._registry)
            case Kind.GAUGE:
                return Gauge(metric.name, help_, names, registry=self._registry)
            case Kind.HISTOGRAM:
                return Histogram(metric.name, help_, names, registry=self._registry, buckets=metric.buckets)

    def _at(self, metric: Metric, labels: dict[str, str]) -> Counter | Gauge | Histogram:
        self.declare(metric)
        series = self._series[metric.name]
        if set(labels) != set(metric.labels):
            raise ValueError(f"{metric.name} has the labels {sorted(metric.labels)}, not {sorted(labels)}")
        if not labels:
            return series
        bounded = {name: value if value in metric.labels[name] else OTHER for name, value in labels.items()}
        return series.labels(**bounded)
