from cinelog_download.domain.connections import ConnectionBudget, ConnectionPolicy

_LARGE = 10_000_000_000
_UNIT = 10_000


def run(budget: ConnectionBudget, rate_of: dict[int, int], seconds: int) -> int:
    received = 0
    for second in range(seconds):
        allowed = budget.observe(float(second), received, _LARGE)
        received += rate_of[allowed] * _UNIT
    return budget.allowed


def test_one_connection_stays_alone_where_a_second_brings_nothing() -> None:
    budget = ConnectionBudget(ConnectionPolicy())

    allowed = run(budget, {1: 1000, 2: 1050, 3: 1100, 4: 1100}, 30)

    assert allowed == 1


def test_capped_connections_are_multiplied_up_to_the_most() -> None:
    budget = ConnectionBudget(ConnectionPolicy(most=4))

    allowed = run(budget, {1: 1000, 2: 2000, 3: 3000, 4: 4000}, 30)

    assert allowed == 4


def test_the_number_stops_growing_where_the_line_is_full() -> None:
    budget = ConnectionBudget(ConnectionPolicy(most=4))

    allowed = run(budget, {1: 1000, 2: 2000, 3: 2100, 4: 2100}, 30)

    assert allowed == 2


def test_nothing_is_tried_when_the_end_is_near() -> None:
    budget = ConnectionBudget(ConnectionPolicy(worthwhile_s=6.0))

    for second in range(20):
        budget.observe(float(second), second * 1000, 5000)

    assert budget.allowed == 1


def test_nothing_is_tried_while_the_front_arrives() -> None:
    budget = ConnectionBudget(ConnectionPolicy(front_share=0.2))
    total = 1_000_000

    tried_at = next(
        received
        for second, received in enumerate(range(0, total, 10_000))
        if budget.observe(float(second), received, total - received) > 1
    )

    assert 0.2 * total <= tried_at <= 0.25 * total


def test_a_source_that_refuses_several_gets_one_from_then_on() -> None:
    budget = ConnectionBudget(ConnectionPolicy())
    budget.allowed = 3

    budget.fall_back()

    assert run(budget, {1: 1000, 2: 2000}, 30) == 1
