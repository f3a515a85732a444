from ui.components.curve import HEIGHT, WIDTH, curve


def points(term):
    return [tuple(map(float, pair.split(","))) for pair in term["points"].split()]


def test_nothing_to_draw():
    assert curve([], 100) == []


def test_a_long_run_is_at_most_200_points_and_ends_with_the_newest():
    losses = [(step, {"clip": 1 / (1 + step)}) for step in range(5000)]
    (term,) = curve(losses, 4999)
    assert len(points(term)) <= 200
    assert points(term)[-1][0] == WIDTH
    assert term["value"] == losses[-1][1]["clip"]


def test_every_term_fills_the_height_and_falls_downwards():
    terms = curve([(0, {"small": 0.002, "large": 900.0}), (50, {"small": 0.001, "large": 100.0})], 100)
    assert [term["name"] for term in terms] == ["small", "large"]
    for term in terms:
        (first_x, first_y), (last_x, last_y) = points(term)
        assert (first_x, last_x) == (0, WIDTH / 2)
        assert 0 < first_y < last_y < HEIGHT  # y points down


def test_a_term_may_come_later_and_may_stand_still():
    terms = curve([(0, {"clip": 1.0}), (1, {"clip": 1.0, "negative": 2.0})], 1)
    assert [len(points(term)) for term in terms] == [2, 1]
