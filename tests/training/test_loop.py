"""The loop with a trainer of one line, and a clock that the trainer moves."""

import argparse
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from torch import nn

from training import loop
from training.loop import Resumable, descend, make_parser, read_options, train
from training.weights import save_checkpoint


class Clock:
    def __init__(self):
        self.now = 0.0

    def read(self):
        return self.now


class LineTrainer(Resumable):
    """Learns y = 2 x from points that are drawn anew; a batch takes 100 s."""

    kept = ("network", "optimizer")

    def __init__(self, batches, clock, killed_at=None):
        super().__init__(batches, 3, "cpu")
        self.clock, self.killed_at = clock, killed_at
        self.network = nn.Linear(1, 1)
        self.optimizer = torch.optim.Adam(self.network.parameters())
        self.losses, self.exported, self.shown = [], [], []

    def step(self):
        if self.batch == self.killed_at:
            raise KeyboardInterrupt
        generator, _ = self.chances()
        x = torch.randn(8, 1, generator=generator)
        loss = (self.network(x) - 2 * x).square().mean()
        descend(loss, self.optimizer, 0.2)
        self.batch += 1
        self.clock.now += 100
        self.losses.append(loss.item())
        return {"loss": loss.item(), "batch": self.batch}

    def export(self, path):
        self.exported.append(self.batch)
        path.write_text(str(self.batch))

    def sheet(self):
        self.shown.append(self.batch)
        return Image.new("RGB", (2, 2))


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=clock.read, process_time=clock.read))
    return clock


# ---------------------------------------------------------------------------------------------- options


def test_the_options_of_a_training(tmp_path, monkeypatch):
    threads = []
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    folder = tmp_path / "some" / "where"
    parser = make_parser("About", batches=7, seed=2, folder=folder, export=tmp_path / "model")
    parser.add_argument("--more", type=int)
    monkeypatch.setattr("sys.argv", ["train", "--threads", "5", "--more", "4", "--export", "out"])
    options = read_options(parser)
    assert (options.batches, options.seed, options.more, options.folder) == (7, 2, 4, folder)
    assert options.export == Path("out")
    assert options.device == ("cuda" if torch.cuda.is_available() else "cpu")
    assert threads == [5]
    assert folder.is_dir()


def test_the_help_is_what_the_training_says_of_itself(capsys):
    parser = make_parser("Two\n  lines.", batches=7, seed=2, folder=Path("a"), export=Path("b"))
    assert isinstance(parser, argparse.ArgumentParser)
    with pytest.raises(SystemExit):
        parser.parse_args(["--help"])
    assert "Two\n  lines." in capsys.readouterr().out


# ---------------------------------------------------------------------------------------------- training


def test_what_a_batch_draws_hangs_on_its_number_and_the_seed_alone(clock):
    trainer = LineTrainer(10, clock)

    def draws():
        generator, rng = trainer.chances()
        return torch.rand(2, generator=generator).tolist(), rng.random()

    first = draws()
    assert draws() == first
    trainer.batch = 1
    assert draws()[0] != first[0]
    assert draws()[1] != first[1]
    trainer.batch, trainer.seed = 0, 4
    assert draws()[0] != first[0]
    assert draws()[1] != first[1]


def test_weights_begin_as_the_seed_says(clock):
    torch.manual_seed(9)
    one = LineTrainer(10, clock)
    assert torch.equal(one.network.weight, LineTrainer(10, clock).network.weight)


def test_rates_are_shared_out_and_gradients_cut_by_network():
    one, other, free = (nn.Linear(1, 1, bias=False) for _ in range(3))
    for network in (one, other, free):
        nn.init.zeros_(network.weight)
    optimizer = torch.optim.SGD(
        [{"params": one.parameters(), "share": 0.5}, {"params": [*other.parameters(), *free.parameters()]}], lr=1.0
    )
    loss = (8 * one.weight + 0.25 * other.weight + 8 * free.weight).sum()
    descend(loss, optimizer, 0.1, one, other)
    assert one.weight.item() == pytest.approx(-0.1 * 0.5 * 1)
    assert other.weight.item() == pytest.approx(-0.1 * 0.25)
    assert free.weight.item() == pytest.approx(-0.1 * 8)
    descend((8 * one.weight).sum(), optimizer, 0.1, one, max_norm=4.0)
    assert one.weight.item() == pytest.approx(-0.1 * 0.5 * (1 + 4))
    assert other.weight.item() == pytest.approx(-0.1 * 0.25)  # no gradient is left from the step before


def test_a_state_is_what_is_kept_and_the_number_of_batches(clock):
    trainer = LineTrainer(10, clock)
    trainer.step()
    assert trainer.state_dict().keys() == {"network", "optimizer", "batch"}
    other = LineTrainer(10, clock)
    other.load_state_dict(trainer.state_dict())
    assert other.batch == 1
    assert torch.equal(other.network.weight, trainer.network.weight)


def test_a_killed_run_finds_its_checkpoint_and_ends_as_if_it_had_never_stopped(clock, tmp_path):
    unbroken = LineTrainer(10, clock)
    train(unbroken, tmp_path / "unbroken.pt")
    assert unbroken.losses[-1] < 0.5 * unbroken.losses[0]

    with pytest.raises(KeyboardInterrupt):
        train(LineTrainer(10, clock, killed_at=5), tmp_path / "last.pt")
    resumed = LineTrainer(10, clock)
    train(resumed, tmp_path / "last.pt")
    assert resumed.losses == unbroken.losses[3:]  # the first save after 240 s is after the third batch
    one, other = (torch.load(tmp_path / name, weights_only=True) for name in ("unbroken.pt", "last.pt"))
    assert one["batch"] == other["batch"] == 10
    assert all(torch.equal(value, other["network"][name]) for name, value in one["network"].items())
    assert all(
        torch.equal(value, other["optimizer"]["state"][number][name])
        for number, values in one["optimizer"]["state"].items()
        for name, value in values.items()
    )


def test_a_run_killed_while_it_saves_finds_the_checkpoint_before(clock, tmp_path, monkeypatch):
    trainer = LineTrainer(10, clock)
    save_checkpoint(trainer, tmp_path / "last.pt")

    def killed(state, path):
        path.write_bytes(b"half of it")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            train(trainer, tmp_path / "last.pt")
    resumed = LineTrainer(10, clock)
    train(resumed, tmp_path / "last.pt")
    assert len(resumed.losses) == 10


def test_what_is_written_when(clock, tmp_path):
    trainer = LineTrainer(10, clock)
    train(trainer, tmp_path / "last.pt", export=tmp_path / "model", sheet=tmp_path / "sheet.png")
    assert trainer.exported == [3, 6, 9, 10]
    assert trainer.shown == [7, 10]
    assert (tmp_path / "model").read_text() == "10"
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (2, 2)


def test_what_is_not_asked_for_is_not_written(clock, tmp_path):
    trainer = LineTrainer(10, clock)
    train(trainer, tmp_path / "last.pt")
    assert trainer.exported == trainer.shown == []
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]


def test_sheets_wait_for_the_process_and_checkpoints_do_not(clock, tmp_path, monkeypatch):
    monkeypatch.setattr(loop.time, "process_time", lambda: clock.now / 10)  # a busy machine
    trainer = LineTrainer(10, clock)
    train(trainer, tmp_path / "last.pt", export=tmp_path / "model", sheet=tmp_path / "sheet.png")
    assert trainer.exported == [3, 6, 9, 10]
    assert trainer.shown == [10]


def test_lines_tell_the_means_of_recent_batches(clock, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(loop, "RECENT", 3)
    trainer = LineTrainer(10, clock)
    train(trainer, tmp_path / "last.pt", every=4)
    mean = sum(trainer.losses[5:8]) / 3
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("batch 4  100.00 s  loss ")
    assert second == f"batch 8  100.00 s  loss {mean:.4f}  batch 7.0000"


def test_a_finished_training_is_left_as_it_is(clock, tmp_path):
    train(LineTrainer(10, clock), tmp_path / "last.pt")
    again = LineTrainer(10, clock)
    train(again, tmp_path / "last.pt", export=tmp_path / "model", sheet=tmp_path / "sheet.png")
    assert again.batch == 10
    assert again.losses == again.exported == again.shown == []


def test_a_training_can_be_lengthened(clock, tmp_path):
    train(LineTrainer(4, clock), tmp_path / "last.pt")
    longer = LineTrainer(10, clock)
    train(longer, tmp_path / "last.pt")
    assert len(longer.losses) == 6
