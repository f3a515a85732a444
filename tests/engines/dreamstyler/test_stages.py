import pytest
import torch

from engines.dreamstyler import stage_of_timestep, timesteps_of_stage, unvisited_stages


@pytest.mark.parametrize("num_stages", [1, 4, 6, 10])
def test_reference_stages(array, num_stages):
    expected = array(f"stage_index_T{num_stages}")
    assert torch.equal(stage_of_timestep(torch.arange(1000), num_stages), expected)
    assert [stage_of_timestep(timestep, num_stages) for timestep in range(1000)] == expected.tolist()


def test_reference_walk(array):
    assert torch.equal(stage_of_timestep(array("walk_timesteps"), 6), array("walk_stage_T6"))


@pytest.mark.parametrize(("num_stages", "total"), [(6, 1000), (7, 1000), (3, 50)])
def test_stages_part_the_timesteps(num_stages, total):
    parts = [timesteps_of_stage(stage, num_stages, total) for stage in range(num_stages)]
    assert [timestep for part in parts for timestep in part] == list(range(total))
    for stage, part in enumerate(parts):
        assert {stage_of_timestep(timestep, num_stages, total) for timestep in part} == {stage}


def test_a_part_of_the_way_does_not_visit_all():
    assert unvisited_stages(range(0, 1000, 40), 6) == []
    assert unvisited_stages(range(0, 800, 40), 6) == [5]
    assert unvisited_stages([999, 500], 6) == [0, 1, 2, 4]


@pytest.mark.parametrize("num_stages", [0, -1, 1001])
def test_impossible_numbers_of_stages(refused, num_stages):
    refused("may be 1 to 1000 stages", stage_of_timestep, 0, num_stages)
