from itertools import islice

from runtime.backoff import delays


def test_waiting_times_stay_within_a_bound_that_doubles_and_then_rests():
    for waits in (list(islice(delays(1.0, 60.0), 40)) for _ in range(50)):
        bounds = [min(60.0, 2.0**attempt) for attempt in range(40)]
        assert all(0.0 <= wait <= bound for wait, bound in zip(waits, bounds, strict=True))


def test_two_devices_do_not_come_back_at_the_same_moment():
    first, second = (list(islice(delays(1.0, 60.0), 10)) for _ in range(2))
    assert first != second


def test_waiting_never_ends_and_never_overflows():
    assert max(islice(delays(0.5, 30.0), 5000)) <= 30.0
